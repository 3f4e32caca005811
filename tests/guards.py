"""Whether the tests of attacks would notice: a guard is taken out of a copy of the code, and its test must fail.

Tables of guards lie in the `test_guards.py` of a room or package; docs/results/security.md names attacks by number.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent


class Guard(NamedTuple):
    """One line of defence: `guard` of `file` becomes `without`, and the test `held_by` has to fail then.

    `attack` may begin with numbers of attacks, as in "17, 18: replayed". `file` counts from the root, `held_by` from
    tests/.
    """

    attack: str
    file: str
    guard: str
    without: str
    held_by: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the attacks that it holds off; empty where it holds off others."""
        found = re.match(r"(\d+(?:, \d+)*): ", self.attack)
        return tuple(map(int, found[1].split(", "))) if found else ()


def checked(guards: Sequence[Guard]) -> tuple[Callable[..., None], Callable[..., None]]:
    """The two tests of a table: without each guard its test fails; with all of them no test does."""

    @pytest.mark.slow
    @pytest.mark.timeout(300)
    @pytest.mark.parametrize("guard", guards, ids=[guard.attack for guard in guards])
    def fails_without(tmp_path: Path, guard: Guard) -> None:
        assert 1 == without(guard, tmp_path)

    @pytest.mark.slow
    @pytest.mark.timeout(600)
    def holds_with_all(tmp_path: Path) -> None:
        assert "" == with_all(guards, tmp_path)

    return fails_without, holds_with_all


def without(guard: Guard, copy: Path) -> int:
    """pytest's verdict on the guard's test in a copy of the code that lacks the guard: 1 where it is missed."""
    room = Path(guard.file).parts[0]
    _lay_out(copy, room)
    attacked = copy / guard.file
    source = attacked.read_text(encoding="utf-8")
    assert 1 == source.count(guard.guard), "the guard has moved: name it anew"
    attacked.write_text(source.replace(guard.guard, guard.without), encoding="utf-8")
    return _run(copy, (guard,)).returncode


def with_all(guards: Iterable[Guard], copy: Path) -> str:
    """What fails of the tests of all these guards in a copy of the code as it is; empty where none does."""
    _lay_out(copy, "discovery")
    ran = _run(copy, guards)
    return ran.stdout[-4000:] if ran.returncode else ""


def _lay_out(copy: Path, room: str) -> None:
    """Everything at the root, of which `room` is a copy and the rest leads here."""
    shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    for beside in ("discovery", "gateway", "profiler", "benchmarks", "configs", "docs", "tests", "pyproject.toml"):
        if beside != room:
            (copy / beside).symlink_to(ROOT / beside)


def _run(copy: Path, guards: Iterable[Guard]) -> subprocess.CompletedProcess[str]:
    """pytest on the guards' tests: it returns 0 where they pass, 1 where one fails, else it could not run them."""
    tests = dict.fromkeys(f"tests/{guard.held_by}" for guard in guards)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--timeout", "120", "--", *tests]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=copy, env=environment, check=False, capture_output=True, text=True)
