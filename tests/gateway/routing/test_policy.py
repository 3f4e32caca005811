"""What every policy keeps to."""

from dataclasses import replace

import numpy as np
import pytest

from gateway.routing.policies import policy
from gateway.routing.policy import Mode, SchedulerConfig
from tests.gateway.routing.world import CERTAIN, QUERY, Peer, World, decide


@pytest.mark.parametrize("mode", ["default", "paper", "local", "random"])
def test_the_same_seed_decides_the_same(mode: Mode) -> None:
    world = World([Peer("us"), *(Peer(f"p{k}", score=0.5 + k / 40, jobs=k % 3) for k in range(20))])
    config = SchedulerConfig(mode=mode)

    assert decide(world, config=config, seed=7).order == decide(world, config=config, seed=7).order


@pytest.mark.parametrize("mode", ["default", "paper", "local", "random"])
def test_choosing_without_a_plan_is_choosing_on_what_is_believed(mode: Mode) -> None:
    """As if it had been planned, and the probes had brought nothing new."""
    world = World([Peer("us", jobs=2), Peer("b", jobs=1), Peer("c", score=0.7)])
    chooser, view = policy(replace(CERTAIN, mode=mode)), world.view()
    at_once, planned = np.random.default_rng(7), np.random.default_rng(7)

    alone = chooser.choose(QUERY, view, 0.0, at_once)
    after = chooser.choose(QUERY, view, 0.0, planned, chooser.plan(QUERY, view, 0.0, planned))

    assert (alone.order, alone.reason) == (after.order, after.reason)
