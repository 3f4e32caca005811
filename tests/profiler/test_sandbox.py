"""Code that a model wrote: right, wrong, endless, greedy, sly."""

import os
import socket
import sys
import time
from pathlib import Path

import psutil
import pytest

from profiler import sandbox
from profiler.sandbox import NoWall, passes, problem
from profiler.walled import NO_WALL, PASSED

TESTS = "assert double(2) == 4"
RIGHT = "def double(x):\n    return 2 * x\n"


@pytest.fixture(params=[True, False], ids=["walled", "by hand"])
def walled(request: pytest.FixtureRequest) -> bool:
    """Both ways to run code; the first where a wall stands here."""
    if request.param:
        request.getfixturevalue("wall")
    return bool(request.param)


def children() -> list[psutil.Process]:
    """The sandbox's processes that are left."""
    return left_with("profiler.walled")


def left_with(said: str) -> list[psutil.Process]:
    """Processes with this in their command line; the kernel may take a moment to bury one."""
    every = psutil.process_iter(["cmdline"])
    left = [one for one in every if any(said in word for word in one.info["cmdline"] or ())]
    return psutil.wait_procs(left, timeout=5)[1]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (RIGHT, True),
        ("print('noise')\n" + RIGHT, True),
        ("import sys; sys.stdout.write('0' * 100); sys.stdout.flush()\n" + RIGHT, True),
        ("def double(x):\n    return x", False),
        ("def double(x)\n    return x", False),
        ("", False),
        ("import os; os._exit(0)", False),
        ("raise SystemExit", False),
    ],
)
def test_verdict(code: str, expected: bool, walled: bool) -> None:
    assert expected == passes(code, TESTS, walled=walled)


@pytest.mark.parametrize(
    "code",
    [
        "class Yes:\n    def __eq__(self, other): return True\ndef double(x): return Yes()",
        "class Yes(int):\n    def __eq__(self, other): return True\ndef double(x): return Yes(3)",
        "import builtins\nbuiltins.AssertionError = None\ndef double(x): return 3",
        "class AssertionError(BaseException): pass\ndef double(x): raise AssertionError",
        "def double(x): raise SystemExit(0)",
        "import os\nfor at in range(64):\n    try: os.write(at, b'\"passed\"')\n    except OSError: pass",
    ],
)
def test_the_code_has_no_say_in_the_verdict(code: str, walled: bool) -> None:
    assert not passes(code, TESTS, walled=walled)


@pytest.mark.usefixtures("wall")
def test_what_is_asserted_is_nowhere_to_be_read() -> None:
    """Neither two frames up, nor among the objects of the process, nor in a file."""
    looks = (
        "import gc, os, sys\n"
        "def double(x):\n"
        "    frame, seen = sys._getframe(), []\n"
        "    while frame: seen.append(repr(frame.f_locals)); frame = frame.f_back\n"
        "    seen += [o for o in gc.get_objects() if isinstance(o, str)]\n"
        "    for folder, _, files in os.walk('/tmp'):\n"
        "        seen += [open(os.path.join(folder, file)).read() for file in files if 'site-packages' not in folder]\n"
        "    return any('56' + '093' in one for one in seen)\n"
    )

    assert passes(looks, "assert double(2) is False\nassert 56093 == 56093")


def test_the_time_is_bounded_and_nothing_outlives_it(walled: bool) -> None:
    began = time.monotonic()

    assert not passes("import time\ntime.sleep(60)", TESTS, 0.5, walled)
    assert not passes("while True: pass", TESTS, 0.5, walled)

    assert time.monotonic() - began < 10
    assert [] == children()


def test_memory_is_bounded(walled: bool) -> None:
    assert not passes("hoard = bytearray(2**31)\n" + RIGHT, TESTS, walled=walled)


def test_it_runs_in_a_folder_of_its_own(walled: bool) -> None:
    code = "import os\nhere = os.getcwd()\ntry: open('here', 'w').write('x')\nexcept OSError: pass"

    assert passes(code, f"assert here != {str(Path.cwd())!r}", walled=walled)
    assert not Path("here").exists()


@pytest.mark.usefixtures("wall")
def test_code_behind_the_wall_reaches_nothing_of_this_machine(tmp_path: Path) -> None:
    """The start of `ppai-profile` tries the same (breakout.py); here each is looked at from outside."""
    (tmp_path / "identity.key").write_text("private")
    with socket.socket(socket.AF_UNIX) as unix, socket.create_server(("127.0.0.1", 0)) as server:
        unix.bind(str(tmp_path / "agent"))
        unix.listen()
        unix.settimeout(0)
        server.settimeout(0)
        attempts = [
            f"socket.create_connection({server.getsockname()!r}, 2)",
            f"socket.socket(socket.AF_UNIX).connect({str(tmp_path / 'agent')!r})",
            f"open({str(tmp_path / 'identity.key')!r}).read()",
            f"open({str(tmp_path / 'written')!r}, 'w')",
            "subprocess.Popen(['sleep', '4712'], start_new_session=True)",
            "os.fork()",
            f"os.kill({os.getpid()}, 0)",
            "os.environ['PPAI_SECRET']",
        ]
        for attempt in attempts:
            assert not passes(f"import os, socket, subprocess\n{attempt}\n", "pass"), attempt
        for listener in (unix, server):
            with pytest.raises(BlockingIOError):
                listener.accept()
    assert ["agent", "identity.key"] == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.usefixtures("wall")
def test_the_libraries_are_there_and_read_only() -> None:
    code = "import calendar, decimal, numpy, sqlite3, ssl, zlib\nhere = float(numpy.ones(3).sum())"

    assert passes(code, "assert here == 3.0")
    assert not passes("import numpy\nopen(numpy.__file__, 'a')", "pass")


def test_a_wall_that_lets_through_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "verdict", lambda *_, **__: "AssertionError(['reads a file of yours'])")

    assert "it does not hold: AssertionError(['reads a file of yours'])" == problem()


def test_without_a_wall_nothing_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "verdict", lambda *_, **__: NO_WALL + "mounts of its own was refused")

    assert "mounts of its own was refused" == problem()
    with pytest.raises(NoWall, match="was refused"):
        passes(RIGHT, TESTS)


STARTS = (
    "import subprocess\ndone = subprocess.run(['/bin/sh', '-c', {!r}], capture_output=True, text=True).stdout.strip()"
)


@pytest.mark.usefixtures("programs_wall")
def test_a_shell_has_its_commands_and_a_folder_of_its_own() -> None:
    shell = "printf 'b\\na\\n' > x 2>/dev/null; chmod +x x; touch x; sed -i s/b/c/ x; sort x | awk '{print $1}'"

    assert passes(STARTS.format(shell), "assert done == 'a\\nc'", programs=True)
    assert not passes(STARTS.format("sort /dev/null; echo a"), "assert done == 'a'"), "only where it was asked for"


@pytest.mark.usefixtures("programs_wall")
def test_a_shell_reaches_nothing_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("private")
    attempts = [
        f"cat {tmp_path}/secret /etc/passwd /proc/1/environ; echo x > {tmp_path}/written",
        f"kill -9 {os.getpid()}; ls /proc /home /etc/ssh",
        "unshare -Ur echo in; mount -t tmpfs none /tmp && echo in; chroot / echo in",
        "echo x > /usr/bin/ls && echo in; rm -f /usr/bin/env && echo in",
        f"{sys.executable} -c 'import socket; socket.create_connection((\"127.0.0.1\", 80), 1); print(1)'",
        f"{sys.executable} -c 'print(len(bytearray(2**30)))'",
    ]

    for attempt in attempts:
        assert passes(STARTS.format(attempt), "assert done == '', done", programs=True), attempt
    assert ["secret"] == [path.name for path in tmp_path.iterdir()]
    assert Path("/usr/bin/env").exists()


@pytest.mark.usefixtures("programs_wall")
def test_what_a_shell_started_ends_with_the_time() -> None:
    began = time.monotonic()

    assert not passes(STARTS.format("setsid sleep 4713 & sleep 4713"), "pass", 0.5, programs=True)

    assert time.monotonic() - began < 10
    assert [] == left_with("4713")


def test_a_shell_does_not_run_without_a_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "verdict", lambda *given, **__: NO_WALL if given[3] else PASSED)

    assert passes(RIGHT, TESTS, walled=False)
    with pytest.raises(NoWall):
        passes(RIGHT, TESTS, walled=False, programs=True)
