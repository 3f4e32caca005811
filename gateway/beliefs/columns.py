"""Columns over N candidates (P): lists of floats while they are few, arrays while they are many.

numpy takes as long for one number as for a hundred, and ten times as long as Python does. So a formula (numbers.py) is
written once, and is taken row by row of a few candidates, and at once of a thousand. Whoever reads a column with these
functions need not know which of the two it is.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gateway.beliefs.numbers import FloatArray

Column: TypeAlias = list[float] | FloatArray  # (N,)
Rows: TypeAlias = list[int] | NDArray[np.intp]  # indices into a column

FEW = 16  # up to so many candidates are taken one by one


def is_few(count: int) -> bool:
    """Whether so many rows make lists. No row at all makes an array, which knows how to be empty."""
    return 0 < count <= FEW


def zeros(count: int) -> Column:
    """A column of so many zeros."""
    return [0.0] * count if is_few(count) else np.zeros(count)


def by_row(formula: Callable[..., Any], *columns: Column) -> Column:
    """The column that a formula makes of others."""
    if isinstance(columns[0], list):
        return list(map(formula, *columns))
    found: FloatArray = formula(*columns)
    return found


def by_rows(formula: Callable[..., tuple[Any, ...]], *columns: Column) -> Sequence[Column]:
    """The columns that a formula makes of others; the first of those says whether they are few."""
    if isinstance(columns[0], list):
        return [list(numbers) for numbers in zip(*map(formula, *columns), strict=True)]
    return formula(*columns)


def one_row(columns: Sequence[Column], row: int) -> list[float]:
    """One row of these columns; the first of them says whether they are few."""
    found: list[float] = [column[row] for column in columns]
    return found if isinstance(columns[0], list) else [float(number) for number in found]


def take(numbers: Column, rows: Rows) -> Column:
    """These rows of a column, as a column."""
    return [numbers[row] for row in rows] if isinstance(numbers, list) else numbers[rows]


def listed(numbers: Any) -> list[Any]:
    """A column, or rows, as a list."""
    found: list[Any] = numbers if isinstance(numbers, list) else numbers.tolist()
    return found


def highest(numbers: Column, count: int) -> list[int]:
    """Where the `count` greatest are, in the order of the column; `count` is at most all."""
    if isinstance(numbers, list):
        return sorted(sorted(range(len(numbers)), key=numbers.__getitem__)[-count:])
    found: list[int] = np.sort(np.argpartition(-numbers, count - 1)[:count]).tolist()
    return found


def greatest(numbers: Column) -> float:
    """The greatest of a column that is not empty."""
    return max(numbers) if isinstance(numbers, list) else float(numbers.max())


def least(numbers: Column) -> float:
    """The least of a column that is not empty."""
    return min(numbers) if isinstance(numbers, list) else float(numbers.min())
