"""Outcomes small enough to work with by hand."""

import numpy as np

from benchmarks.outcomes import Outcomes
from benchmarks.routing.formats import format_features
from benchmarks.routing.routers import Split

# Two tasks, two models: "a" is right on maths, "b" on law; law has one question.
OUTCOMES = Outcomes(
    ("1+1?", "2+2?", "Sue whom?"),
    np.array(["maths", "maths", "law"]),
    ("a", "b"),
    np.array([[1.0, 0.0], [0.5, 0.0], [0.0, 1.0]]),
)
SPLIT = Split(OUTCOMES, np.eye(3, dtype=np.float32), format_features(OUTCOMES.queries))
