"""`python -m benchmarks.gossip`: the contract of its JSON."""

import json

import pytest

from benchmarks.gossip.__main__ import main


def test_the_command_prints_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--nodes", "10", "--seconds", "4", "--cards", "4", "--crashes", "1", "--partition", "30", "--json"]

    assert 0 == main(args)

    figures = json.loads(capsys.readouterr().out)
    assert {"p50", "p99", "max"} == figures["convergence_s"].keys() == figures["detection_s"].keys()
    assert (10, 0.0, 1.0, 0, 0) == tuple(
        figures[name] for name in ("nodes", "loss", "complete", "false_deaths", "undetected")
    )
    assert 4 > figures["convergence_s"]["p99"]
    assert 12 > figures["detection_s"]["p99"]
    assert 15 > figures["heal_s"]
    assert 20 > figures["messages_per_s_per_node"] > 0
    assert figures["wire_bytes_per_s_per_node"] > figures["bytes_per_s_per_node"] > 0


def test_with_homes_it_says_what_passes_the_relay(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["--nodes", "4", "--homes", "2", "--seconds", "4", "--cards", "1", "--crashes", "0", "--json"])

    figures = json.loads(capsys.readouterr().out)
    assert 20_000 > figures["relay_bytes_per_s"] > 0
    assert {"p50", "p99", "max"} == figures["far_silence_s"].keys()
