"""What a receiver makes of vectors: less doubt the more is known, and the name's promise where nothing is."""

import numpy as np

from benchmarks.routing.received import received
from profiler.qagate import Projector, QAGate
from profiler.scoring import Capability


def gate() -> QAGate:
    layer, nothing = np.eye(2, dtype=np.float32), np.zeros(2, np.float32)
    projector = Projector("any", layer, nothing, layer, nothing)
    return QAGate((projector,), layer, np.full(2, 0.5, np.float32), ("coding", "law"))


def vector(questions: int, value: float = 0.5) -> Capability:
    return Capability(np.array([value, value]), np.full(2, questions))


def test_of_two_equal_vectors_the_better_known_one_scores_higher() -> None:
    few, many = received(gate(), [vector(10, 0.8), vector(1000, 0.8)], ["llama3:8b"] * 2)

    assert np.all(few < many)
    assert np.all((many > 0.75) & (many < 0.8))


def test_where_doubt_came_off_at_the_publisher_none_is_taken() -> None:
    assert np.allclose(0.5, received(gate(), [vector(10)], ["llama3:8b"], carries_means=False), atol=1 / 255)


def test_without_a_vector_the_name_promises() -> None:
    small, large = received(gate(), [None, None], ["qwen2.5:0.5b", "qwen2.5:32b"])

    assert np.all(small < large)
