"""What is made of chosen answers: means over tasks of equal weight, folds that nobody learnt from."""

import numpy as np
import pytest

from benchmarks.routing.evaluate import SEEDLESS, report, specialists
from benchmarks.routing.routers import routers
from profiler.qagate import Projector, QAGate
from profiler.scoring import Shrinkage
from tests.benchmarks.routing.small import OUTCOMES


def test_tasks_count_alike_whatever_their_size() -> None:
    told = report(np.array([1.0, 0.0, 1.0]), OUTCOMES.tasks)

    assert (75.0, {"maths": 50.0, "law": 100.0}) == (told["mean"], told["tasks"])


def test_what_never_varies_has_no_width() -> None:
    told = report(np.full(60, 0.5), np.repeat(["maths", "law"], 30))

    assert (50.0, [50.0, 50.0]) == (told["mean"], told["ci"])


def test_routers_that_run_once_are_routers() -> None:
    assert routers(0).keys() >= SEEDLESS


@pytest.mark.parametrize(("pull", "is_hard"), [(None, True), (Shrinkage(), True), (Shrinkage(), False)])
def test_a_specialist_is_found_where_topics_are_far_apart(pull: Shrinkage | None, is_hard: bool) -> None:
    """Four topics, each around a prototype of its own: all of its questions go to it, none of the others'."""
    rng = np.random.default_rng(0)
    names = np.array(["acids", "bonds", "cells", "drama"])
    topics = np.repeat(names, 40)
    embeddings = np.repeat(np.eye(4, 16), 40, axis=0) + 0.02 * rng.normal(size=(160, 16))
    embeddings = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32)
    plain = Projector("any", *(np.eye(16, dtype=np.float32), np.zeros(16, np.float32)) * 2)
    categories = tuple(f"topic:{name}" for name in names)
    gate = QAGate((plain,), np.eye(4, 16, dtype=np.float32), np.full(4, 0.5, np.float32), categories)

    found, wrongly = specialists(gate, embeddings, topics, rng.random(160) < 0.5, pull, is_hard, 0)

    assert found > 0.95
    assert wrongly < 0.05
