"""Passes: once each, within their time, of one key alone."""

import random

import pytest

from discovery.records import PeerId
from gateway.peering.reach.passes import COUNTERS_KEPT, KEY_BYTES, KEY_S, KEYS_EACH, Passes, new_pass
from tests.cluster import id_of

KEY, BEN, CLEO = b"k" * KEY_BYTES, id_of(1), id_of(2)


def test_a_pass_opens_one_tunnel_of_whose_key_it_is() -> None:
    passes = Passes(2)
    ben, cleo = passes.issue(BEN, KEY, 0.0), passes.issue(CLEO, b"c" * KEY_BYTES, 0.0)

    assert [BEN, CLEO] == [
        passes.holder(new_pass(ben, KEY, 1), 1.0), passes.holder(new_pass(cleo, b"c" * KEY_BYTES, 1), 1.0)
    ]  # fmt: skip
    assert passes.holder(new_pass(ben, KEY, 1), 1.0) is None  # replayed
    assert passes.holder(new_pass(cleo, KEY, 2), 1.0) is None  # another's number


def test_passes_may_overtake_each_other_and_each_counts_once() -> None:
    passes, order = Passes(1), list(range(1, 60))
    number = passes.issue(BEN, KEY, 0.0)
    random.Random(1).shuffle(order)

    assert all(passes.holder(new_pass(number, KEY, counter), 1.0) == BEN for counter in order)
    assert not any(passes.holder(new_pass(number, KEY, counter), 1.0) for counter in order)
    assert BEN == passes.holder(new_pass(number, KEY, 1000), 1.0)
    assert passes.holder(new_pass(number, KEY, 1000 - COUNTERS_KEPT), 1.0) is None
    assert passes.holder(new_pass(number, KEY, 0), 1.0) is None


def test_garbage_opens_nothing() -> None:
    passes = Passes(2)
    good = new_pass(passes.issue(BEN, KEY, 0.0), KEY, 1)

    for damaged in (b"", good[:-1], good + b"x", b"XXXX" + good[4:], good[:30] + b"!" + good[31:], bytes(52)):
        assert passes.holder(damaged, 1.0) is None
    assert BEN == passes.holder(good, 1.0)


def test_keys_end_and_are_bounded() -> None:
    passes = Passes(2)
    first = passes.issue(BEN, KEY, 0.0)
    assert passes.holder(new_pass(first, KEY, 1), KEY_S + 1) is None

    for _ in range(3):
        newest = passes.issue(BEN, KEY, 0.0)
    assert passes.holder(new_pass(newest - 2, KEY, 1), 1.0) is None  # of three the two newest
    for number in range(2 * KEYS_EACH + 9):
        passes.issue(id_of(number), KEY, 1.0)
    assert 2 * KEYS_EACH == len(passes._keys)


@pytest.mark.parametrize("peers", [1, 200, 1024])
def test_as_many_peers_as_a_relay_serves_have_good_keys_each(peers: int) -> None:
    """Each has two while it fetches the next: as many as `relay.peers` may be lose none of them to the others."""
    passes, held = Passes(peers), dict[int, PeerId]()
    for _ in range(KEYS_EACH):
        held |= {passes.issue(id_of(number), KEY, 0.0): id_of(number) for number in range(peers)}

    assert held == {number: passes.holder(new_pass(number, KEY, 1), 1.0) for number in held}
