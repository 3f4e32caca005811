"""What commands say, and that what fails says nothing."""

import sys

import pytest

from gateway.person import commands
from gateway.person.commands import said


def test_what_a_command_wrote_is_told() -> None:
    assert "7" == (said(sys.executable, "-c", "print(7)") or "").strip()


@pytest.mark.parametrize("code", ["raise SystemExit(1)", "import time; time.sleep(9)", "print(7, chr(0xDCFF))"])
def test_a_command_that_fails_or_hangs_or_is_not_there_tells_nothing(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "TIMEOUT_S", 0.3)

    assert said(sys.executable, "-c", code) is None
    assert said("ppai-no-such-command") is None
