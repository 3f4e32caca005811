"""Runs routers over splits and seeds, and says how sure the numbers are. Percent everywhere in what it returns."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.outcomes import Outcomes
from benchmarks.routing.metric import balanced_rows, chosen_scores, folds, interval, task_means
from benchmarks.routing.received import received
from benchmarks.routing.routers import PPAI, Router, Split, newcomer, own_weights, profiles, routers
from profiler.folding import vector
from profiler.qagate import QAGate
from profiler.scoring import Shrinkage, capability, dequantise, quantise
from profiler.subjects import EXAMS, subjects_of
from profiler.train import TrainConfig, fit

Floats = npt.NDArray[Any]
SIZES = ("100", "300", "1000", "all")
FOLDS: Mapping[str, tuple[Shrinkage | None, bool]] = {  # how answers become a vector
    "default": (None, True),  # as measured: for the nearest prototype of its own task, special categories apart
    "one_pull": (Shrinkage(), True),  # as older gates have it: one pull, and the nearest prototype of all
    "by_relevance": (Shrinkage(), False),  # the same, but an answer is spread over prototypes by relevance
    "fixed_30_30": (Shrinkage(to_category=(30.0, 30.0), to_mean=(30.0, 30.0)), True),
    "fixed_100_5": (Shrinkage(to_category=(100.0, 100.0), to_mean=(5.0, 5.0)), True),
}
MODEL = "llama3:8b"  # what specialist and generalist are called
SEEDLESS = {"knn", "ridge", "best_single", "random", "task_oracle", "oracle"}


def cross_validate(splits: Mapping[str, Split], count: int, seeds: Sequence[int]) -> dict[str, dict[str, Floats]]:
    """{split: {router: (n,) chosen score of every query, its fold held out}}, mean over seeds of folds and gates.

    "test" is what is learnt from and cut into folds; other splits are the same queries in other words.
    """
    whole = splits["test"]
    runs = []
    for seed in seeds:
        fold = folds(whole.outcomes.tasks, count, seed)
        run: dict[str, dict[str, Floats]] = {name: {} for name in splits}
        for held in range(count):
            tests = {name: split.rows(fold == held) for name, split in splits.items()}
            for router, found in _route(whole.rows(fold != held), tests, seed, routers(seed)).items():
                for name, chosen in found.items():
                    run[name].setdefault(router, np.empty(len(fold)))[fold == held] = chosen
        runs.append(run)
    return _mean_of(runs)


def evaluate(train: Split, tests: Mapping[str, Split], seeds: Sequence[int]) -> dict[str, dict[str, Floats]]:
    """{split: {router: (n,) chosen score of every query}}, mean over gate seeds."""
    runs = []
    for seed in seeds:
        known = {name: router for name, router in routers(seed).items() if seed == seeds[0] or name not in SEEDLESS}
        found = _route(train, tests, seed, known)
        runs.append({name: {router: chosen[name] for router, chosen in found.items()} for name in tests})
    return _mean_of(runs)


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


def leave_one_out(pairs: Iterable[tuple[Split, Split]], draws: int, seed: int) -> dict[str, dict[str, Any]]:
    """Each model in turn joins the others with a vector from few queries. The gate has seen no outcomes at all.

    pairs are (train, test). "joined" and "without" are means over pairs, models and draws of the unweighted mean over
    tasks, "whole" that of the full pool, everybody profiled without a reference; "models" each newcomer's mean and
    worst difference to the pool without it. The reference of its questions is the mean of the other models.
    """
    found: dict[str, dict[str, list[tuple[float, float, float]]]] = {size: {} for size in SIZES}
    for train, test in pairs:
        gate = fit(train.embeddings, train.outcomes.tasks.tolist(), "benchmark", PPAI, seed)
        pool, relevance = profiles(gate, train.embeddings, train.outcomes), gate.relevance(test.embeddings)
        models = train.outcomes.models
        whole = _mean(relevance @ pool.T, test, range(len(models)))
        for index, model in enumerate(models):
            others = [j for j in range(len(models)) if j != index]
            without = _mean(relevance @ pool[others].T, test, others)
            reference = train.outcomes.scores[:, others].mean(1)
            for size in SIZES:
                count = len(train.embeddings) if size == "all" else int(size)
                for draw in range(1 if size == "all" else draws):
                    rows = balanced_rows(train.outcomes.tasks, count, np.random.default_rng([seed, index, draw]))
                    scores, tasks = train.outcomes.scores[:, index], train.outcomes.tasks
                    own = newcomer(gate, train.embeddings, tasks, scores, reference, rows, models[index])
                    joined = _mean(relevance @ np.vstack([pool[others], own]).T, test, [*others, index])
                    found[size].setdefault(model, []).append((joined, without, whole))
    return {size: _joining(by_model) for size, by_model in found.items()}


def on_the_wire(train: Split, test: Split, seed: int) -> dict[str, float]:
    """The pool's mean with vectors as they were measured and as they travel: 8 bits an entry."""
    gate = fit(train.embeddings, train.outcomes.tasks.tolist(), "benchmark", PPAI, seed)
    weights = own_weights(gate, train.embeddings, train.outcomes.tasks)
    pool = np.stack([vector(gate, weights, own).values for own in train.outcomes.scores.T])
    relevance = gate.relevance(test.embeddings)
    sent, everyone = np.stack([dequantise(quantise(own)) for own in pool]), range(len(pool))
    return {
        "exact": _percent(_mean(relevance @ pool.T, test, everyone)),
        "eight_bits": _percent(_mean(relevance @ sent.T, test, everyone)),
    }


def topic_accuracy(
    train: Split,
    embeddings: Floats,
    topics: npt.NDArray[Any],
    config: TrainConfig,
    seeds: Sequence[int],
    stems: Floats | None = None,
) -> dict[str, Any]:
    """Does the gate tell topics apart? Trained with half of the stems as further tasks, asked about the others.

    stems (n, d): the embeddings of the training queries without their options. With them exam questions are learnt by
    the topic that the seen half teaches, as `ppai-profile train --by-subject` does; without, by their format.

    "accuracy": the topic of the nearest topical prototype; "nearest_centroid" of the bare encoder and "majority" stand
    beside it; "specialists" as `specialists` finds them.
    """
    found: dict[str, list[float]] = {"accuracy": [], "nearest_centroid": [], "majority": []}
    shares: dict[str, list[tuple[float, float]]] = {name: [] for name in FOLDS}
    names = np.unique(topics)
    for seed in seeds:
        seen = folds(topics, 2, seed) == 0
        own, labels = _by_subject(train, stems, embeddings[seen], topics[seen])
        labels += [f"topic:{topic}" for topic in topics[seen]]
        gate = fit(np.concatenate([own, embeddings[seen]]), labels, "benchmark", config, seed)
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


def _by_subject(
    train: Split, stems: Floats | None, taught: Floats, topics: npt.NDArray[Any]
) -> tuple[Floats, list[str]]:
    """Embeddings and labels of the training queries: exam questions twice, with and without options, by their topic."""
    tasks = train.outcomes.tasks
    exam = np.isin(tasks, EXAMS)
    if stems is None or not exam.any():
        return train.embeddings, tasks.tolist()
    about = [f"topic:{topic}" for topic in subjects_of(taught, topics.tolist(), stems[exam])]
    own = np.concatenate([train.embeddings[~exam], train.embeddings[exam], stems[exam]])
    return own, [*tasks[~exam].tolist(), *about, *about]


def specialists(
    gate: QAGate,
    embeddings: Floats,
    topics: npt.NDArray[Any],
    seen: npt.NDArray[Any],
    pull: Shrinkage | None,
    is_hard: bool,
    seed: int,
) -> tuple[float, float]:
    """One topic's specialist against a generalist who is right on 40 % of everything, 7 questions a topic each.

    `pull`, `is_hard`: see FOLDS.
    (share of the topic's unseen stems that go to the specialist, share of the others that do), means over topics.
    """
    rng = np.random.default_rng(seed)
    names = np.unique(topics)
    asked = balanced_rows(topics[seen], 7 * len(names), rng)
    texts, asked_topics = embeddings[seen][asked], topics[seen][asked]
    weights = np.eye(gate.K)[gate.nearest(texts)] if is_hard else gate.relevance(texts).astype(np.float64)
    relevance, truth = gate.relevance(embeddings[~seen]), topics[~seen]

    own = own_weights(gate, texts, np.array([f"topic:{topic}" for topic in asked_topics]))

    def profile(right: Floats) -> Floats:
        grades = right.astype(np.float64)
        if pull is None:
            row: Floats = received(gate, [vector(gate, own, grades)], [MODEL])[0]
            return row
        return capability(weights, grades, gate.category_index, shrinkage=pull).values

    general = relevance @ profile(rng.random(len(asked)) < 0.4)
    shares = []
    for name in names:
        chosen = relevance @ profile(asked_topics == name) > general
        shares.append((chosen[truth == name].mean(), chosen[truth != name].mean()))
    found, wrongly = np.mean(shares, axis=0)
    return float(found), float(wrongly)


def _route(
    train: Split, tests: Mapping[str, Split], seed: int, known: Mapping[str, Router]
) -> dict[str, dict[str, Floats]]:
    """{router: {split: chosen}}; each router learns once for all splits."""
    joined = _join(list(tests.values()))
    ends = np.cumsum([len(test.embeddings) for test in tests.values()])[:-1]
    return {
        name: dict(zip(tests, np.split(chosen_scores(router(train, joined), joined.outcomes), ends), strict=True))
        for name, router in known.items()
    }


def _join(splits: Sequence[Split]) -> Split:
    outcomes = [split.outcomes for split in splits]
    return Split(
        Outcomes(
            tuple(query for found in outcomes for query in found.queries),
            np.concatenate([found.tasks for found in outcomes]),
            outcomes[0].models,
            np.concatenate([found.scores for found in outcomes]),
        ),
        np.concatenate([split.embeddings for split in splits]),
        np.concatenate([split.formats for split in splits]),
    )


def _mean_of(runs: Sequence[Mapping[str, Mapping[str, Floats]]]) -> dict[str, dict[str, Floats]]:
    """Mean over runs; what ran once counts as it is."""
    return {
        split: {name: np.mean([run[split][name] for run in runs if name in run[split]], axis=0) for name in found}
        for split, found in runs[0].items()
    }


def _joining(by_model: Mapping[str, Sequence[tuple[float, float, float]]]) -> dict[str, Any]:
    joined, without, whole = np.concatenate([np.array(rows) for rows in by_model.values()]).T
    gains = {model: np.array([own - alone for own, alone, _ in rows]) for model, rows in by_model.items()}
    return {
        "joined": _percent(joined.mean()),
        "without": _percent(without.mean()),
        "whole": _percent(whole.mean()),
        "models": {model: {"mean": _percent(g.mean()), "worst": _percent(g.min())} for model, g in gains.items()},
    }


def _mean(values: Floats, test: Split, models: Sequence[int]) -> float:
    best = values >= values.max(1, keepdims=True) - 1e-9
    chosen = (test.outcomes.scores[:, models] * best).sum(1) / best.sum(1)
    return float(np.mean(list(task_means(chosen, test.outcomes.tasks).values())))


def _percent(value: Any) -> float:
    return round(100 * float(value), 2)
