"""Every term of the cost of delegation is in seconds, at least 0, and grows with what it is about."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.beliefs.queueing import doubt, wait
from gateway.routing import cost

jobs = st.floats(0, 1e4)
seconds = st.floats(1e-4, 1e3)
factors = st.floats(0.01, 100)
slots = st.integers(1, 256).map(float)


@settings(deadline=None)
@given(jobs, slots, seconds, factors, st.floats(2.1, 1e4), st.floats(0, 1), st.integers(0, 10**8))
def test_no_term_is_negative(n: float, c: float, s: float, h: float, shape: float, rtt_s: float, body: int) -> None:
    terms = (
        wait(n, c, s, h),
        cost.service(float(body % 10_000), 100.0, s / 1e3, s, s, min(n, c - 1) + 1),
        cost.transit(rtt_s, float(body), 1e6),
        cost.risk(doubt(n, c, s, shape), 0.5),
        cost.crowding(100.0, s, min(n, c - 1) + 1, 1.0),
    )

    assert min(terms) >= 0
    assert sum(terms) == pytest.approx(cost.cost_of_delegation(*terms))


def test_service_slows_as_streams_join_a_batch() -> None:
    """vLLM on a tiny model: a = 2.2 ms, b = 1.2 ms (measured, 1 to 16 streams)."""
    alone = cost.service(0.0, 100.0, 0.0, 2.2e-3, 1.2e-3, 1.0)
    sixteen = cost.service(0.0, 100.0, 0.0, 2.2e-3, 1.2e-3, 16.0)

    assert (0.34, 2.14) == (pytest.approx(alone), pytest.approx(sixteen))


def test_a_first_word_is_late_a_turn_after_it_was_due_and_reading_may_take_eight_times_as_long() -> None:
    assert 3.0 == cost.late_after(wait_s=1.0, transit_s=0.0, reading_s=0.0, turn_s=2.0)
    assert 1.5 == cost.late_after(wait_s=0.0, transit_s=0.5, reading_s=0.0, turn_s=0.001)
    assert 9.0 == cost.late_after(wait_s=0.0, transit_s=0.0, reading_s=1.0, turn_s=0.0)


def test_crowding_is_what_the_others_lose() -> None:
    """Beside three streams, 100 tokens hold each of them up by 100·b; alone, or in a lone slot, nobody."""
    assert 3 * 100 * 1.2e-3 == pytest.approx(cost.crowding(100.0, 1.2e-3, 4.0, 1.0))
    assert 0.0 == cost.crowding(100.0, 1.2e-3, 1.0, 1.0) == cost.crowding(100.0, 1.2e-3, 4.0, 0.0)


def test_risk_falls_as_completions_are_seen() -> None:
    newcomer, known = (cost.risk(doubt(0.0, 1.0, 4.0, shape), 0.5) for shape in (4.0, 100.0))

    assert newcomer == pytest.approx(0.5 * 4 / np.sqrt(2))
    assert known < newcomer / 5
