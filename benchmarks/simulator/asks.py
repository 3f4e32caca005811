"""What goes into a run and what comes out of it: one request as its user asks it, and as its user saw it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.routing.query import Query

LOST = -1  # `Answered.peer` of a request that nobody finished


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """What one user wants, and what would come of it at each model."""

    at: float
    entry: int
    query: Query
    output_tokens: int
    task: str
    grades: NDArray[np.float64]  # (M,) recorded outcomes, in [0, 1]


@dataclass(frozen=True, slots=True)
class Answered:
    """One request as its user saw it."""

    at: float
    task: str
    latency_s: float  # from asking to the last token, probes included: the paper's process time
    grade: float
    peer: int  # who answered; LOST
    attempts: int
    reason: str
