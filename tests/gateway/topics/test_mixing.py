"""Shares of categories in a relevance, worked by hand."""

import numpy as np
import pytest

from gateway.topics.mixing import leading, mixed

CATEGORIES = ("law", "coding", "law", "coding", "food")
RELEVANCE = np.array([0.6, 0.1, 0.2, 0.1, 0.0], np.float32)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({}, [0.6, 0.1, 0.2, 0.1, 0.0]),
        ({"songs": 0.5}, [0.6, 0.1, 0.2, 0.1, 0.0]),  # the gate has no such prototype
        ({"food": 0.0}, [0.6, 0.1, 0.2, 0.1, 0.0]),
        ({"law": 0.5}, [0.675, 0.05, 0.225, 0.05, 0.0]),  # dealt 3 to 1, as the relevance deals it
        ({"food": 0.5}, [0.3, 0.05, 0.1, 0.05, 0.5]),
        ({"food": 1.0, "coding": 1.0}, [0.0, 0.25, 0.0, 0.25, 0.5]),  # together no more than all
    ],
)
def test_a_share_of_the_relevance_goes_to_the_categories(weights: dict[str, float], expected: list[float]) -> None:
    found = mixed(RELEVANCE, CATEGORIES, weights)

    assert np.allclose(expected, found, atol=1e-6)
    assert np.float32 == found.dtype
    assert np.allclose(1, found.sum())


def test_where_nothing_lies_in_a_category_its_share_is_dealt_evenly() -> None:
    assert np.allclose([0, 0.5, 0, 0.5, 0], mixed(np.eye(5, dtype=np.float32)[4], CATEGORIES, {"coding": 1.0}))


def test_the_leading_category_is_the_one_with_the_largest_sum() -> None:
    assert "coding" == leading(np.array([0.3, 0.25, 0, 0.25, 0.2], np.float32), CATEGORIES)
    assert "coding" == leading(np.zeros(5, np.float32), CATEGORIES)
