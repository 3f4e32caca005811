"""Passes: once each, within their time, of one key alone."""

import random

from gateway.peering.reach.passes import COUNTERS_KEPT, KEY_BYTES, KEY_S, KEYS_LIMIT, Passes, new_pass
from tests.cluster import id_of

KEY, BEN, CLEO = b"k" * KEY_BYTES, id_of(1), id_of(2)


def test_a_pass_opens_one_tunnel_of_whose_key_it_is() -> None:
    passes = Passes()
    ben, cleo = passes.issue(BEN, KEY, 0.0), passes.issue(CLEO, b"c" * KEY_BYTES, 0.0)

    assert [BEN, CLEO] == [
        passes.holder(new_pass(ben, KEY, 1), 1.0), passes.holder(new_pass(cleo, b"c" * KEY_BYTES, 1), 1.0)
    ]  # fmt: skip
    assert passes.holder(new_pass(ben, KEY, 1), 1.0) is None  # replayed
    assert passes.holder(new_pass(cleo, KEY, 2), 1.0) is None  # another's number


def test_passes_may_overtake_each_other_and_each_counts_once() -> None:
    passes, order = Passes(), list(range(1, 60))
    number = passes.issue(BEN, KEY, 0.0)
    random.Random(1).shuffle(order)

    assert all(passes.holder(new_pass(number, KEY, counter), 1.0) == BEN for counter in order)
    assert not any(passes.holder(new_pass(number, KEY, counter), 1.0) for counter in order)
    assert BEN == passes.holder(new_pass(number, KEY, 1000), 1.0)
    assert passes.holder(new_pass(number, KEY, 1000 - COUNTERS_KEPT), 1.0) is None
    assert passes.holder(new_pass(number, KEY, 0), 1.0) is None


def test_garbage_opens_nothing() -> None:
    passes = Passes()
    good = new_pass(passes.issue(BEN, KEY, 0.0), KEY, 1)

    for damaged in (b"", good[:-1], good + b"x", b"XXXX" + good[4:], good[:30] + b"!" + good[31:], bytes(52)):
        assert passes.holder(damaged, 1.0) is None
    assert BEN == passes.holder(good, 1.0)


def test_keys_end_and_are_bounded() -> None:
    passes = Passes()
    first = passes.issue(BEN, KEY, 0.0)
    assert passes.holder(new_pass(first, KEY, 1), KEY_S + 1) is None

    for _ in range(3):
        newest = passes.issue(BEN, KEY, 0.0)
    assert passes.holder(new_pass(newest - 2, KEY, 1), 1.0) is None  # of three the two newest
    for number in range(KEYS_LIMIT + 9):
        passes.issue(id_of(number), KEY, 1.0)
    assert KEYS_LIMIT == len(passes._keys)
