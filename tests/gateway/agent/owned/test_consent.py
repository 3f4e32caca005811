"""Who may use an agent: a stranger, an approved peer, one of the owner's own, one that is named; and no other."""

import pytest

from discovery.records import PeerId
from gateway.agent.owned.consent import Others, is_for_all, may_use, named, unmeant
from tests.cluster import id_of

STRANGER, BEN, CLEO, MINE = map(id_of, range(4))
OTHERS = Others({BEN: "ben", CLEO: "cleo", MINE: "laptop"}, frozenset({MINE}))


@pytest.mark.parametrize(
    ("use", "who"),
    [
        (("me",), set()),
        (("mine",), {MINE}),
        (("approved",), {BEN, CLEO, MINE}),
        (("anyone",), {STRANGER, BEN, CLEO, MINE}),
        (("ben",), {BEN}),
        (("ben", "cleo"), {BEN, CLEO}),
        ((BEN,), {BEN}),
        ((BEN[:12],), {BEN}),
        (("nobody",), set()),
        ((STRANGER,), set()),
        (("mien",), set()),
    ],
)
def test_use_says_who(use: tuple[str, ...], who: set[PeerId]) -> None:
    assert who == {peer for peer in (STRANGER, BEN, CLEO, MINE) if may_use(use, peer, OTHERS)}


def test_a_name_that_two_approved_peers_have_means_neither() -> None:
    twins = Others({BEN: "ben", CLEO: "ben"})

    assert not any(may_use(("ben",), peer, twins) for peer in (BEN, CLEO))
    assert {BEN, CLEO} == set(named("ben", twins))
    (said,) = unmeant(("ben", BEN), twins)
    assert f"write an id, {' or '.join(sorted((BEN, CLEO)))}" in said
    assert may_use((BEN,), BEN, twins)


def test_a_peer_called_like_a_word_gets_nothing_by_it() -> None:
    others = Others({BEN: "mine", CLEO: "approved", MINE: "me"})

    assert not any(may_use((word,), peer, others) for word in ("mine", "me") for peer in (BEN, CLEO, MINE))


def test_a_name_that_means_nobody_is_said() -> None:
    assert ["`use`: no approved peer is called `bne`: see ppai peers"] == unmeant(("bne", "ben", "mine"), OTHERS)


def test_only_what_every_approved_peer_may_use_is_for_all() -> None:
    assert [True, True] == [is_for_all((word,)) for word in ("approved", "anyone")]
    assert not any(is_for_all(use) for use in (("me",), ("mine",), ("ben", "cleo")))
