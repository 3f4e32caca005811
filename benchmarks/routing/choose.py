"""`python -m benchmarks.routing.choose`: hyper-parameters of gate and pull, from the training split alone.

Every combination is judged three ways, each the unweighted mean over tasks: on five held-out folds; on tasks held out
whole, which have to find the nearest known ones; and on held-out clusters of every task, which are other questions of a
known kind. The mean of folds and clusters decides. Held-out tasks stand beside it: five of them are too few to decide,
one alone moves their mean by five points.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.needs import encoder_folder, printed
from benchmarks.outcomes import load_outcomes
from benchmarks.progress import say
from benchmarks.routing.metric import chosen_scores, folds, task_means
from benchmarks.routing.routers import Split, profiles
from profiler.encoder import load_encoder
from profiler.relevance import sharpen
from profiler.scoring import Shrinkage
from profiler.train import TrainConfig, fit, require

Floats = npt.NDArray[Any]
FOLDS = 5
PROTOTYPES = (12, 20, 32, 64, 128)
SHARPNESS = ((4.0, 0.1), (4.0, 0.2), (8.0, 0.2), (16.0, 0.2))  # alpha, top_p
PULLS = {
    "learnt": Shrinkage(),
    "30/30": Shrinkage(to_category=(30.0, 30.0), to_mean=(30.0, 30.0)),
    "100/5": Shrinkage(to_category=(100.0, 100.0), to_mean=(5.0, 5.0)),
    "300/100": Shrinkage(to_category=(300.0, 300.0), to_mean=(100.0, 100.0)),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Prints one JSON object {"rows": [...]}, best first; returns 0, or 1 where a file is missing or broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing.choose", description=__doc__)
    parser.add_argument("--train", type=Path, required=True, metavar="DIR", help="folder of outcome files")
    parser.add_argument("--seeds", type=int, default=2, help="draws of folds and clusters, and gates (2)")
    options = parser.parse_args(argv)
    return printed("benchmarks.routing.choose", lambda: json.dumps(_run(options.train, options.seeds)))


def _run(train: Path, seeds: int) -> dict[str, Any]:
    outcomes = load_outcomes(train)
    kept = outcomes.tasks[folds(outcomes.tasks, FOLDS, 0) != 0].tolist()
    for count in PROTOTYPES:
        require(kept, replace(TrainConfig(), prototypes=count))
    encoder = load_encoder(encoder_folder())
    whole = Split(outcomes, encoder.encode(outcomes.queries), np.zeros((len(outcomes.queries), 0)))
    rows = [row for count in PROTOTYPES for row in judge(whole, count, range(seeds))]
    return {"rows": sorted(rows, key=lambda row: -row["mean"])}


def judge(whole: Split, prototypes: int, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """One row a combination with so many prototypes. Percent."""
    found: dict[tuple[float, float, str], dict[str, list[float]]] = {}
    for seed in seeds:
        say(f"{prototypes} prototypes, seed {seed}")
        for way, held in _ways(whole, seed).items():
            chosen: dict[tuple[float, float, str], Floats] = {}
            for mask in held:
                for key, values in _values(whole, mask, prototypes, seed):
                    chosen.setdefault(key, np.empty(len(mask)))[mask] = chosen_scores(values, whole.outcomes.rows(mask))
            for key, scores in chosen.items():
                mean = 100 * float(np.mean(list(task_means(scores, whole.outcomes.tasks).values())))
                found.setdefault(key, {}).setdefault(way, []).append(mean)
    rows = []
    for (alpha, top_p, pull), ways in found.items():
        means = {way: round(float(np.mean(runs)), 2) for way, runs in ways.items()}
        row = {"prototypes": prototypes, "alpha": alpha, "top_p": top_p, "pull": pull, **means}
        rows.append(row | {"mean": round((means["folds"] + means["clusters"]) / 2, 2)})
    return rows


def _values(
    whole: Split, held: npt.NDArray[np.bool_], prototypes: int, seed: int
) -> Iterator[tuple[tuple[float, float, str], Floats]]:
    """((alpha, top_p, pull), (n_held, M) scores) of every combination, from one gate."""
    train = whole.rows(~held)
    config = replace(TrainConfig(), prototypes=prototypes)
    gate = fit(train.embeddings, train.outcomes.tasks.tolist(), "benchmark", config, seed)
    similarity = gate.similarity(whole.embeddings[held])
    for pull, shrinkage in PULLS.items():
        pool = profiles(gate, train.embeddings, train.outcomes, shrinkage)
        for alpha, top_p in SHARPNESS:
            yield (alpha, top_p, pull), sharpen(similarity, alpha, top_p) @ pool.T


def _ways(whole: Split, seed: int) -> dict[str, list[npt.NDArray[np.bool_]]]:
    """What is held out in turn, (n,) masks: folds, whole tasks, clusters of every task."""
    from sklearn.cluster import KMeans

    tasks = whole.outcomes.tasks
    fold, cluster = folds(tasks, FOLDS, seed), np.empty(len(tasks), np.int64)
    for task in np.unique(tasks):
        rows = np.flatnonzero(tasks == task)
        found = KMeans(FOLDS, n_init=3, random_state=seed).fit_predict(whole.embeddings[rows])
        cluster[rows] = found
    return {
        "folds": [fold == k for k in range(FOLDS)],
        "tasks": [tasks == task for task in np.unique(tasks)],
        "clusters": [cluster == k for k in range(FOLDS)],
    }


if __name__ == "__main__":
    raise SystemExit(main())
