"""The demo shows what came of this run, and ends with what to type next."""

import sys
from pathlib import Path

import pytest

from gateway.cli.demo.show import next_steps


def test_the_demo_ends_with_what_to_type_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First what puts `ppai` on the path, where it is not."""
    monkeypatch.setenv("PATH", str(tmp_path))
    away = [line.split()[0] for line in next_steps()[1:-1]]
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    here = [line.strip() for line in next_steps()[1:-1]]

    assert [".", "ppai", "ppai", "ppai"] == away
    assert ["ppai init", "ppai serve", "ppai ask 'Why is the sky blue?'"] == here
