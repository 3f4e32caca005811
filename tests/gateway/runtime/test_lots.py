"""A peer draws as the simulator's generator does: each as likely, and all in any order."""

from collections import Counter

import numpy as np
import pytest

from gateway.routing.policy import Lots
from gateway.runtime.lots import OwnLots


@pytest.mark.parametrize("lots", [OwnLots(1), np.random.default_rng(1)], ids=["a peer's", "numpy's"])
def test_each_is_as_likely_and_each_order_is(lots: Lots) -> None:
    drawn = Counter(int(lots.choice([3, 5, 7])) for _ in range(3000))
    orders = Counter(tuple(int(one) for one in lots.permutation((3, 5, 7))) for _ in range(6000))
    shares = [lots.random() for _ in range(3000)]

    assert {3, 5, 7} == set(drawn) and 850 < min(drawn.values())
    assert 6 == len(orders) and 850 < min(orders.values())
    assert 0.48 < sum(shares) / 3000 < 0.52 and all(0 <= share < 1 for share in shares)
