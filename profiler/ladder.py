"""Who reads a text: the full encoder, the fast one that comes with the gate, or the fast one first (a cascade).

Knows encoders and gate; knows nothing of agents. Every rung gives relevance over the same prototypes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from profiler.encoder import Encoder, EncoderError
from profiler.qagate import Floats, QAGate, margins, sharpen
from profiler.static import StaticEncoder

Rung = Literal["auto", "full", "fast", "cascade"]
FAST_FOLDER = "fast"  # inside the gate's


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What is made of one text."""

    relevance: Floats  # f̃(q), (K,) float32, sums to 1
    category: str  # of the nearest prototype
    nearest: float  # cosine with it
    is_familiar: bool  # False: unlike every text that the gate was trained with, so its relevance says nothing
    encoder: str  # who read it


class Ladder:
    """Reads texts with the encoders that are there."""

    def __init__(self, gate: QAGate, full: Encoder | None, fast: Encoder | None, lacking: str | None = None) -> None:
        """At least one of both; with both it is a cascade. `lacking`: why the full one is not there, and the remedy."""
        assert full or fast, "a ladder needs a rung"
        self.lacking = lacking
        self._full = (gate.read_by(full.name), full) if full else None
        self._fast = (gate.read_by(fast.name), fast) if fast else None

    @property
    def encoders(self) -> tuple[str, ...]:
        """Who reads, in turn."""
        return tuple(rung[1].name for rung in (self._fast, self._full) if rung)

    @property
    def best(self) -> tuple[QAGate, Encoder]:
        """The most exact encoder, and the gate as it reads for it: for profiling, where milliseconds are nothing."""
        found = self._full or self._fast
        assert found, "a ladder has a rung"
        return found

    def read(self, text: str) -> Reading:
        """Two encoders: the second reads what the first is in doubt of, or finds unlike anything."""
        reading = None
        if self._fast:
            gate, encoder = self._fast
            similarity = gate.similarity(encoder.encode([text]))
            reading = _reading(gate, similarity)
            if not self._full or (reading.is_familiar and margins(similarity)[0] >= gate.margin):
                return reading
        assert self._full, "a ladder has a rung"
        gate, encoder = self._full
        return _reading(gate, gate.similarity(encoder.encode([text])))


def load_ladder(folder: Path, rung: Rung, load_full: Callable[[], Encoder]) -> Ladder:
    """The ladder of the gate in this folder. "auto": a cascade, or the rung that is there.

    Raises EncoderError where the rung asked for is not there, naming the remedy, and GateError.
    """
    gate = QAGate.load(folder)
    full: Encoder | None = None
    fast: Encoder | None = None
    lacking = None
    if rung != "full" and (rung != "auto" or len(gate.projectors) > 1):
        if len(gate.projectors) < 2:
            raise EncoderError(
                f"the gate in {folder} has no fast encoder: set routing.encoder: full, or train with --fast"
            )
        fast = StaticEncoder(folder / FAST_FOLDER)
    if rung != "fast":
        try:
            full = load_full()
        except EncoderError as error:
            if rung != "auto" or fast is None:
                raise
            lacking = str(error)
    return Ladder(gate, full, fast, lacking)


def _reading(gate: QAGate, similarity: Floats) -> Reading:
    nearest = int(np.argmax(similarity[0]))
    return Reading(
        relevance=sharpen(similarity, gate.alpha, gate.top_p)[0],
        category=gate.categories[nearest],
        nearest=float(similarity[0, nearest]),
        is_familiar=bool(gate.is_familiar(similarity)[0]),
        encoder=gate.encoder,
    )
