"""What is asked, and when."""

import numpy as np
import pytest

from benchmarks.simulator.workload import arrival_times


def test_bursts_keep_the_mean_rate() -> None:
    """Twice the rate for 10 s of every 40 s."""
    times = arrival_times(50.0, 40_000, "bursty", np.random.default_rng(1))

    in_burst = times[times % 40 < 10]

    assert 800 == pytest.approx(times[-1], rel=0.03)
    assert 2 * 10 / 40 == pytest.approx(len(in_burst) / len(times), rel=0.03)
