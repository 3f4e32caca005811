"""The routers that are compared: ours, the paper's, and the controls. Each turns queries into values over M models.

A router is a function (train, test) -> (n_test, M); the highest value is chosen. Splits carry embeddings and outcomes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.outcomes import Outcomes
from benchmarks.routing.received import received
from profiler.folding import counted, vector
from profiler.qagate import QAGate
from profiler.scoring import Mode, Shrinkage, capability, difficulty, pair_scores
from profiler.train import TrainConfig, fit

Floats = npt.NDArray[Any]
Router = Callable[["Split", "Split"], Floats]

PPAI = TrainConfig()  # chosen by benchmarks.routing.choose on the training split alone, see docs/results.md
PAPER = replace(PPAI, labels="all")
PLAIN = Shrinkage(to_category=(1e-9, 1e-9), to_mean=(1e-9, 1e-9), z=0.0)  # Eq. (4) verbatim: the mean itself
NEIGHBOURS = 100
RIDGE = 30.0


@dataclass(frozen=True, slots=True)
class Split:
    """Queries with what routers see of them."""

    outcomes: Outcomes
    embeddings: Floats  # (n, d)
    formats: Floats  # (n, f): prompt format only

    def rows(self, kept: npt.NDArray[Any]) -> "Split":
        """The queries at these indices, or where this mask is true."""
        return Split(self.outcomes.rows(kept), self.embeddings[kept], self.formats[kept])


def gate_router(
    config: TrainConfig, mode: Mode, seed: int, shrinkage: Shrinkage | None = None, formats: bool = False
) -> Router:
    """QAGate trained on the training queries' texts and tasks (no outcomes), agents profiled on the same queries.

    `shrinkage`: see `profiles`.
    """

    def route(train: Split, test: Split) -> Floats:
        seen, new = (train.formats, test.formats) if formats else (train.embeddings, test.embeddings)
        gate = fit(seen, train.outcomes.tasks.tolist(), "benchmark", config, seed)
        return gate_values(gate, new, profiles(gate, seen, train.outcomes, shrinkage), mode)

    return route


def profiles(gate: QAGate, embeddings: Floats, outcomes: Outcomes, shrinkage: Shrinkage | None = None) -> Floats:
    """(M, K): what a peer scores each model by that was measured on these outcomes.

    With `shrinkage` as older gates have it: answers count for the nearest prototype, and vectors are used as they are.
    """
    if shrinkage is not None:
        nearest, index = np.eye(gate.K)[gate.nearest(embeddings)], gate.category_index
        return np.stack([capability(nearest, own, index, shrinkage=shrinkage).values for own in outcomes.scores.T])
    weights = own_weights(gate, embeddings, outcomes.tasks)
    return received(gate, [vector(gate, weights, own) for own in outcomes.scores.T], outcomes.models)


def newcomer(
    gate: QAGate, embeddings: Floats, tasks: Floats, own: Floats, reference: Floats, rows: Floats, model: str
) -> Floats:
    """(K,): a model profiled on `rows` only, against the reference of all training queries (control variate)."""
    weights = own_weights(gate, embeddings, tasks)
    base = difficulty(weights, reference, gate.task_index)
    found = vector(gate, weights[rows], own[rows], reference[rows], base)
    row: Floats = received(gate, [found], [model])[0]
    return row


def own_weights(gate: QAGate, embeddings: Floats, tasks: Floats) -> Floats:
    """(n, K) one-hot: the prototype of its own task that each query counts for."""
    return counted(gate, gate.similarity(embeddings), [(task, task) for task in tasks.tolist()])


def gate_values(gate: QAGate, embeddings: Floats, capabilities: Floats, mode: Mode = "dot") -> Floats:
    """(n, M) pair scores of queries with models."""
    return np.stack([pair_scores(relevance, capabilities, mode) for relevance in gate.relevance(embeddings)])


def knn(train: Split, test: Split) -> Floats:
    """Mean outcome of the nearest training queries: central, trained on everybody's outcomes."""
    similar = test.embeddings @ train.embeddings.T
    near = np.argsort(-similar, axis=1)[:, :NEIGHBOURS]
    values: Floats = train.outcomes.scores[near].mean(1)
    return values


def ridge(train: Split, test: Split) -> Floats:
    """Ridge regression from embedding to every model's outcome: central."""
    x, y = train.embeddings.astype(np.float64), train.outcomes.scores
    weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ (y - y.mean(0)))
    values: Floats = test.embeddings @ weights + y.mean(0)
    return values


def best_single(train: Split, test: Split) -> Floats:
    """The model that is best over the training tasks, for everything."""
    return np.tile(np.mean(list(_by_task(train.outcomes).values()), axis=0), (len(test.embeddings), 1))


def task_oracle(train: Split, test: Split) -> Floats:
    """Told the task: the best model of that training task (of all tasks, for one not in training)."""
    known = _by_task(train.outcomes)
    overall: Floats = np.mean(list(known.values()), axis=0)
    values: Floats = np.array([known.get(str(task), overall) for task in test.outcomes.tasks])
    return values


def at_random(train: Split, test: Split) -> Floats:
    """Any model: the mean of all."""
    return np.zeros_like(test.outcomes.scores)


def oracle(train: Split, test: Split) -> Floats:
    """Told the outcomes."""
    return test.outcomes.scores


def routers(seed: int) -> Mapping[str, Router]:
    """All routers by their name in the report."""
    return {
        "ppai": gate_router(PPAI, "dot", seed),
        "paper": gate_router(PAPER, "paper", seed, PLAIN),
        "knn": knn,
        "ridge": ridge,
        "best_single": best_single,
        "random": at_random,
        "task_oracle": task_oracle,
        "oracle": oracle,
        "format_only": gate_router(PPAI, "dot", seed, formats=True),
    }


def _by_task(outcomes: Outcomes) -> dict[str, Floats]:
    return {str(task): outcomes.scores[outcomes.tasks == task].mean(0) for task in np.unique(outcomes.tasks)}
