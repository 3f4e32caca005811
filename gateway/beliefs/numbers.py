"""The operations that formulas need beside arithmetic, on one float or on an array alike (P).

With these a formula is written once, and costs little for a few peers, which are taken one by one, and for a thousand,
which are arrays (columns.py).
"""

from math import exp, sqrt
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
Real = TypeVar("Real", float, FloatArray)


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
