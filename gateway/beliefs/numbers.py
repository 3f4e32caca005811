"""The operations that formulas need beside arithmetic, on one float or on an array alike (P).

numpy takes as long for one number as for a hundred, and ten times as long as Python does. With these a formula is
written once, and costs little for a few peers, which are taken one by one, and for a thousand, which are arrays.
"""

from collections.abc import Callable, Sequence
from math import exp, sqrt
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
Real = TypeVar("Real", float, FloatArray)

FEW = 8  # up to so many peers are taken one by one


def by_rows(formula: Callable[..., tuple[Any, ...]], columns: Sequence[FloatArray]) -> Sequence[FloatArray]:
    """What a formula makes of columns, (N,) each: other columns. A few rows are taken one by one, as floats."""
    if not 0 < len(columns[0]) <= FEW:
        return formula(*columns)
    rows = zip(*[column.tolist() for column in columns], strict=True)
    return list(np.array([formula(*row) for row in rows], dtype=np.float64).T)


def greater(number: Real, least: float | Real) -> Real:
    """max, of each."""
    if isinstance(number, float):
        return number if number > least else least
    return np.maximum(number, least)


def lesser(number: Real, most: float | Real) -> Real:
    """min, of each."""
    if isinstance(number, float):
        return number if number < most else most
    return np.minimum(number, most)


def root(number: Real) -> Real:
    """The square root of what is not negative."""
    return sqrt(number) if isinstance(number, float) else np.sqrt(number)


def is_any(number: Real) -> bool:
    """Whether it is not 0, or one of them is not."""
    return number != 0.0 if isinstance(number, float) else bool(number.any())


def exponential(number: Real) -> Real:
    """e to a power of at most 0, -inf included."""
    return exp(number) if isinstance(number, float) else np.exp(number)
