"""The vector of a model that was replaced loses its evidence, and keeps what it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.records import Agent, Profile
from gateway.measuring.stale import DAY_S, STALE_LIMIT, aged, left_of
from gateway.models.priors import Priors
from gateway.routing.worth import CLAIM_LIMIT, Space, claims

VECTOR = Profile(bytes([10, 200]), (24, 8))


def test_a_vector_of_the_model_itself_does_not_age() -> None:
    assert VECTOR == aged(VECTOR, None)


def test_evidence_falls_to_what_a_claim_counts_at_most_and_halves_each_day() -> None:
    found = [aged(VECTOR, days * DAY_S).evidence for days in (0.0, 0.9, 1.0, 2.0, 3.0, 4.0, 4000.0)]

    assert [(6, 2), (6, 2), (3, 1), (2, 0), (1, 0), (0, 0), (0, 0)] == found
    assert STALE_LIMIT == CLAIM_LIMIT


def test_values_stay() -> None:
    assert VECTOR.capability == aged(VECTOR, 1e12).capability


def test_a_clock_that_was_set_back_makes_nothing_fresh() -> None:
    assert (6, 2) == aged(VECTOR, -DAY_S).evidence


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=64), st.integers(0, 9))
def test_the_sum_is_right_and_nothing_is_invented(evidence: list[int], days: int) -> None:
    found = aged(Profile(bytes(len(evidence)), tuple(evidence)), days * DAY_S).evidence

    assert min(STALE_LIMIT, sum(evidence)) >> days == sum(found)
    assert all(0 <= new <= old for new, old in zip(found, evidence, strict=True))


@pytest.mark.parametrize("honesty", [1.0, None], ids=["another peer's", "our own"])
def test_it_comes_back_to_what_the_name_promises(honesty: float | None) -> None:
    """At the receiver, who is told nothing else: half a claim after a day, nothing of it after four."""
    space = Space("s1", ("maths", "food"), carries_means=True)

    def claimed(profile: Profile | None) -> np.ndarray:
        agent = Agent("qwen3:8b", "qwen3:8b", 4096, profiles={"s1": profile} if profile else {})
        return claims([agent], [honesty], space, Priors())[0].claimed[0]

    measured, named = claimed(VECTOR), claimed(None)
    away = [np.abs(claimed(aged(VECTOR, days * DAY_S)) - named).sum() for days in range(5)]

    assert away[0] <= np.abs(measured - named).sum()
    assert away == sorted(away, reverse=True)
    assert away[-1] == 0.0


def test_a_count_ages_as_evidence_does() -> None:
    assert [8, 4, 2, 1, 0] == [left_of(40, days * DAY_S) for days in range(5)]
    assert 3 == left_of(3, 0.0)
