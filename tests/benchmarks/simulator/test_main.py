"""The command line: every experiment runs on the repository's small sample, and prints what its readers rely on."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.outcomes import SAMPLE
from benchmarks.simulator.__main__ import main
from benchmarks.simulator.pictures import draw
from benchmarks.simulator.settings import DEFAULT, SMALL, SettingsError, read
from gateway.home.folder import Home
from gateway.home.weights import WeightsMissing, locate

TINY: dict[str, dict[str, Any]] = {
    "table1": {"queries": 120, "queries_loaded": 120, "warm_up": 0.0},
    "load": {"lambdas": [10, 50], "queries": 120, "warm_up": 0.0},
    "beta": {"betas_per_s": [0.001, 1.0], "queries": 120, "warm_up": 0.0},
    "scale": {"agents": [6, 12], "entries": 5, "queries": 120, "warm_up": 0.0},
    "staleness": {"agents": 5, "queries": 40, "ages_s": [1.0, 20.0], "warm_up": 0.0},
    "churn": {"agents": 40, "queries": 120, "every_s": 0.2, "warm_up": 0.0},
    "adversary": {"agents": 10, "queries": 120, "shares": [0.2], "warm_up": 0.0},
}
QUICK = ("table1", "staleness", "adversary")  # the others are left to `make test-all`


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The settings for the sample, with every experiment cut to a few queries."""
    settings = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    small = yaml.safe_load(SMALL.read_text(encoding="utf-8"))
    for name, fewer in [("workload", small["workload"]), *TINY.items()]:
        settings[name] |= fewer
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def needs_encoder() -> None:
    try:
        locate("encoder", Home.default().weights)
    except WeightsMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize(
    "experiment", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in TINY]
)
def test_every_experiment_prints_the_contract(
    experiment: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if experiment != "staleness":
        needs_encoder()

    status = main([experiment, "--json", "--seeds", "1", "2", "--config", str(tiny), "--outcomes", str(SAMPLE)])

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
    needs_encoder()

    status = main(["load", "--config", str(tiny), "--outcomes", str(tmp_path)])

    assert 1 == status
    assert "python -m benchmarks.gather --help" in capsys.readouterr().err


def test_settings_for_other_tasks_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    needs_encoder()

    status = main(["load", "--outcomes", str(SAMPLE)])

    assert 1 == status
    assert "`workload.lengths` of the settings" in capsys.readouterr().err


@pytest.mark.parametrize("experiment", ["load", "staleness"])
def test_pictures_that_cannot_be_written_are_refused_before_the_run(
    experiment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()

    status = main([experiment, "--pictures", str(tmp_path / "file")])

    assert 1 == status
    assert "cannot write the picture" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("experiment", "remedy"),
    [("load", "ppai pull encoder"), ("live", "ppai pull smollm2"), ("calibrate", "ppai pull smollm2")],
)
def test_missing_weights_are_named_before_a_peer_starts(
    experiment: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PPAI_WEIGHTS", str(tmp_path))

    status = main([experiment])

    assert 1 == status
    assert remedy in capsys.readouterr().err


def test_settings_of_the_sample_replace_those_of_the_paper() -> None:
    paper, small = read(), read(DEFAULT, SMALL)

    assert (paper.staleness, paper.load.warm_up) == (small.staleness, small.load.warm_up)
    assert (300, {"mmlu", "gsm8k"}) == (small.load.queries, {"mmlu", "gsm8k"} - small.workload.lengths.keys())


@pytest.mark.parametrize("text", ["load: 3", "nonsense: {}", "load: {nonsense: 1}", "]"])
def test_broken_settings_are_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text(text)

    with pytest.raises(SettingsError, match=r"broken\.yaml: "):
        read(DEFAULT, tmp_path / "broken.yaml")
