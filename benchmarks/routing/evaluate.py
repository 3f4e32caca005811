"""Runs routers over splits and seeds, and says how sure the numbers are. Percent everywhere in what it returns."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.routing.outcomes import balanced_rows, chosen_scores, folds, interval, task_means
from benchmarks.routing.routers import PPAI, Split, gate_values, newcomer, profiles, routers
from profiler.train import TrainConfig, fit

Floats = npt.NDArray[Any]
SIZES = ("100", "300", "1000", "all")
SEEDLESS = {"knn", "ridge", "best_single", "random", "task_oracle", "oracle"}


def cross_validate(
    whole: Split, cut: Callable[[Split, Any], Split], count: int, seeds: Sequence[int]
) -> dict[str, Floats]:
    """{router: (n,) chosen score of every query when its fold was held out}, mean over seeds of folds and gates."""
    runs = []
    for seed in seeds:
        fold = folds(whole.outcomes.tasks, count, seed)
        chosen: dict[str, Floats] = {}
        for held in range(count):
            train, test = cut(whole, fold != held), cut(whole, fold == held)
            for name, router in routers(seed).items():
                values = chosen_scores(router(train, test), test.outcomes)
                chosen.setdefault(name, np.empty(len(fold)))[fold == held] = values
        runs.append(chosen)
    return {name: np.mean([run[name] for run in runs], axis=0) for name in runs[0]}


def evaluate(train: Split, test: Split, seeds: Sequence[int]) -> dict[str, Floats]:
    """{router: (n,) chosen score of every test query}, mean over gate seeds."""
    return {
        name: np.mean(
            [
                chosen_scores(routers(seed)[name](train, test), test.outcomes)
                for seed in (seeds[:1] if name in SEEDLESS else seeds)
            ],
            axis=0,
        )
        for name in routers(0)
    }


def report(chosen: Floats, tasks: npt.NDArray[Any]) -> dict[str, Any]:
    """{"mean", "ci", "tasks"} of one router on one split."""
    by_task = task_means(chosen, tasks)
    mean = float(np.mean(list(by_task.values())))
    low, high = interval(chosen, tasks)
    return {
        "mean": _percent(mean),
        "ci": [_percent(low), _percent(high)],
        "tasks": {t: _percent(v) for t, v in by_task.items()},
    }


def leave_one_out(train: Split, test: Split, draws: int, seed: int) -> dict[str, dict[str, Any]]:
    """Each model in turn joins the others with a vector from few queries. The gate has seen no outcomes at all.

    "joined" and "without" are means over models and draws of the unweighted mean over tasks; "worst" the worst draw's
    difference. The reference of the newcomer's questions is the mean of the other models.
    """
    gate = fit(train.embeddings, train.outcomes.tasks.tolist(), "benchmark", PPAI, seed)
    pool = profiles(gate, train.embeddings, train.outcomes.scores)
    result: dict[str, dict[str, Any]] = {}
    for size in SIZES:
        joined, without = [], []
        for index in range(len(train.outcomes.models)):
            others = [j for j in range(len(pool)) if j != index]
            alone = _mean(gate_values(gate, test.embeddings, pool[others]), test, others)
            reference = train.outcomes.scores[:, others].mean(1)
            for draw in range(1 if size == "all" else draws):
                rng = np.random.default_rng([seed, index, draw])
                count = len(train.embeddings) if size == "all" else int(size)
                rows = balanced_rows(train.outcomes.tasks, count, rng)
                own = newcomer(gate, train.embeddings, train.outcomes.scores[:, index], reference, rows)
                everyone = [*others, index]
                values = gate_values(gate, test.embeddings, np.vstack([pool[others], own]))
                joined.append(_mean(values, test, everyone))
                without.append(alone)
        difference = np.array(joined) - np.array(without)
        result[size] = {
            "joined": _percent(np.mean(joined)),
            "without": _percent(np.mean(without)),
            "worst": _percent(difference.min()),
        }
    return result


def topic_accuracy(
    train: Split, embeddings: Floats, topics: npt.NDArray[Any], config: TrainConfig, seeds: Sequence[int]
) -> dict[str, float]:
    """Does the gate tell topics apart? Trained with half of the stems as further categories, asked about the others.

    "accuracy": the topic whose prototypes hold most of a stem's relevance; "nearest_centroid" of the bare encoder and
    "majority" stand beside it.
    """
    found: dict[str, list[float]] = {"accuracy": [], "nearest_centroid": [], "majority": []}
    names = np.unique(topics)
    for seed in seeds:
        seen = folds(topics, 2, seed) == 0
        labels = [*train.outcomes.tasks.tolist(), *(f"topic:{topic}" for topic in topics[seen])]
        gate = fit(np.concatenate([train.embeddings, embeddings[seen]]), labels, "benchmark", config, seed)
        owner = np.array(gate.categories)
        mass = np.maximum(gate.similarity(embeddings[~seen]), 0) ** gate.alpha
        by_topic = np.stack([mass[:, owner == f"topic:{name}"].max(1) for name in names], axis=1)
        centroids = np.stack([embeddings[seen & (topics == name)].mean(0) for name in names])
        centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
        truth = topics[~seen]
        found["accuracy"].append((names[by_topic.argmax(1)] == truth).mean())
        found["nearest_centroid"].append((names[(embeddings[~seen] @ centroids.T).argmax(1)] == truth).mean())
        found["majority"].append(max((truth == name).mean() for name in names))
    return {key: _percent(np.mean(values)) for key, values in found.items()}


def _mean(values: Floats, test: Split, models: Sequence[int]) -> float:
    best = values >= values.max(1, keepdims=True) - 1e-9
    chosen = (test.outcomes.scores[:, models] * best).sum(1) / best.sum(1)
    return float(np.mean(list(task_means(chosen, test.outcomes.tasks).values())))


def _percent(value: Any) -> float:
    return round(100 * float(value), 2)
