"""The baselines, each on the same network and the same requests: what it knows is what it is good for."""

from collections.abc import Callable

import numpy as np

from benchmarks.simulator.asks import Answered
from benchmarks.simulator.policies import P2C, Argmin, Believer, LeastLoaded, Oracle, Prequal
from benchmarks.simulator.request import carry
from benchmarks.simulator.staleness import capacity, peers, setting
from benchmarks.simulator.workload import plain_asks
from benchmarks.simulator.world import World
from tests.benchmarks.simulator.scenes import EXPONENTIAL, SETTINGS, answers


def run(
    policy: Callable[[World], Believer], age_s: float = 2.0, count: int = 10, requests: int = 300
) -> tuple[list[Believer], list[Answered]]:
    """Every entry's policy, and what the users of `count` peers saw at ρ = .8."""
    made: list[Believer] = []

    def policy_of(entry: int, world: World) -> Believer:
        made.append(policy(world))
        return made[-1]

    specs = peers(SETTINGS, count)
    asks = plain_asks(0.8 * capacity(specs, 200), requests, count, EXPONENTIAL, "poisson", 1)
    return made, carry(World(setting(SETTINGS, specs, age_s, None), policy_of, 1), asks)


def mean_s(answered: list[Answered]) -> float:
    return float(np.mean([answer.latency_s for answer in answered]))


def test_who_knows_more_is_quicker() -> None:
    """Everything, two loads of some seconds ago, nothing."""
    oracle, two, nothing = (mean_s(answers(name, 1, 400, 10)) for name in ("oracle", "p2c", "random"))

    assert oracle < two < nothing


def test_the_best_of_old_news_herds_and_two_drawn_by_lot_do_not() -> None:
    """Of many: each of fifty routers sees little of what the others do."""
    _, best = run(lambda world: Argmin(), age_s=20.0, count=50, requests=1000)
    _, drawn = run(lambda world: P2C(), age_s=20.0, count=50, requests=1000)

    assert mean_s(drawn) < 0.8 * mean_s(best)


def test_the_oracle_is_beaten_by_nobody() -> None:
    _, oracle = run(Oracle)

    for policy in (Argmin, P2C, LeastLoaded):
        assert mean_s(oracle) < mean_s(run(lambda world, policy=policy: policy())[1])


def test_prequal_keeps_few_fresh_probes_and_uses_each_twice_at_most() -> None:
    made, answered = run(lambda world: Prequal(world, SETTINGS.prequal.age_s, SETTINGS.prequal.margin))

    pools = [policy._pool for policy in made if isinstance(policy, Prequal)]
    assert 300 == len(answered)
    assert len(made) == len(pools)
    assert 0 < max(map(len, pools)) <= Prequal.POOL
    assert {0, 1} >= {probed.uses for pool in pools for probed in pool}
