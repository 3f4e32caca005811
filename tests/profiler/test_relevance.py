"""Eq. (3) and margins, worked by hand."""

import numpy as np
import pytest

from profiler.relevance import margins, sharpen


@pytest.mark.parametrize(
    ("cosines", "alpha", "top_p", "expected"),
    [
        ([0.8, 0.4, 0.2, 0.1], 1, 0.5, [2 / 3, 1 / 3, 0, 0]),
        ([0.8, 0.4, 0.2, 0.1], 2, 0.5, [0.8, 0.2, 0, 0]),
        ([0.8, 0.4, 0.2, 0.1], 1, 0.25, [1, 0, 0, 0]),
        ([0.8, 0.4, 0.2, 0.1], 1, 0.26, [2 / 3, 1 / 3, 0, 0]),
        ([0.5, -0.9, 0.5, -0.1], 4, 1.0, [0.5, 0, 0.5, 0]),
        ([-0.5, -0.9, -0.2, -0.1], 4, 0.25, [0.25, 0.25, 0.25, 0.25]),
        ([0.0, 0.0, 0.0, 0.0], 4, 0.25, [0.25, 0.25, 0.25, 0.25]),
    ],
)
def test_sharpening(cosines: list[float], alpha: float, top_p: float, expected: list[float]) -> None:
    """Negatives are clipped before the power; a query like no prototype is spread evenly."""
    assert np.allclose([expected], sharpen(np.array([cosines], np.float32), alpha, top_p), atol=1e-6)


def test_margin_by_hand() -> None:
    """Of four prototypes one is a tenth: the nearest less the second. Of twenty, two are: less the third."""
    few, many = np.array([[0.2, 0.8, 0.1, 0.4]], np.float32), np.full((1, 20), 0.1, np.float32)
    many[0, :3] = 0.9, 0.7, 0.4

    assert np.allclose([0.4], margins(few))
    assert np.allclose([0.5], margins(many))
    assert np.allclose([0.0], margins(few[:, :1]))
