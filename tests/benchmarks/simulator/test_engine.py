"""The simulated engine: one job, and several that share it, by hand."""

from dataclasses import replace

import pytest

from benchmarks.simulator.engine import EngineSpeed
from benchmarks.simulator.peer import PeerSpec
from benchmarks.simulator.policies import Greedy
from benchmarks.simulator.request import carry
from benchmarks.simulator.staleness import AGENT
from benchmarks.simulator.workload import plain_asks
from benchmarks.simulator.world import Setting, World
from tests.benchmarks.simulator.scenes import EXPONENTIAL, REGIONS, SPREAD


def test_a_batching_engine_slows_as_it_fills() -> None:
    """Four jobs that start together take n·(a + 4b); one alone takes n·(a + b)."""
    speed = EngineSpeed(4, 0.0, 0.002, 0.001)
    world = World(Setting((PeerSpec(speed, AGENT),), 1, REGIONS, SPREAD, None), lambda entry, w: Greedy(), 1)
    (ask,) = plain_asks(1.0, 1, 1, EXPONENTIAL, "poisson", 1)
    together = [replace(ask, at=1.0, output_tokens=100) for _ in range(4)]

    answered = carry(world, [*together, replace(ask, at=9.0, output_tokens=100)])

    assert [0.6] * 4 + [0.3] == pytest.approx([answer.latency_s for answer in answered])


def test_the_rate_changes_for_all_when_one_leaves() -> None:
    """100 tokens beside a job of 50: 50 steps of a + 2b, then 50 of a + b."""
    speed = EngineSpeed(2, 0.0, 0.002, 0.001)
    world = World(Setting((PeerSpec(speed, AGENT),), 1, REGIONS, SPREAD, None), lambda entry, w: Greedy(), 1)
    (ask,) = plain_asks(1.0, 1, 1, EXPONENTIAL, "poisson", 1)

    answered = carry(world, [replace(ask, at=1.0, output_tokens=tokens) for tokens in (50, 100)])

    assert [0.2, 0.35] == pytest.approx([answer.latency_s for answer in answered])
