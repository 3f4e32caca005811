"""Which encoder reads a text: the one that is there, or the fast one first and the full one in doubt."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from profiler.encoder import Encoder, EncoderError
from profiler.ladder import Ladder, load_ladder
from profiler.qagate import QAGate, shipped_gate
from tests.profiler.test_qagate import identity, tiny_gate

GATE = tiny_gate(projectors=(identity("full", 0.2), identity("quick", 0.2)), margin=0.3, top_p=0.3)


@dataclass
class Spoken:
    """Its texts are the embeddings: "0.8 0.6"."""

    name: str
    dim: int = 2
    texts: list[str] = field(default_factory=list)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        return np.array([text.split() for text in texts], np.float32)


@pytest.mark.parametrize(
    ("text", "reader"),
    [
        ("1 0", "quick"),  # cosines 1, .5, 0: margin .5
        ("0.8 0.6", "full"),  # .8, .92, .6: margin .12
        ("0 0", "full"),  # unlike anything, the fast one finds
    ],
)
def test_the_full_encoder_reads_what_the_fast_one_doubts(text: str, reader: str) -> None:
    full, fast = Spoken("full"), Spoken("quick")

    reading = Ladder(GATE, full, fast).read(text)

    assert reader == reading.encoder
    assert ([text], [text] if reader == "full" else []) == (fast.texts, full.texts)


def test_what_both_have_read_is_averaged() -> None:
    """The fast encoder sees 90°, the full one 60° (cosines 0, .87, 1 and .5, 1, .87): the mean of the two."""

    @dataclass
    class Turned(Spoken):
        def encode(self, texts: Sequence[str]) -> np.ndarray:
            super().encode(texts)
            return np.array([[0.5, 3**0.5 / 2]], np.float32)

    reading = Ladder(replace(GATE, top_p=1.0, alpha=1.0), Turned("full"), Spoken("quick")).read("0 1")

    mean = 0.65 * np.array([0.5, 1, 3**0.5 / 2]) + 0.35 * np.array([0, 3**0.5 / 2, 1])
    assert "full" == reading.encoder
    assert np.allclose(mean / mean.sum(), reading.relevance, atol=1e-3)
    alone = Ladder(GATE, Turned("full"), Spoken("quick")).read("0 0")  # without a known word
    assert np.allclose([0, 1, 0], alone.relevance)


def test_one_rung_reads_everything() -> None:
    for name, ladder in (
        ("full", Ladder(GATE, Spoken("full"), None)),
        ("quick", Ladder(GATE, None, Spoken("quick"))),
    ):
        assert [name] * 2 == [ladder.read(text).encoder for text in ("1 0", "0.8 0.6")]
        assert ((name,), name) == (ladder.encoders, ladder.best[1].name)


def test_a_reading_tells_topic_and_familiarity() -> None:
    reading = Ladder(GATE, Spoken("full"), None).read("0 1")

    assert ("law", True) == (reading.category, reading.is_familiar)
    assert np.allclose([0, 0, 1], reading.relevance)
    assert not Ladder(GATE, Spoken("full"), None).read("0 0").is_familiar


def missing() -> Encoder:
    raise EncoderError("run: ppai pull encoder")


def test_without_weights_the_fast_encoder_reads_and_the_remedy_is_told() -> None:
    ladder = load_ladder(shipped_gate(), "auto", missing)

    assert 1 == len(ladder.encoders)
    assert "ppai pull encoder" in (ladder.full_problem or "")
    reading = ladder.read("Janet's ducks lay 16 eggs a day. She eats three and sells the rest at $2. How much is that?")
    assert ("maths", True) == (reading.category, reading.is_familiar)


@pytest.mark.parametrize("rung", ["full", "cascade"])
def test_who_insists_on_the_full_encoder_is_told(rung: str) -> None:
    with pytest.raises(EncoderError, match="ppai pull encoder"):
        load_ladder(shipped_gate(), rung, missing)  # type: ignore[arg-type]


def test_with_weights_it_is_a_cascade(encoder: Encoder) -> None:
    gate = QAGate.load(shipped_gate())

    ladder = load_ladder(shipped_gate(), "auto", lambda: encoder)

    assert (gate.projectors[1].encoder, gate.projectors[0].encoder) == ladder.encoders
    assert 1 == len(load_ladder(shipped_gate(), "fast", missing).encoders)
    assert (gate.encoder,) == load_ladder(shipped_gate(), "full", lambda: encoder).encoders


def test_a_gate_without_a_fast_encoder_has_one_rung(tmp_path: Path) -> None:
    replace(GATE, projectors=GATE.projectors[:1]).save(tmp_path)

    assert ("full",) == load_ladder(tmp_path, "auto", lambda: Spoken("full")).encoders
    with pytest.raises(EncoderError, match="has no fast encoder"):
        load_ladder(tmp_path, "cascade", lambda: Spoken("full"))
    with pytest.raises(EncoderError, match="ppai pull encoder"):
        load_ladder(tmp_path, "auto", missing)
