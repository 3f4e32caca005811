"""Chooses which encoder reads a text: the full one, the fast one that comes with the gate, or both as a cascade.

In a cascade the fast encoder reads first, and the full one reads again what the fast one is in doubt of. Their cosines
with the prototypes are averaged then: each errs by itself. Each of the three is a rung; every rung gives relevance over
the same prototypes. Knows encoders and gate, nothing of agents.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from profiler.allocator import give_back
from profiler.encoder import Encoder, EncoderError
from profiler.essence import essence
from profiler.qagate import Floats, QAGate
from profiler.static import StaticEncoder

Rung = Literal["auto", "full", "fast", "cascade"]
FAST_SHARE = 0.35  # of the fast encoder in what both have read; from .2 to .5 do as well
FAST_FOLDER = "fast"  # the fast encoder's folder, inside the gate's


class Reading(msgspec.Struct, frozen=True, eq=False):
    """What one encoder and the gate make of one text."""

    relevance: Floats  # f̃(q), (K,) float32, sums to 1
    category: str  # of the nearest topical prototype
    nearest: float  # cosine with that prototype
    familiarity: float  # how far it is from noise, see QAGate.familiarity; 0 where `is_familiar` ends
    is_familiar: bool  # False: like noise, or (a gate without gibberish) unlike all texts that it was trained with
    encoder: str  # name of the encoder that read it last
    essence: str  # what was read of it (essence.py)
    row: Floats  # (d,) what it read, a unit row


class Begun(NamedTuple):
    """What the fast encoder has made of a text."""

    essence: str
    cosines: Floats | None = None  # (1, K) with the prototypes; None: there is no fast encoder
    reading: Reading | None = None  # None: the full encoder has to read


class Ladder:
    """Reads texts with the encoders that are installed."""

    def __init__(
        self, gate: QAGate, full: Encoder | None, fast: Encoder | None, full_problem: str | None = None
    ) -> None:
        """Needs at least one encoder; both make a cascade. `full_problem`: why `full` is None, with the remedy."""
        assert full or fast, "a ladder needs a rung"
        self.full_problem = full_problem
        self._full = (gate.read_by(full.name), full) if full else None
        self._fast = (gate.read_by(fast.name), fast) if fast else None

    @property
    def encoders(self) -> tuple[str, ...]:
        """The names of the encoders in the order in which they read."""
        return tuple(rung[1].name for rung in (self._fast, self._full) if rung)

    @property
    def rungs(self) -> tuple[Encoder, ...]:
        """The encoders in the order in which they read."""
        return tuple(rung[1] for rung in (self._fast, self._full) if rung)

    @property
    def best(self) -> tuple[QAGate, Encoder]:
        """(gate, encoder) for the most exact encoder there is. Profiling uses it, since time matters little there."""
        found = self._full or self._fast
        assert found, "a ladder has a rung"
        return found

    def read(self, text: str) -> Reading:
        """What this text is about.

        With both encoders the full one reads again what the fast one is in doubt of (its margin is below the gate's)
        or finds unfamiliar. It alone says then whether the text is familiar. What is embedded is the text's `essence`.
        """
        return self.finish(self.begin(text))

    def begin(self, text: str) -> Begun:
        """What the fast encoder says of it, which takes little time; where it is in doubt, `finish` says the rest."""
        core = essence(text)
        if not self._fast:
            return Begun(core)
        gate, encoder = self._fast
        rows = encoder.encode([core])
        cosines = gate.similarity(rows)
        is_sure = not self._full or (gate.is_familiar(cosines)[0] and gate.margins(cosines)[0] >= gate.margin)
        return Begun(core, cosines, _reading(gate, cosines, cosines, rows, core) if is_sure else None)

    def finish(self, begun: Begun) -> Reading:
        """What a text is about that was begun by this ladder."""
        core, quick, reading = begun
        if reading is not None:
            return reading
        assert self._full, "a ladder has a rung"
        gate, encoder = self._full
        rows = encoder.encode([core])
        exact = gate.similarity(rows)
        if quick is None or not quick.any():  # the fast encoder knows no word of the text
            return _reading(gate, exact, exact, rows, core)
        return _reading(gate, (1 - FAST_SHARE) * exact + FAST_SHARE * quick, exact, rows, core)


def load_ladder(folder: Path, rung: Rung, load_full: Callable[[], Encoder], gate: QAGate | None = None) -> Ladder:
    """The ladder of the gate in this folder. "auto": a cascade, or the only rung that is installed.

    `gate`: that gate, where it is loaded already.
    Raises GateError, and EncoderError, with the remedy, where an encoder of the rung is missing.
    """
    gate = gate or QAGate.load(folder)
    full: Encoder | None = None
    fast: Encoder | None = None
    problem = None
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
            problem = str(error)
    give_back()
    return Ladder(gate, full, fast, problem)


def _reading(gate: QAGate, similarity: Floats, own: Floats, rows: Floats, core: str) -> Reading:
    """What cosines (1, K) say; `own` are those of the gate's encoder alone, which its thresholds are for.

    `rows`: what that encoder made of `core`, (1, d).
    """
    nearest = int(gate.nearest_of(similarity)[0])
    familiarity = gate.familiarity(own)
    return Reading(
        relevance=gate.relevance_of(similarity)[0],
        category=gate.categories[nearest],
        nearest=float(similarity[0, nearest]),
        familiarity=float(familiarity[0] - gate.projector.familiar),
        is_familiar=bool(gate.is_familiar(own, familiarity)[0]),
        encoder=gate.encoder,
        row=rows[0],
        essence=core,
    )
