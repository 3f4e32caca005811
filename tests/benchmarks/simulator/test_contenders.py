"""The contenders against each other."""

import numpy as np
import pytest

from tests.benchmarks.simulator.scenes import answers


@pytest.mark.slow
def test_a_fresh_look_beats_prequal_and_is_near_the_oracle() -> None:
    """The core claim, on four seeds: default at most .95 of Prequal's mean and 1.65 of the oracle's."""
    mean = {
        name: np.mean([answer.latency_s for seed in range(11, 15) for answer in answers(name, seed, 4000)[1000:]])
        for name in ("default", "prequal", "oracle")
    }

    assert mean["default"] < 0.95 * mean["prequal"]
    assert mean["default"] < 1.65 * mean["oracle"]
