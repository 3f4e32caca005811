"""The simulated network by hand: who is good at what, and what a choice is worth."""

import numpy as np
import pytest

from benchmarks.routing.specialists import BROAD, CATEGORIES, NETWORKS, Network, graded, interval, right

TWO = Network.of({"cook": ("food",), "coder": ("coding", "sql")})


def test_every_category_has_one_specialist() -> None:
    assert (12, 44, 44) == (len(BROAD), len(CATEGORIES), len(set(CATEGORIES)))
    for homes in NETWORKS.values():
        assert sorted(CATEGORIES) == sorted(name for home in homes.values() for name in home)


def test_specialists_are_good_at_home_and_the_generalist_everywhere() -> None:
    assert ("cook", "coder", "generalist") == TWO.names
    assert [[0.85, 0.5], [0.5, 0.85], [0.65, 0.65]] == TWO.at(["food", "sql"]).tolist()


def test_nobody_is_for_a_category_that_is_not_known() -> None:
    assert [[0.5], [0.5], [0.65]] == TWO.at(["gibberish"]).tolist()


def test_a_prompt_of_several_categories_is_answered_as_in_the_best() -> None:
    assert [[0.85], [0.85], [0.65]] == TWO.on([("food", "sql")]).tolist()


def test_the_highest_score_is_chosen_and_among_equals_their_mean_counts() -> None:
    relevance = np.array([[1.0, 0.0], [0.0, 1.0]])
    capabilities = np.array([[0.9, 0.6], [0.5, 0.6]])
    strengths = np.array([[0.85, 0.5], [0.65, 0.65]])

    assert [0.85, pytest.approx(0.575)] == right(relevance, capabilities, strengths).tolist()


def test_grades_are_right_as_often_as_the_strength_says() -> None:
    found = graded(np.tile([[0.85], [0.5]], 4000), np.random.default_rng(0))

    assert {0.0, 1.0} == set(found.ravel().tolist())
    assert [0.85, 0.5] == pytest.approx(found.mean(axis=1).tolist(), abs=0.03)


def test_the_interval_holds_the_mean_and_has_no_width_where_nothing_varies() -> None:
    low, high = interval(np.random.default_rng(1).random((5, 200)))

    assert low < 0.5 < high < low + 0.2
    assert (0.65, 0.65) == pytest.approx(interval(np.full((1, 50), 0.65)))
