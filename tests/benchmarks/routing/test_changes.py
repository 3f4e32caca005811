"""Harmless changes: each changes most texts, and the same seed changes them alike."""

from random import Random

import pytest

from benchmarks.routing.changes import CHANGES
from profiler.essence import essence

TEXTS = ("How do I make a good story for kids?", "write a list of problems, please", "Where is the best shop?")


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_changes_and_can_be_repeated(name: str) -> None:
    change = CHANGES[name]

    once, again = ([change(text, rng) for text in TEXTS] for rng in (Random(1), Random(1)))

    assert once == again
    assert all(text != changed and changed.strip() for text, changed in zip(TEXTS, once, strict=True))


def test_the_first_four_are_what_is_not_read() -> None:
    """Greeting, thanks, "Question:" and outer blanks: the text that is embedded is the same."""
    for name in list(CHANGES)[:4]:
        for seed in range(30):
            assert essence(TEXTS[2]) == essence(CHANGES[name](TEXTS[2], Random(seed))), name


def test_typos_are_as_many_as_their_share() -> None:
    text = "abcdefghij" * 20

    few, many = (CHANGES[f"typos {share} %"](text, Random(0)) for share in (2, 6))

    assert 0 < abs(len(text) - len(few)) + sum(a != b for a, b in zip(text, few, strict=False))
    assert few != many
