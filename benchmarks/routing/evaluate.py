"""Runs routers over splits and seeds, and says how sure the numbers are. Percent everywhere in what it returns."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.routing.outcomes import balanced_rows, chosen_scores, folds, interval, task_means
from benchmarks.routing.routers import PPAI, Split, gate_values, newcomer, profiles, routers
from profiler.qagate import QAGate
from profiler.scoring import Shrinkage, capability
from profiler.train import TrainConfig, fit

Floats = npt.NDArray[Any]
SIZES = ("100", "300", "1000", "all")
FOLDS = {  # how answers become a vector: the pull, and whether an answer counts for its nearest prototype alone
    "default": (Shrinkage(), True),
    "by_relevance": (Shrinkage(), False),
    "fixed_30_30": (Shrinkage(to_category=(30.0, 30.0), to_mean=(30.0, 30.0)), True),
    "fixed_100_5": (Shrinkage(to_category=(100.0, 100.0), to_mean=(5.0, 5.0)), True),
}
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
) -> dict[str, Any]:
    """Does the gate tell topics apart? Trained with half of the stems as further categories, asked about the others.

    "accuracy": the topic of the nearest topical prototype; "nearest_centroid" of the bare encoder and "majority" stand
    beside it; "specialists" as `specialists` finds them.
    """
    found: dict[str, list[float]] = {"accuracy": [], "nearest_centroid": [], "majority": []}
    shares: dict[str, list[tuple[float, float]]] = {name: [] for name in FOLDS}
    names = np.unique(topics)
    for seed in seeds:
        seen = folds(topics, 2, seed) == 0
        labels = [*train.outcomes.tasks.tolist(), *(f"topic:{topic}" for topic in topics[seen])]
        gate = fit(np.concatenate([train.embeddings, embeddings[seen]]), labels, "benchmark", config, seed)
        owner, truth, unseen = np.array(gate.categories), topics[~seen], embeddings[~seen]
        similarity = gate.similarity(unseen)
        by_topic = np.stack([similarity[:, owner == f"topic:{name}"].max(1) for name in names], axis=1)
        centroids = np.stack([embeddings[seen & (topics == name)].mean(0) for name in names])
        centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
        found["accuracy"].append((names[by_topic.argmax(1)] == truth).mean())
        found["nearest_centroid"].append((names[(unseen @ centroids.T).argmax(1)] == truth).mean())
        found["majority"].append(max((truth == name).mean() for name in names))
        for name, (pull, is_hard) in FOLDS.items():
            shares[name].append(specialists(gate, embeddings, topics, seen, pull, is_hard, seed))
    result: dict[str, Any] = {key: _percent(np.mean(values)) for key, values in found.items()}
    means = {name: np.mean(values, axis=0) for name, values in shares.items()}
    result["specialists"] = {name: {"found": _percent(f), "wrongly": _percent(w)} for name, (f, w) in means.items()}
    return result


def specialists(
    gate: QAGate,
    embeddings: Floats,
    topics: npt.NDArray[Any],
    seen: npt.NDArray[Any],
    pull: Shrinkage,
    is_hard: bool,
    seed: int,
) -> tuple[float, float]:
    """One topic's specialist against a generalist who is right on 40 % of everything, 7 questions a topic each.

    (share of the topic's unseen stems that go to the specialist, share of the others that do), means over topics.
    """
    rng = np.random.default_rng(seed)
    names = np.unique(topics)
    asked = balanced_rows(topics[seen], 7 * len(names), rng)
    texts, asked_topics = embeddings[seen][asked], topics[seen][asked]
    weights = np.eye(gate.K)[gate.nearest(texts)] if is_hard else gate.relevance(texts).astype(np.float64)
    relevance, truth = gate.relevance(embeddings[~seen]), topics[~seen]

    def profile(right: Floats) -> Floats:
        return capability(weights, right.astype(np.float64), gate.category_index, shrinkage=pull).values

    general = relevance @ profile(rng.random(len(asked)) < 0.4)
    shares = []
    for name in names:
        chosen = relevance @ profile(asked_topics == name) > general
        shares.append((chosen[truth == name].mean(), chosen[truth != name].mean()))
    found, wrongly = np.mean(shares, axis=0)
    return float(found), float(wrongly)


def _mean(values: Floats, test: Split, models: Sequence[int]) -> float:
    best = values >= values.max(1, keepdims=True) - 1e-9
    chosen = (test.outcomes.scores[:, models] * best).sum(1) / best.sum(1)
    return float(np.mean(list(task_means(chosen, test.outcomes.tasks).values())))


def _percent(value: Any) -> float:
    return round(100 * float(value), 2)
