"""What a standing order is: what it costs, how many slots, and how long they were used."""

import random
from itertools import pairwise

import pytest

from gateway.serving.standing.orders import Entered, Forecast, Went, busy_s, slots_to_lend


@pytest.mark.parametrize(("slots", "workers", "each"), [(1, 2, 0), (4, 2, 1), (4, 4, 0), (8, 2, 2), (256, 4, 32)])
def test_half_of_the_slots_may_be_lent_to_all_workers_together(slots: int, workers: int, each: int) -> None:
    assert each == slots_to_lend(slots, workers)


def test_a_request_costs_what_its_tokens_do_and_it_writes_no_more_than_it_may() -> None:
    forecast = Forecast(fixed_s=1.0, prompt_s=0.01, token_s=0.1, tokens=50.0)

    assert [1.0 + 0.2 + 5.0, 1.0 + 0.2 + 1.0, 1.0 + 0.2 + 5.0] == [
        forecast.cost_s(20, most) for most in (None, 10, 1000)
    ]


def test_seconds_of_slots_add_up_however_they_are_cut() -> None:
    """Requests that come and go, told at moments of any kind, were there as long as they were."""
    rng = random.Random(5)
    for _ in range(100):
        spans = [(begins := rng.uniform(0, 10), begins + rng.uniform(0, 5)) for _ in range(8)]
        told = sorted([0.0, *(rng.uniform(0, 15) for _ in range(4)), 20.0])
        total = 0.0
        for since, until in pairwise(told):
            there = [sum(begins <= at < ends for begins, ends in spans) for at in (since, until)]
            entered = [_entered(begins) for begins, _ in spans if since < begins <= until]
            went = [_went(ends) for _, ends in spans if since < ends <= until]
            total += busy_s(entered, went, (there[0], since), (there[1], until))

        assert total == pytest.approx(sum(ends - begins for begins, ends in spans))


def _entered(began: float) -> Entered:
    return Entered(1, "r", 1, None, "s", False, 10, 0.0, 0.0, began)


def _went(ended: float) -> Went:
    return Went(1, "ok", None, ended, 1, 1)
