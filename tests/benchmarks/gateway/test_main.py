"""`python -m benchmarks.gateway`: a real peer and the mock engine, briefly; the contract's figures come out."""

import json

import pytest

from benchmarks.gateway.__main__ import main
from benchmarks.gateway.ledger import REST, STAGES

KEYS = {
    *("target", "scenario", "rps", "added_p50_us", "added_p99_us"),
    *("cpu_us_per_request", "cpu_us_per_word", "rss_mib"),
}
TARGETS = ("direct", "ppai", "delegated")


@pytest.mark.slow
@pytest.mark.alone
def test_every_target_has_its_figures_in_every_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--json", "--rounds", "1", "--seconds", "0.2", "--scenarios", "c16,s1"])

    rows = json.loads(capsys.readouterr().out)["rows"]
    assert (0, [KEYS] * 6) == (code, [set(row) for row in rows])
    assert {(t, s) for t in TARGETS for s in ("c16", "s1")} == {(r["target"], r["scenario"]) for r in rows}
    direct, ppai, delegated = (
        next(r for r in rows if r["target"] == name and r["scenario"] == "c16") for name in TARGETS
    )
    assert (0, True) == (direct["added_p50_us"], ppai["added_p50_us"] > 0)
    assert delegated["cpu_us_per_request"] > ppai["cpu_us_per_request"] > 0
    assert min(row["rps"] for row in rows) > 0
    assert {
        row["scenario"]: row["cpu_us_per_request"] / row["cpu_us_per_word"] for row in rows if row["target"] == "ppai"
    } == pytest.approx({"c16": 1, "s1": 8}, rel=0.01)
    assert ppai["rss_mib"] > direct["rss_mib"] > 1


@pytest.mark.slow
@pytest.mark.alone
def test_the_ledger_shares_what_a_request_costs(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--ledger", "--json", "--targets", "ppai", "--rounds", "1", "--seconds", "2", "--scenarios", "c16"])

    (row,) = json.loads(capsys.readouterr().out)["rows"]
    stages = {stage: row[stage] for stage in (*STAGES, REST)}
    assert (0, "ppai") == (code, row["target"])
    assert sum(stages.values()) == pytest.approx(row["cpu_us_per_request"], abs=1)
    assert min(stages["plan"], stages["let in"], stages["parse"]) > stages[REST] / 4
