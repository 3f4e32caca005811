"""Whether agents that claim one model answer alike (P): where they do not, one of them may be another model.

Twins are asked the same at temperature 0. Engines, kernels and quantisations part even honest ones now and then, so who
differs is audited more often, and no more than that: what counts is whether answers are right. Our own engine is
believed; of others the odd one of three, and of two that differ both.
"""

from collections.abc import Sequence
from typing import NamedTuple

from discovery.records import PeerId

ALIKE = 1 / 3  # of the shorter answer's words that two share from the beginning: from there on each goes its own way


class Twin(NamedTuple):
    """An agent that claims the same model as the one that is audited."""

    peer: PeerId
    agent: str
    is_own: bool = False


class Answer(NamedTuple):
    """What one of them said, and what it was worth, from 0 to 1."""

    peer: PeerId
    text: str
    score: float
    is_own: bool = False


def differ(one: Answer, other: Answer) -> bool:
    """Whether one is right and the other wrong, or they part within the first words."""
    words, others = one.text.casefold().split(), other.text.casefold().split()
    shared = next((at for at, pair in enumerate(zip(words, others, strict=False)) if pair[0] != pair[1]), None)
    shortest = min(len(words), len(others))
    parts_early = shared is not None and shared < ALIKE * shortest
    return abs(one.score - other.score) > 0.5 or parts_early


def odd_ones(answers: Sequence[Answer]) -> tuple[PeerId, ...]:
    """Who is to be looked into, of two or three that answered the same; ours never is.

    Of three the one that differs from both others, if these agree; where all three differ nobody is the odd one.
    """
    own = next((one for one in answers if one.is_own), None)
    if own is not None:
        return tuple(one.peer for one in answers if not one.is_own and differ(one, own))
    if len(answers) == 2:
        return tuple(one.peer for one in answers) if differ(*answers) else ()
    agree = [(i, j) for i in range(len(answers)) for j in range(i) if not differ(answers[i], answers[j])]
    if len(agree) != 1:
        return ()
    return tuple(one.peer for at, one in enumerate(answers) if at not in agree[0])
