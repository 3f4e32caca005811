"""Which prototype an answer counts for, and that a vector shows who answered."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pytest

from profiler.answers import Answer
from profiler.encoder import Encoder, Floats
from profiler.folding import counted, fold, vector
from profiler.qagate import Projector, QAGate
from profiler.queries import load_questions
from profiler.question import Question
from profiler.scoring import capability, mean_capability

TASKS = ("sql", "python", "python", "travel", "gibberish")
CATEGORIES = ("coding", "coding", "coding", "travel", "gibberish")
NEAREST_NOISE = np.array([[0.1, 0.2, 0.3, 0.4, 0.9]])  # cosines of one text with each prototype


def small(carries_means: bool = True) -> QAGate:
    layer = np.eye(5, dtype=np.float32)
    nothing = np.zeros(5, np.float32)
    tasks = TASKS if carries_means else ()
    projector = Projector("letters", layer, nothing, layer, nothing)
    prior = np.full(5, 0.5, np.float32)
    return QAGate((projector,), layer, prior, CATEGORIES, tasks, carries_means=carries_means)


@pytest.mark.parametrize(
    ("names", "prototype"),
    [
        (("python", "coding"), 2),  # the nearest of its own task, though travel is nearer
        (("bash", "coding"), 2),  # a task that the gate does not know: the nearest of its category
        (("coding", ""), 2),  # a task that is a category here
        (("medqa", ""), 3),  # neither is known: the nearest of all
        (("medqa", "medicine"), 3),
        (("gibberish", ""), 3),  # which is no topic
    ],
)
def test_a_question_counts_for_the_nearest_prototype_of_its_own(names: tuple[str, str], prototype: int) -> None:
    assert prototype == counted(small(), NEAREST_NOISE, [names])[0].argmax()


def test_where_vectors_carry_no_means_it_counts_for_the_nearest_of_all() -> None:
    assert 4 == counted(small(carries_means=False), NEAREST_NOISE, [("python", "coding")])[0].argmax()


def test_without_questions_nothing_counts() -> None:
    assert (0, 5) == counted(small(), np.empty((0, 5)), []).shape


def test_the_gate_decides_the_formula() -> None:
    newer, older = small(), small(carries_means=False)
    weights, right = np.eye(5)[[0, 0, 1, 3]], np.array([1.0, 0, 1, 1])

    means = mean_capability(weights, right, newer.task_index, newer.category_index).values
    assert np.array_equal(means, vector(newer, weights, right).values)
    less_doubt = capability(weights, right, older.category_index).values
    assert np.array_equal(less_doubt, vector(older, weights, right).values)


class Letters:
    """Reads "a" to "e" as the five axes."""

    name, dim = "letters", 5

    def encode(self, texts: Sequence[str]) -> Floats:
        return np.array([[text.count(letter) for letter in "abcde"] for text in texts], np.float32).reshape(-1, 5)


def test_the_query_set_says_the_category_of_a_task_that_the_gate_does_not_know() -> None:
    question = Question("ddc", "bash", "1", "number", category="coding")
    answers = [Answer(question.id, question.query, question.task, "1", 1.0, 0.1)]

    alone, beside = (fold(small(), Letters(), answers, every).evidence for every in ((), (question,)))

    assert ([0, 0, 0, 1, 0], [0, 0, 1, 0, 0]) == (alone.tolist(), beside.tolist())


def test_with_references_only_the_difference_to_them_is_folded() -> None:
    """Hard coding, easy travel; an agent that answers as the references do stands where they stand."""
    rates = {"a": ("sql", 0.2), "b": ("python", 0.2), "d": ("travel", 0.9)}
    answers = [
        Answer(f"{n}", text, task, "", rate, 0.1, rate) for text, (task, rate) in rates.items() for n in range(30)
    ]

    found = fold(small(), Letters(), answers).values

    assert np.allclose([0.2, 0.2, 0.2, 0.9], found[:4], atol=0.06)


class Remembering:
    """The real encoder, which reads each of the built-in questions once for all tests here."""

    def __init__(self, encoder: Encoder) -> None:
        self.name, self.dim = encoder.name, encoder.dim
        self._encode = lru_cache(maxsize=None)(lambda text: encoder.encode([text])[0])

    def encode(self, texts: Sequence[str]) -> Floats:
        return np.stack([self._encode(text) for text in texts]) if texts else np.empty((0, self.dim), np.float32)


@pytest.fixture(scope="module")
def reader(encoder: Encoder) -> Remembering:
    return Remembering(encoder)


def answers_of(right_task: str, reference: float | None = None) -> list[Answer]:
    return [
        Answer(q.id, q.query, q.task, "", float(q.task == right_task), 0.1, reference)
        for q in load_questions("builtin")
    ]


def test_a_specialist_stands_out_on_its_category_alone(gate: QAGate, reader: Remembering) -> None:
    medic, jurist = (fold(gate, reader, answers_of(task)) for task in ("medicine", "law"))

    assert gate.categories[int(medic.values.argmax())] in {"health", "medicine"}  # by the gate that ships
    assert "law" == gate.categories[int(jurist.values.argmax())]
    assert len(load_questions("builtin")) == medic.evidence.sum()


def test_fold_of_nothing_is_nothing(gate: QAGate, encoder: Encoder) -> None:
    assert 0 == fold(gate, encoder, []).evidence.sum()


def test_references_make_a_control_variate(gate: QAGate, reader: Remembering) -> None:
    """As good as the references everywhere: their difficulty less the margin, not the agent's mean."""
    answers = [
        Answer(q.id, q.query, q.task, "", reference, 0.1, reference)
        for q in load_questions("builtin")
        for reference in [0.9 if q.task == "law" else 0.2]
    ]

    found = fold(gate, reader, answers)
    law = [k for k, category in enumerate(gate.categories) if category == "law"]

    assert max(found.values[law]) > found.values.mean() + 0.1
