"""A laptop with the small model beside an unmeasured 32B: what is kept, and what goes to the large one."""

import numpy as np

from benchmarks.routing.first_hour import CASES, GOOD_AT, QUESTIONS, first_hour
from profiler.qagate import Projector, QAGate

CATEGORIES = ("coding", "law", *sorted(GOOD_AT)[:2])


def test_the_large_one_answers_unless_the_laptop_is_believed_good_enough() -> None:
    """Two seeds, 240 questions each; prompts of four categories, two of which the 3B is good at."""
    layer, nothing = np.eye(4, dtype=np.float32), np.zeros(4, np.float32)
    prior = np.full(4, 0.5, np.float32)
    gate = QAGate((Projector("any", layer, nothing, layer, nothing),), layer, prior, CATEGORIES)

    found = first_hour(gate, np.tile(np.eye(4), (60, 1)), np.eye(4, dtype=np.float32), range(2))

    assert list(CASES) == list(found)
    assert {QUESTIONS} == {row["questions"] for row in found.values()}
    assert min(row["least"] for name, row in found.items() if name.startswith(("135M", "both"))) >= 28
    full = found["3B measured, 32B full"]
    assert full["kept_where_good"] > 0 == full["kept_where_weak"]
