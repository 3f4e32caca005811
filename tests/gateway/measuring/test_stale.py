"""The vector of a model that was replaced loses its evidence, and keeps what it says."""

from discovery.records import Profile
from gateway.measuring.stale import DAY_S, aged

VECTOR = Profile(bytes([10, 200]), (16, 3))


def test_a_vector_of_the_model_itself_does_not_age() -> None:
    assert VECTOR == aged(VECTOR, None)


def test_evidence_halves_at_once_and_with_every_day() -> None:
    found = [aged(VECTOR, days * DAY_S).evidence for days in (0.0, 0.9, 1.0, 2.0, 3.0, 4.0)]

    assert [(8, 1), (8, 1), (4, 0), (2, 0), (1, 0), (0, 0)] == found


def test_values_stay() -> None:
    assert VECTOR.capability == aged(VECTOR, 1e12).capability


def test_a_clock_that_was_set_back_makes_nothing_fresh() -> None:
    assert (8, 1) == aged(VECTOR, -DAY_S).evidence
