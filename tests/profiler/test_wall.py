"""The wall around a process of its own: what is left inside. test_sandbox.py tries to get out of it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def inside(folder: Path, does: str) -> str:
    """What a process prints that put up the wall and then did this."""
    program = (
        f"import os, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\n"
        "from profiler.wall import stand\n"
        f"stand(Path({str(folder)!r}), 5)\n"
        f"print({does})"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False, timeout=20
    )
    return done.stdout.strip() or done.stderr


@pytest.mark.usefixtures("wall")
@pytest.mark.parametrize(
    ("does", "found"),
    [
        ("os.getpid()", "1"),
        ("os.getcwd()", "/tmp"),
        ("[path for path in ('/etc', '/proc', '/dev', '/var') if os.path.exists(path)]", "[]"),
        ("os.environ['HOME']", "/tmp"),
    ],
)
def test_what_is_seen_inside(tmp_path_factory: pytest.TempPathFactory, does: str, found: str) -> None:
    assert found in inside(tmp_path_factory.mktemp("root"), does)


@pytest.mark.usefixtures("wall")
def test_nothing_of_it_is_left_outside(tmp_path: Path) -> None:
    assert "1" == inside(tmp_path, "Path('written').write_text('x')")
    assert [] == list(tmp_path.iterdir())


def test_a_system_without_a_filter_has_no_wall(tmp_path: Path) -> None:
    program = (
        f"import os, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\n"
        "from profiler import wall\n"
        "sys.platform = 'plan9'\n"
        f"wall.stand(Path({str(tmp_path)!r}), 5)\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)

    assert "WallError: no filter of system calls is known for plan9" in done.stderr
