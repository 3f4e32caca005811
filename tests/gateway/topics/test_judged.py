"""What one text is about: as the gate reads it, and as its wording says."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from gateway.topics.judged import FORM_SHARE, Judged, judged_of
from profiler.ladder import Ladder
from profiler.qagate import QAGate, shipped_gate

GATE = QAGate.load(shipped_gate())
SUMMARY = "Summarise this for me: the heating is off and the landlord does not answer. Law? Physics?"


class Random:
    """An encoder: text -> a unit vector."""

    name, dim = GATE.encoder, GATE.dim

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        rows = [np.random.default_rng(sum(text.encode())).normal(size=self.dim) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32)


def judged(gate: QAGate, text: str) -> Judged:
    return judged_of(gate, Ladder(gate, Random(), None).read(text))


def knowing(gate: QAGate, familiar: float) -> QAGate:
    """This gate, to which texts are familiar that are so far from noise; -1: all."""
    return replace(gate, projectors=(replace(gate.projectors[0], familiar=familiar),))


def with_forms(gate: QAGate) -> QAGate:
    """This gate, with its first two prototypes of summaries, the next of poems, all others of law."""
    named = ("summarising", "summarising", "poems and songs", *["law"] * (gate.K - 3))
    return replace(gate, categories=named, tasks=named)


def test_an_unfamiliar_text_has_no_topic() -> None:
    """Every prototype counts alike: who is good at most things is asked."""
    found = judged(knowing(GATE, 1.1), "zzz")

    assert (False, "") == (found.is_familiar, found.category)
    assert np.allclose(GATE.is_topic / GATE.is_topic.sum(), found.relevance)


@pytest.mark.parametrize("familiar", [-1.0, 2.0])
def test_a_form_that_the_wording_asks_for_is_most_of_the_topic(familiar: float) -> None:
    """Of a text that is unlike all that the gate knows as well: then general ability is the rest."""
    found = judged(with_forms(knowing(GATE, familiar)), SUMMARY)

    assert ("summarising", ("summarising",), True) == (found.category, found.forms, found.is_familiar)
    assert FORM_SHARE - 1e-6 <= found.relevance[:2].sum() < 1
    assert 1.0 == pytest.approx(float(found.relevance.sum()))


def test_two_forms_share_what_a_form_gets() -> None:
    gate = with_forms(replace(knowing(GATE, -1.0), prototypes=np.roll(GATE.prototypes, 1, axis=0)))

    found = judged(gate, "Summarise this, and then write a poem about it: the sea was calm.")

    assert ("poems and songs", "summarising") == found.forms
    assert found.relevance[:2].sum() >= FORM_SHARE / 2 - 1e-6
    assert found.relevance[2] >= FORM_SHARE / 2 - 1e-6


def test_a_form_that_the_gate_does_not_know_changes_nothing() -> None:
    gate = replace(knowing(GATE, -1.0), categories=("law",) * GATE.K, tasks=("law",) * GATE.K)

    found = judged(gate, SUMMARY)

    assert () == found.forms
    assert np.array_equal(Ladder(gate, Random(), None).read(SUMMARY).relevance, found.relevance)
