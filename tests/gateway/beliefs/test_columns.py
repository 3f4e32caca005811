"""A column is read the same way whether it is a list of few or an array of many."""

import numpy as np
import pytest

from gateway.beliefs.columns import (
    FEW,
    Column,
    by_row,
    by_rows,
    greatest,
    highest,
    is_few,
    least,
    listed,
    take,
    zeros,
)
from gateway.beliefs.numbers import greater

COUNTS = pytest.mark.parametrize("count", [1, FEW, FEW + 1, 50])


def both(count: int) -> tuple[Column, Column]:
    """Two columns, lists where they are few."""
    one, other = np.arange(count, dtype=np.float64), np.arange(count, dtype=np.float64) % 3
    return (one.tolist(), other.tolist()) if is_few(count) else (one, other)


@COUNTS
def test_few_rows_are_as_many(count: int) -> None:
    one, other = both(count)
    rows = [0, count // 2, count - 1]

    total, most = by_rows(lambda a, b: (a + b, greater(a, b)), one, other)

    assert isinstance(total, list) == is_few(count) == isinstance(zeros(count), list)
    assert [k + k % 3 for k in range(count)] == listed(total) == listed(by_row(lambda a, b: a + b, one, other))
    assert [max(k, k % 3) for k in range(count)] == listed(most)
    assert rows == listed(take(one, rows))
    assert (count - 1, 0.0) == (greatest(one), least(other))


@COUNTS
def test_the_highest_are_found_wherever_they_stand(count: int) -> None:
    shuffled = np.random.default_rng(0).permutation(count).astype(float)

    places = highest(shuffled.tolist() if is_few(count) else shuffled, min(4, count))

    assert sorted(range(count))[-4:] == sorted(int(shuffled[place]) for place in places)
    assert sorted(places) == places


def test_no_rows_are_no_rows() -> None:
    (found,) = by_rows(lambda a: (greater(a, 1.0),), zeros(0))

    assert [] == listed(found)
