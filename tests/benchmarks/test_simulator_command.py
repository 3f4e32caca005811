"""The command line: every experiment runs, and prints what DESIGN section 9 promises."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.simulator.__main__ import main
from benchmarks.simulator.pictures import draw
from benchmarks.simulator.settings import DEFAULT
from gateway.home.folder import Home
from gateway.home.weights import WeightsMissing, locate

OUTCOMES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "outcomes" / "train"
TINY: dict[str, dict[str, Any]] = {
    "table1": {"queries": 40, "queries_loaded": 40, "warm_up": 0.0},
    "load": {"lambdas": [10, 50], "queries": 40, "warm_up": 0.0},
    "beta": {"betas_per_s": [0.001, 1.0], "queries": 40, "warm_up": 0.0},
    "scale": {"agents": [14, 28], "entries": 5, "queries": 40, "warm_up": 0.0},
    "staleness": {"agents": 5, "queries": 40, "ages_s": [1.0, 20.0], "warm_up": 0.0},
    "churn": {"agents": 40, "queries": 120, "every_s": 0.2, "warm_up": 0.0},
    "adversary": {"agents": 10, "queries": 40, "shares": [0.2], "warm_up": 0.0},
}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The settings, with every experiment cut to a few queries."""
    settings = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    for name, fewer in TINY.items():
        settings[name] |= fewer
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def needs_data() -> None:
    if not OUTCOMES.is_dir():
        pytest.skip("the recorded outcomes are not here")
    try:
        locate("encoder", Home.default().weights)
    except WeightsMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("experiment", TINY)
def test_every_experiment_prints_the_contract(
    experiment: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if experiment != "staleness":
        needs_data()

    status = main([experiment, "--json", "--seeds", "1", "2", "--config", str(tiny), "--outcomes", str(OUTCOMES)])

    result = json.loads(capsys.readouterr().out)
    assert (0, experiment, [1, 2]) == (status, result["experiment"], result["seed_list"])
    assert result["rows"]
    for row in result["rows"]:
        assert {"policy", "x", "mean_s", "p99_s", "accuracy", "ci"} <= row.keys()
        low, high = row["ci"]["mean_s"]
        assert 0 < row["mean_s"] <= row["p99_s"]
        assert low <= row["mean_s"] <= high
    assert all(path.stat().st_size < 100_000 for path in draw(result, tmp_path))


def test_absent_outcomes_are_named(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["load", "--config", str(tiny), "--outcomes", str(tmp_path)])

    assert 1 == status
    assert "--outcomes DIR" in capsys.readouterr().err
