"""What is given to these commands alike."""

from pathlib import Path

import pytest

from benchmarks.gateway.options import parser_of


def test_other_checkouts_add_up_and_rounds_are_the_command_s_own() -> None:
    parser = parser_of("benchmarks.gateway", "About.", rounds=7)

    nothing, some = parser.parse_args([]), parser.parse_args(["--against", "a", "--against", "b", "--rounds", "1"])

    assert ([], 7, False) == (nothing.against, nothing.rounds, nothing.json)
    assert ([Path("a"), Path("b")], 1) == (some.against, some.rounds)
    assert [] == parser.parse_args([]).against, "what one command was told is not another's"


def test_what_is_not_compared_takes_no_other_checkout(capsys: pytest.CaptureFixture[str]) -> None:
    parser = parser_of("benchmarks.gateway.flood", "About.", rounds=3, compares=False)

    with pytest.raises(SystemExit):
        parser.parse_args(["--against", "a"])
    assert "--against" in capsys.readouterr().err
