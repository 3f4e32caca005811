"""Topics are compared bit by bit in the encoders' thread; texts are drawn as soon as that is done, and not before."""

from collections.abc import Sequence

import numpy as np

from gateway.topics import drawing as module
from gateway.topics.drawing import Drawing
from profiler.ladder import FAST_FOLDER, Ladder, Reading
from profiler.qagate import QAGate, shipped_gate
from profiler.static import StaticEncoder

GATE = QAGate.load(shipped_gate())
KEELS = ("Torque of keel bolts and inspection of hulls in our yard", "Holiday and sick notes of our colleagues")
ARCHIVE = ("Shelf marks and reading room of the parish archive",)
ASKED = "What torque do the keel bolts get?"


class Full:
    """An encoder of the full one's name that reads as the fast one, and says how often it did."""

    def __init__(self) -> None:
        self._fast = StaticEncoder(shipped_gate() / FAST_FOLDER)
        self.name, self.dim, self.texts = GATE.projectors[0].encoder, GATE.projectors[0].dim, 0

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += len(texts)
        rows = self._fast.encode(texts)
        return np.pad(rows, ((0, 0), (0, self.dim - rows.shape[1])))


def ladder_of(*, full: bool = False) -> tuple[Ladder, Full]:
    encoder = Full()
    return Ladder(GATE, encoder if full else None, StaticEncoder(shipped_gate() / FAST_FOLDER)), encoder


def prepared(drawing: Drawing, ladder: Ladder) -> int:
    steps = 1
    while drawing.prepare(ladder):
        steps += 1
    return steps


def test_a_text_is_drawn_to_whose_topics_are_compared_already() -> None:
    drawing, (ladder, _) = Drawing(), ladder_of()
    assert drawing.attend(frozenset({KEELS, ARCHIVE})) and not drawing.attend(frozenset({ARCHIVE, KEELS}))
    reading = ladder.read(ASKED)
    assert drawing.drawn(ladder, reading) == {}

    assert prepared(drawing, ladder) > 100  # many small steps: texts that wait for the thread go in between

    found = drawing.drawn(ladder, reading)
    assert found[KEELS].tail < 0.005 and ARCHIVE not in found
    assert drawing.tail(ladder, ARCHIVE, ASKED) > 0.2
    assert found[KEELS].sentence == KEELS[0]


def test_what_changes_is_seen_by_the_version_and_costs_no_second_reading() -> None:
    drawing, (ladder, _) = Drawing(), ladder_of()
    drawing.attend(frozenset({KEELS}))
    prepared(drawing, ladder)
    before = drawing.version
    drawing.attend(frozenset({ARCHIVE}))
    assert prepared(drawing, ladder) == 2 and drawing.version > before
    assert drawing.drawn(ladder, ladder.read(ASKED)) == {}
    assert set(drawing.drawn(ladder, ladder.read(ARCHIVE[0]))) == {ARCHIVE}
    drawing.attend(frozenset())
    assert drawing.drawn(ladder, ladder.read(ASKED)) == {}


def test_the_full_encoder_is_asked_about_what_the_fast_one_finds_likely_alone() -> None:
    drawing, (ladder, full) = Drawing(), ladder_of(full=True)
    drawing.attend(frozenset({KEELS}))
    prepared(drawing, ladder)
    fast = StaticEncoder(shipped_gate() / FAST_FOLDER)

    def asked(text: str) -> int:
        before = full.texts
        read = Reading(GATE.evenly, "", 0.0, 0.0, False, fast.name, text, fast.encode([text])[0])
        drawing.drawn(ladder, read)
        return full.texts - before

    assert asked(ASKED) == 1
    assert asked("what is a prime number") == 0


def test_one_peer_s_many_agents_stop_no_text(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(module, "AGENTS_LIMIT", 2)
    drawing, (ladder, _) = Drawing(), ladder_of()
    drawing.attend(frozenset((f"Topic number {number}",) for number in range(9)))
    prepared(drawing, ladder)
    assert len(drawing.drawn(ladder, ladder.read("Topic number 7"))) == 2
