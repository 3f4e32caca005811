"""What is measured of encoders is what peers run."""

import numpy as np
import pytest


@pytest.mark.parametrize("agents", [1, 1000])
def test_scores_read_no_other_precision(agents: int) -> None:
    """float64 relevance and float32 vectors: what a request brings, in the vectors' own precision."""
    from benchmarks.routing.encoders import _scored_roster

    rng = np.random.default_rng(0)
    vectors = rng.random((agents, 64), dtype=np.float32)
    relevance = np.zeros(64)
    relevance[[3, 40]] = 0.75, 0.25

    assert np.allclose(
        0.75 * vectors[:, 3] + 0.25 * vectors[:, 40], _scored_roster(vectors).scores(relevance), atol=1e-6
    )
    assert np.allclose(vectors.mean(1), _scored_roster(vectors).scores(np.full(64, 1 / 64)), atol=1e-6)
