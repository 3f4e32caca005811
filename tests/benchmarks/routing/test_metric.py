"""The metric, on outcomes small enough to work by hand."""

import numpy as np

from benchmarks.routing.metric import balanced_rows, chosen_scores, folds, interval
from tests.benchmarks.routing.small import OUTCOMES


def test_equals_share_the_choice() -> None:
    assert [0.5, 0.25, 0.5] == chosen_scores(np.zeros((3, 2)), OUTCOMES).tolist()


def test_the_interval_holds_the_mean_and_shrinks() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.random(50), rng.random(5000)

    low, high = interval(few, np.zeros(50))
    narrow_low, narrow_high = interval(many, np.zeros(5000))

    assert low < few.mean() < high
    assert narrow_high - narrow_low < (high - low) / 5


def test_folds_and_draws_are_balanced() -> None:
    tasks = np.array(["big"] * 90 + ["small"] * 10)

    fold = folds(tasks, 5, seed=1)
    rows = balanced_rows(tasks, 16, np.random.default_rng(0))

    assert [(18, 2)] * 5 == [((tasks[fold == k] == "big").sum(), (tasks[fold == k] == "small").sum()) for k in range(5)]
    assert (16, 8) == (len(set(rows)), (tasks[rows] == "small").sum())
