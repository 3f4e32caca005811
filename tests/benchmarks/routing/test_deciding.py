"""The benchmark of one decision measures decisions: everybody it speaks of is a candidate."""

import json

import pytest

from benchmarks.routing.deciding import main, network


@pytest.mark.parametrize("candidates", [1, 9])
def test_everybody_is_a_candidate(candidates: int) -> None:
    roster = network(candidates, seed=0).roster

    assert candidates == len(roster) and roster.approved.all() and not roster.dead.any()


def test_a_row_says_what_deciding_and_observing_take(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["--candidates", "1,3", "--queries", "20", "--json"])

    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [1, 3] == [row["candidates"] for row in rows]
    assert all(row["decide_us"] > 0 and row["observe_us"] > 0 for row in rows)
