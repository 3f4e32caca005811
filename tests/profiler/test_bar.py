"""What is said while questions are asked; the bar itself is rich's."""

import pytest

from profiler.bar import say


def test_what_is_said_goes_to_people_and_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("asking \x1b[2Jtiny")

    assert ("", "asking [2Jtiny\n") == capsys.readouterr()
