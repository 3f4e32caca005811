"""Folds graded answers into a capability vector (Eq. 4): which prototype each counts for, and which formula it needs.

The formulas are in scoring.py. Knows gates and encoders, nothing of engines.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from profiler.answers import Answer
from profiler.encoder import Encoder
from profiler.essence import essence
from profiler.qagate import Floats, QAGate
from profiler.question import Question
from profiler.scoring import Capability, capability, difficulty, mean_capability

Weights = npt.NDArray[np.float64]


def fold(gate: QAGate, encoder: Encoder, answers: Iterable[Answer], every: Sequence[Question] = ()) -> Capability:
    """p_j, Eq. (4), from graded answers.

    Where every answer carries a reference difficulty, only the difference to it is estimated (see `capability`).
    `every`: the whole query set. Its references give the difficulty D_k of each prototype, and its categories serve
    for answers to tasks that the gate does not know.
    """
    known, category_of = list(answers), {question.id: question.category for question in every}
    weights = counted(
        gate,
        _read(gate, encoder, [answer.query for answer in known]),
        [(answer.task, category_of.get(answer.question, "")) for answer in known],
    )
    right = np.array([answer.right for answer in known], np.float64)
    references = [answer.reference for answer in known if answer.reference is not None]
    if not known or len(references) < len(known):
        return vector(gate, weights, right)
    rated: list[tuple[str, tuple[str, str], float]] = [
        (item.query, (item.task, item.category if isinstance(item, Question) else ""), item.reference)
        for item in (every or known)
        if item.reference is not None
    ]
    queries, names, rates = zip(*rated, strict=True)
    base = difficulty(counted(gate, _read(gate, encoder, queries), names), np.array(rates, np.float64), gate.task_index)
    return vector(gate, weights, right, np.array(references, np.float64), base)


def counted(gate: QAGate, similarity: Floats, names: Sequence[tuple[str, str]]) -> Weights:
    """(n, K) one-hot: the prototype that each question counts for. similarity (n, K); names (n): (task, category).

    It is the nearest one of the question's own task; of its category, where the gate does not know the task; of all,
    where it knows neither, or its vectors carry no means. What a question is about is known, and the gate reads half
    of the built-in ones as something else. Spreading a question by its relevance finds a specialist less often
    (docs/decisions.md#profiling).
    """
    tasks, categories = np.array(gate.tasks), np.array(gate.categories)
    allowed = np.tile(gate.is_topic, (len(names), 1))
    if gate.carries_means:
        for row, (task, category) in zip(allowed, names, strict=True):
            for own in (tasks == task, np.isin(categories, [task, category])):
                if (own & gate.is_topic).any():
                    row &= own
                    break
    one_hot: Weights = np.eye(gate.K)[np.where(allowed, similarity, -np.inf).argmax(axis=1)]
    return one_hot


def vector(
    gate: QAGate, weights: Weights, right: Weights, reference: Weights | None = None, base: Weights | None = None
) -> Capability:
    """p_j (K,) from grades `right` (n,) and `weights` (n, K), by the formula of the gate's format.

    reference (n,) and the difficulty `base` (K,) come together or not at all.
    """
    if gate.carries_means:
        return mean_capability(weights, right, gate.task_index, gate.category_index, reference, base)
    return capability(weights, right, gate.category_index, reference, base)


def _read(gate: QAGate, encoder: Encoder, queries: Sequence[str]) -> Floats:
    """(n, K) cosines of the texts with each prototype."""
    return gate.similarity(encoder.encode([essence(query) for query in queries]))
