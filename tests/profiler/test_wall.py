"""The wall around a process of its own, of both makes: what is left inside. test_sandbox.py grades code behind it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

# How a system refuses namespaces: at once, as containers do, or the mounts in them, as Ubuntu does.
REFUSALS = {"namespaces": "", "landlock": "wall._enter_namespaces = refuse", "late": "wall._root = refuse"}


def inside(folder: Path, does: str, before: str = "") -> str:
    """What a process prints that put up the wall and then did this."""
    program = (
        f"import os, sys; sys.path.append({str(ROOT)!r})\n"
        "from pathlib import Path\n"
        "from profiler import breakout, wall\n"
        "def refuse(*_): raise wall.WallError('namespaces were refused')\n"
        f"{before}\n"
        f"wall.stand(Path({str(folder)!r}), 5)\n"
        f"print({does})"
    )
    command = [sys.executable, "-I", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return done.stdout.strip() or done.stderr


@pytest.fixture(params=REFUSALS)
def make(request: pytest.FixtureRequest) -> str:
    """What makes the wall of this make; skips where this system has not what it takes."""
    before = REFUSALS[request.param]
    found = inside(Path("/nowhere") if before else request.getfixturevalue("tmp_path"), "'stands'", before)
    if found != "stands":
        pytest.skip(f"no such wall stands here: {found[-200:]}")
    return before


def test_no_way_leads_out(make: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "root").mkdir()

    assert "[]" == inside(tmp_path / "root", f"breakout.ways_out({str(tmp_path)!r}, 9, {os.getpid()})", make)
    assert ["root", "secret"] == sorted(path.name for path in tmp_path.iterdir())
    assert [] == list((tmp_path / "root").iterdir())


def test_libraries_are_there_and_nothing_else_is(make: str, tmp_path: Path) -> None:
    assert "1.5" == inside(tmp_path, "__import__('statistics').mean([1, 2])", make)
    assert "Error" in inside(tmp_path, "open('/etc/passwd').read()", make)
    assert "Error" in inside(tmp_path, f"open({str(ROOT / 'README.md')!r}).read()", make)


@pytest.mark.usefixtures("wall")
def test_with_namespaces_the_process_is_alone_in_a_root_of_its_own(tmp_path: Path) -> None:
    found = inside(tmp_path, "os.getpid(), os.getcwd(), os.environ['HOME'], os.path.exists('/etc')")

    if not found.startswith("1 "):
        pytest.skip("this system refuses namespaces")
    assert "1 /tmp /tmp False" == found


@pytest.mark.usefixtures("wall")
def test_without_namespaces_nothing_holds_programs(tmp_path: Path) -> None:
    """Landlock knows no signals and no `chmod`, and a process more is one more limit of memory."""
    refused = "wall._enter_namespaces = refuse; stand = wall.stand; wall.stand = lambda *given: stand(*given, True)"

    assert "without namespaces nothing holds the programs" in inside(tmp_path, "'stands'", refused)


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("sys.platform = 'plan9'", "no filter of system calls is known for plan9"),
        (
            "wall._enter_namespaces = refuse; wall._RULESET = 9999",
            "namespaces were refused; allow user namespaces, or use Linux 6.2",
        ),
    ],
)
def test_a_system_that_lacks_what_it_takes_has_no_wall(tmp_path: Path, before: str, why: str) -> None:
    if sys.platform != "linux":
        pytest.skip("this system has no wall at all")
    assert why in inside(tmp_path, "'stands'", before)
