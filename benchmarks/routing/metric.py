"""The metric on recorded outcomes: mean over tasks of the chosen model's score, its interval, and splits by seed."""

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.outcomes import Outcomes

Floats = npt.NDArray[Any]


def folds(tasks: npt.NDArray[Any], count: int, seed: int) -> npt.NDArray[np.int64]:
    """(n,) fold of each query; every task is spread evenly."""
    rng = np.random.default_rng(seed)
    fold = np.empty(len(tasks), np.int64)
    for task in np.unique(tasks):
        rows = np.flatnonzero(tasks == task)
        fold[rng.permutation(rows)] = np.arange(len(rows)) % count
    return fold


def balanced_rows(tasks: npt.NDArray[Any], count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """At most `count` row numbers, tasks in turn, drawn without replacement."""
    piles = [rng.permutation(np.flatnonzero(tasks == task)) for task in np.unique(tasks)]
    turns = [pile[depth] for depth in range(max(map(len, piles))) for pile in piles if depth < len(pile)]
    return np.array(turns[:count])


def chosen_scores(values: Floats, outcomes: Outcomes) -> Floats:
    """(n,) score of the model with the highest value, values (n, M); among equals their mean."""
    best = values >= values.max(1, keepdims=True) - 1e-9
    found: Floats = (outcomes.scores * best).sum(1) / best.sum(1)
    return found


def task_means(chosen: Floats, tasks: npt.NDArray[Any]) -> dict[str, float]:
    """Mean chosen score by task, as RouterDC reports it."""
    return {str(task): float(chosen[tasks == task].mean()) for task in np.unique(tasks)}


def interval(chosen: Floats, tasks: npt.NDArray[Any], seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """95 % bootstrap interval over questions of the unweighted mean over tasks."""
    rng = np.random.default_rng(seed)
    means = np.zeros(draws)
    names = np.unique(tasks)
    for task in names:
        values = chosen[tasks == task]
        means += values[rng.integers(len(values), size=(draws, len(values)))].mean(1) / len(names)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
