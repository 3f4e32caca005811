"""Waits, queues in the long run, and how a backlog ages: laws of the formulas, floats and arrays alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.beliefs.queueing import backlog_spread, carried, jobs_ahead, queue_length, streams, turn, wait

jobs = st.floats(0, 1e4)
seconds = st.floats(1e-4, 1e3)
factors = st.floats(0.01, 100)
slots = st.integers(1, 256).map(float)


@pytest.mark.parametrize(
    ("backlog", "slots", "mean_service_s", "factor", "wait_s"),
    [
        (0, 1, 2.0, 1.0, 0.0),  # idle
        (1, 1, 2.0, 1.0, 2.0),  # one job ahead of us
        (5, 1, 2.0, 1.0, 10.0),
        (3, 4, 2.0, 1.0, 0.0),  # a slot is free
        (4, 4, 2.0, 1.0, 0.5),  # one of four must leave
        (7, 4, 2.0, 1.0, 2.0),
        (0, 1, 2.0, 3.0, 4.0),  # says it is idle; we waited two turns more than that
        (5, 1, 2.0, 0.5, 4.0),  # says 5, behaves like 2
        (10_000, 1, 1.0, 1.0, 10_000.0),  # no cap: overload repels
    ],
)
def test_wait_is_the_turns_ahead(
    backlog: float, slots: float, mean_service_s: float, factor: float, wait_s: float
) -> None:
    assert wait_s == pytest.approx(wait(float(backlog), float(slots), mean_service_s, factor))


@given(jobs, jobs, slots, seconds, factors)
def test_wait_is_monotone_in_the_backlog(a: float, b: float, c: float, mean_service_s: float, h: float) -> None:
    less, more = sorted((a, b))

    assert wait(less, c, mean_service_s, h) <= wait(more, c, mean_service_s, h)


@given(st.lists(st.tuples(jobs, slots, seconds, factors), min_size=1, max_size=8))
def test_arrays_and_floats_agree(rows: list[tuple[float, float, float, float]]) -> None:
    columns = np.array(rows).T

    assert [wait(*row) for row in rows] == pytest.approx(wait(*columns))


@pytest.mark.parametrize("c", [1, 2, 8, 64])
@pytest.mark.parametrize("rho", [0.1, 0.5, 0.8, 0.94])
def test_old_news_relaxes_to_the_steady_state_of_erlang_c(c: int, rho: float) -> None:
    """Sakasegawa's approximation: exact for one server, within 8 % of Erlang C for many."""
    load = c * rho
    inverse = 1.0  # Erlang B by its recursion, then C from B
    for k in range(1, c + 1):
        inverse = 1 + inverse * k / load
    blocked = 1 / inverse
    waiting = blocked / (1 - rho * (1 - blocked)) * rho / (1 - rho)

    carried_on = carried(*map(np.atleast_1d, (500.0, rho, 1.0, float(c), 1e9)), horizon_s=30.0)

    assert load + waiting == pytest.approx(carried_on[0], rel=1e-9 if c == 1 else 0.08)


@given(st.floats(0, 3), st.floats(0.01, 100), st.integers(1, 64), st.floats(0, 1e4))
def test_backlog_is_never_negative_and_fresh_news_stands(rho: float, service_s: float, c: int, age_s: float) -> None:
    arrays = [np.array([x]) for x in (rho, service_s, float(c))]

    fresh = carried(np.array([7.0]), *arrays, np.zeros(1), 30.0)
    aged = carried(np.array([7.0]), *arrays, np.array([age_s]), 30.0)

    assert 7.0 == pytest.approx(fresh[0])
    assert aged[0] >= 0


def test_an_overloaded_peer_grows_while_we_do_not_look() -> None:
    """By λ - cμ = 1 job a second, and no further than the horizon."""
    ages = [0.0, 1.0, 5.0, 20.0, 30.0, 1000.0]
    backlog = [carried(*map(np.atleast_1d, (3.0, 1.5, 0.5, 1.0, age)), horizon_s=30.0)[0] for age in ages]

    assert [3, 4, 8, 23, 33, 33] == pytest.approx(backlog)


@given(jobs, slots)
def test_every_job_is_ahead_of_a_new_one_or_decoded_with_it(backlog: float, c: float) -> None:
    """The new one is decoded with itself, and with c - 1 others at most."""
    assert backlog + 1 == pytest.approx(jobs_ahead(backlog, c) + streams(backlog, c))
    assert streams(backlog, c) <= c


def test_a_queue_moves_faster_with_more_slots() -> None:
    assert [2.0, 0.5] == [turn(2.0, 1.0), turn(2.0, 4.0)]


def test_the_queue_of_one_slot_is_the_textbooks() -> None:
    """M/M/1: ρ²/(1 - ρ) jobs wait."""
    assert 0.8**2 / 0.2 == pytest.approx(queue_length(0.8, 1.0))


def test_doubt_about_a_backlog_grows_with_its_age_up_to_the_long_run() -> None:
    """Nothing has come or gone at first; sqrt(2·λ·t) soon after; then what a queue at ρ = .5 varies by."""
    spread = [backlog_spread(0.5, 1.0, 0.5, age_s) for age_s in (0.0, 0.25, 1e3, np.inf)]

    assert [0.0, 0.5] == pytest.approx(spread[:2])
    assert spread[2] == spread[3] == pytest.approx(np.sqrt(0.5 + 0.5 + 0.25))
