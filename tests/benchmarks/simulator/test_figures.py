"""What is made of answers: means, intervals, ratios."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.simulator.asks import LOST, Answered
from benchmarks.simulator.figures import interval, ratio, run_figures


def test_intervals_hold_their_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)

    held = [low <= 1.0 <= high for _, low, high in (interval(rng.normal(1, 2, 8).tolist()) for _ in range(2000))]

    assert 0.95 == pytest.approx(np.mean(held), abs=0.015)


def test_ratios_are_taken_seed_by_seed() -> None:
    """A hard seed is hard for both: the ratio does not see it."""
    runs, others = [{"mean_s": 1.0}, {"mean_s": 10.0}], [{"mean_s": 2.0}, {"mean_s": 20.0}]

    assert {"of": "mean_s", "mean": 0.5, "ci": [0.5, 0.5]} == ratio(runs, others, "mean_s")


def test_lost_queries_count_as_wrong_and_not_as_quick() -> None:
    done = Answered(1.0, "", 2.0, 1.0, 0, 1, "best")

    figures = run_figures([done, replace(done, peer=LOST, latency_s=0.0, grade=0.0)], warm_up_s=0.0)

    assert (2.0, 50.0, 0.5) == (figures["mean_s"], figures["accuracy"], figures["lost"])
