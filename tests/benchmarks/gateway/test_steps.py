"""How many steps of the interpreter one request takes in a peer."""

import json

import pytest

from benchmarks.gateway.steps import main, rows_of


def test_steps_are_told_of_all_functions_and_of_those_that_take_the_most() -> None:
    counted = {
        "/somewhere/gateway/ppai/gateway/wire/request.py:read_request": (10, 1500),
        "/usr/lib/python3/json/decoder.py:decode": (20, 500),
        "/somewhere/gateway/ppai/gateway/routing/node.py:only": (10, 1000),
    }

    rows = rows_of("ppai", "c16", "ppai", counted, requests=10, top=2)

    assert [
        ("all", 300.0, 4.0),
        ("gateway/wire/request.py:read_request", 150.0, 1.0),
        ("gateway/routing/node.py:only", 100.0, 1.0),
    ] == [(row["function"], row["steps"], row["calls"]) for row in rows]


def test_what_is_no_scenario_is_refused_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--scenarios", "c17"])

    assert "c17: there are c1, c16" in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_peer_takes_the_same_steps_for_the_same_request(capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for _ in range(2):
        assert 0 == main(["--scenarios", "c1", "--seconds", "1.5", "--json"])
        found.append(json.loads(capsys.readouterr().out)["rows"][0]["steps"])

    assert 3000 < found[0] < 20000
    assert found[0] == pytest.approx(found[1], rel=0.1)
