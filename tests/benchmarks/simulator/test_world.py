"""A whole simulated network: what goes in comes out, the same seed gives the same answers, peers come and go."""

from dataclasses import replace

import pytest

from benchmarks.simulator.asks import LOST
from benchmarks.simulator.contenders import DOOR, contender
from benchmarks.simulator.request import carry
from benchmarks.simulator.staleness import capacity, peers
from benchmarks.simulator.workload import plain_asks
from benchmarks.simulator.world import World
from tests.benchmarks.simulator.scenes import EXPONENTIAL, PREQUAL, SETTINGS, answers, fifty


@pytest.mark.parametrize("name", ["default", "paper", "random", "local", "p2c", "prequal", "oracle", "least-loaded"])
def test_every_query_is_answered_once(name: str) -> None:
    """Conservation: what went in came out, and what engines completed is what users got."""
    rate = 0.7 * capacity(peers(SETTINGS, 10), 200)
    asks = plain_asks(rate, 200, 10, EXPONENTIAL, "bursty", seed=3)
    who = contender(name, PREQUAL)
    world = World(fifty(DOOR if who.has_door else None, 10), who.policy_of, seed=3)

    answered = carry(world, asks)

    assert 200 == len(answered) == sum(serving.completions for serving in world.serving)
    assert sorted(ask.at for ask in asks) == sorted(answer.at for answer in answered)
    assert [] == [node for node in world.nodes if any(node.beliefs[peer].reservations for peer in world.ids)]
    assert 0 == sum(serving.jobs for serving in world.serving)


def test_the_same_seed_gives_the_same_answers() -> None:
    one, again, other = answers("default", 5, 200, 10), answers("default", 5, 200, 10), answers("default", 6, 200, 10)

    assert one == again
    assert one != other


def test_a_crashed_peer_loses_only_answers_that_had_begun() -> None:
    """Queries on their way, waiting or asked later find somebody else; gossip's own rules declare the dead."""
    base = fifty(None, 8)
    world = World(replace(base, ticks=True), contender("default", PREQUAL).policy_of, seed=2)
    asks = plain_asks(0.5 * capacity(base.peers, 200), 150, 4, EXPONENTIAL, "poisson", 2)
    running = []
    world.at(10.0, lambda now: running.append(world.serving[7].engine.running))
    world.at(10.0, lambda now: world.crash(7, now))

    answered = carry(world, asks)

    assert sum(answer.peer == LOST for answer in answered) <= running[0]
    member = world.nodes[0].gossip.member(world.ids[7])
    assert member is not None and member.state == "dead"
    assert all(answer.peer != 7 for answer in answered if answer.at > 10.0)


def test_who_joins_is_found_and_who_leaves_is_not_asked() -> None:
    base = fifty(DOOR, 8)
    world = World(replace(base, ticks=True, late=frozenset({7})), contender("default", PREQUAL).policy_of, seed=2)
    asks = plain_asks(0.6 * capacity(base.peers, 200), 300, 4, EXPONENTIAL, "poisson", 2)
    world.at(10.0, lambda now: world.join(7, now))
    world.at(15.0, lambda now: world.leave(6, now))

    answered = carry(world, asks)

    assert {7} <= {answer.peer for answer in answered if answer.at > 15}
    assert 7 not in {answer.peer for answer in answered if answer.at < 10}
    assert 6 not in {answer.peer for answer in answered if answer.at > 30}
    assert not any(answer.peer == LOST for answer in answered)
