"""`python -m benchmarks.gateway.stall`: one large request does not keep a peer from everything else."""

import json

import pytest

from benchmarks.gateway.stall import CASES, main

SLACK = 2  # of the quietest of three rounds, on a machine that does other work too


@pytest.mark.alone
@pytest.mark.slow
def test_no_large_request_stalls_the_loop_for_long(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--json", "--rounds", "3"])

    rows = json.loads(capsys.readouterr().out)["rows"]
    assert (0, {"ppai", "asking", "answering"}) == (code, {row["target"] for row in rows})
    assert {case.name for case in CASES} == {row["case"] for row in rows if row["target"] == "ppai"}
    assert [] == [row for row in rows if row["most_ms"] == 0]  # a loop that nobody watches
    assert [] == [row for row in rows if row["least_ms"] > SLACK * row["limit_ms"]]
