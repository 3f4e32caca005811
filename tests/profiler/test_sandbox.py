"""Code that a model wrote: right, wrong, endless, greedy, sly."""

import ctypes
import multiprocessing
import socket
import sys
import time
from pathlib import Path

import psutil
import pytest

from profiler.sandbox import passes

TESTS = "assert double(2) == 4"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def double(x):\n    return 2 * x", True),
        ("print('noise')\ndef double(x):\n    return 2 * x", True),
        ("def double(x):\n    return x", False),
        ("def double(x)\n    return x", False),
        ("", False),
        ("import sys; sys.exit(0)", False),
        ("import os; os._exit(0)", False),
        ("raise SystemExit", False),
        ("import sys; sys.stdout.write('0' * 100); sys.stdout.flush()", False),
    ],
)
def test_verdict(code: str, expected: bool) -> None:
    assert expected == passes(code, TESTS)


def test_an_endless_loop_ends() -> None:
    began = time.monotonic()

    assert not passes("while True: pass", TESTS, timeout_s=1.0)

    assert time.monotonic() - began < 5


def test_memory_is_bounded() -> None:
    assert not passes("hoard = bytearray(2**31)\ndef double(x): return 2 * x", TESTS)


def test_it_runs_in_a_folder_of_its_own(tmp_path: Path) -> None:
    assert passes("open('here', 'w').write('x')\nimport os\nhere = os.getcwd()", f"assert here != {str(Path.cwd())!r}")
    assert not Path("here").exists()


def test_what_the_code_starts_ends_with_it() -> None:
    code = "import subprocess\nchild = subprocess.Popen(['sleep', '4711'])\ndef double(x): return 2 * x"

    assert passes(code, TESTS)

    left = [p for p in psutil.process_iter(["cmdline"]) if (p.info["cmdline"] or [])[:2] == ["sleep", "4711"]]
    _, alive = psutil.wait_procs(left, timeout=5)  # killed already; the kernel may take a moment to bury it
    assert [] == alive


def _may_unshare() -> None:
    sys.exit(ctypes.CDLL(None).unshare(0x10000000 | 0x40000000 | 0x20000000))


@pytest.fixture
def namespaces() -> None:
    child = multiprocessing.get_context("spawn").Process(target=_may_unshare)
    child.start()
    child.join()
    if child.exitcode != 0:
        pytest.skip("this system does not let a user make namespaces; SECURITY.md says so")


@pytest.mark.parametrize("then", ["", "while True: pass"])
@pytest.mark.usefixtures("namespaces")
def test_a_session_of_its_own_does_not_outlive_it(then: str) -> None:
    """Neither after a verdict nor after the time is up."""
    code = "import subprocess\nsubprocess.Popen(['sleep', '4712'], start_new_session=True)\n" + then

    assert passes(code, "pass", timeout_s=1.0 if then else 10.0) is (then == "")

    left = [p for p in psutil.process_iter(["cmdline"]) if (p.info["cmdline"] or [])[:2] == ["sleep", "4712"]]
    _, alive = psutil.wait_procs(left, timeout=5)
    assert [] == alive


@pytest.mark.usefixtures("namespaces")
def test_the_network_is_out_of_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        dial = f"import socket\nsocket.create_connection({address!r}, timeout=2)"

        assert not passes(dial, "pass")
        assert passes("import socket", "pass")
