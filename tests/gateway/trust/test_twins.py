"""Answers of agents that claim one model: who is odd among them, and who is not said to be."""

import pytest

from discovery.records import PeerId
from gateway.trust.twins import Answer, differ, odd_ones

ME, BEN, CLEO, DORA = map(PeerId, ("me", "ben", "cleo", "dora"))
LONG = "the sum of all whole numbers from one to forty is eight hundred and twenty"


def said(peer: PeerId, text: str, score: float = 1.0) -> Answer:
    return Answer(peer, text, score, is_own=peer == ME)


@pytest.mark.parametrize(
    ("one", "other", "parts"),
    [
        (LONG, LONG, False),
        (LONG, LONG.upper(), False),
        (LONG, "the sum of all whole numbers up to forty is 820", False),  # an engine's rounding, late
        (LONG, "820, since forty times forty-one is halved", True),
        (LONG, "the sum", False),  # cut where it was as long as the other
        ("B", "B", False),
        ("B", "C", True),
        ("", "", False),
        (LONG, "", False),  # nothing was said: nothing is known
    ],
)
def test_two_differ_where_they_part_within_the_first_words(one: str, other: str, parts: bool) -> None:
    assert parts is differ(said(BEN, one), said(CLEO, other)) is differ(said(CLEO, other), said(BEN, one))


def test_two_differ_where_one_is_right_and_the_other_wrong() -> None:
    assert differ(said(BEN, LONG), said(CLEO, f"{LONG} one", score=0.0))


def test_of_two_that_differ_both_are_looked_into_and_of_two_alike_nobody() -> None:
    assert (BEN, CLEO) == odd_ones([said(BEN, "B"), said(CLEO, "C")])
    assert () == odd_ones([said(BEN, "B"), said(CLEO, "B")])


def test_our_own_engine_is_believed() -> None:
    assert (BEN,) == odd_ones([said(BEN, "B"), said(ME, "C", score=0.0)])
    assert () == odd_ones([said(BEN, "B"), said(ME, "B")])


@pytest.mark.parametrize(("letters", "odd"), [("BBC", (DORA,)), ("CBB", (BEN,)), ("BCB", (CLEO,)), ("BBB", ())])
def test_of_three_the_one_that_differs_from_two_that_agree_is_odd(letters: str, odd: tuple[PeerId, ...]) -> None:
    assert odd == odd_ones([said(peer, letter) for peer, letter in zip((BEN, CLEO, DORA), letters, strict=True)])


def test_where_all_three_differ_nobody_is_said_to_be_odd() -> None:
    assert () == odd_ones([said(BEN, "A"), said(CLEO, "B"), said(DORA, "C")])
