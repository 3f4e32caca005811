"""One simulated request: the production objects decide, and every way takes its time."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.simulator.asks import LOST
from benchmarks.simulator.contenders import DOOR, contender
from benchmarks.simulator.engine import EngineSpeed, Job
from benchmarks.simulator.peer import PeerSpec, Turn
from benchmarks.simulator.request import carry
from benchmarks.simulator.staleness import AGENT
from benchmarks.simulator.workload import plain_asks
from benchmarks.simulator.world import Setting, World
from gateway.beliefs.jobs import Outcome
from gateway.routing.node import Node
from tests.benchmarks.simulator.scenes import EXPONENTIAL, PREQUAL, REGIONS, SPREAD, answers, fifty


def test_the_production_node_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every decision, probe and outcome of a run passes through the Node; what waits is decided again."""
    seen = {"plan": 0, "decide": 0, "dispatch": 0, "observe": 0}

    def counted(name: str) -> object:
        original = getattr(Node, name)

        def count(self: Node, *arguments: object, **named: object) -> object:
            seen[name] += 1
            return original(self, *arguments, **named)

        return count

    for name in seen:
        monkeypatch.setattr(Node, name, counted(name))

    answered = answers("default", 1, 150, 10)

    attempts = sum(answer.attempts for answer in answered)
    assert (attempts, attempts) == (seen["dispatch"], seen["observe"])
    assert 150 <= seen["decide"] <= seen["plan"] < 200


def test_probes_take_a_round_trip_and_the_way_another() -> None:
    """Two idle peers, ours without an agent worth asking: probe, hop there, answer, hop back."""
    slow, quick = EngineSpeed(1, 0.0, 1.0, 0.0), EngineSpeed(1, 0.0, 0.001, 0.0)
    world = World(
        Setting((PeerSpec(slow, AGENT), PeerSpec(quick, AGENT)), 1, REGIONS, SPREAD, DOOR),
        contender("paper", PREQUAL).policy_of,
        seed=1,
    )
    belief = world.nodes[0].beliefs
    belief[world.ids[1]].speed.observe_claim(1.0, 0, 10_000, 10.0)
    belief[world.ids[0]].speed.observe_claim(1.0, 0, 10_000, 10_000.0)
    (ask,) = plain_asks(1.0, 1, 1, EXPONENTIAL, "poisson", 1)

    (answer,) = carry(world, [replace(ask, output_tokens=100)])

    assert (1, 0.1 + 4 * 0.005) == (answer.peer, pytest.approx(answer.latency_s))


def test_a_closed_door_sends_the_query_on() -> None:
    """Three jobs per slot are enough: the fourth is refused, and waits where it came from until somebody has room."""
    world = World(fifty(DOOR, 2), contender("random", PREQUAL).policy_of, seed=1)
    asks = plain_asks(200.0, 60, 2, EXPONENTIAL, "poisson", 1)

    answered = carry(world, asks)

    assert max(answer.attempts for answer in answered) >= 2
    assert LOST not in {answer.peer for answer in answered}


def test_a_job_that_does_not_begin_where_it_was_promised_goes_elsewhere() -> None:
    """One peer is full and says that it is idle and fast: within seconds its job is at the honest one."""
    full, idle, ours = EngineSpeed(1, 0.0, 1.0, 0.0), EngineSpeed(1, 0.0, 0.02, 0.0), EngineSpeed(1, 0.0, 9.0, 0.0)
    specs = (PeerSpec(ours, AGENT), PeerSpec(full, AGENT, says_idle=True), PeerSpec(idle, AGENT))
    world = World(Setting(specs, 1, REGIONS, SPREAD, DOOR), contender("default", PREQUAL).policy_of, seed=1)
    for peer, tokens_per_s in ((0, 0.1), (1, 1000.0), (2, 50.0)):
        world.nodes[0].beliefs[world.ids[peer]].speed.observe_claim(1.0, 0, 10_000, 10_000 / tokens_per_s)
    never = Job(0, 10**6, lambda job, now: None, lambda job, now: None)
    world.serving[1].join(Turn(0.0, is_own=True, job=never), 0.0)
    (ask,) = plain_asks(1.0, 1, 1, EXPONENTIAL, "poisson", 1)

    (answer,) = carry(world, [replace(ask, output_tokens=100)])

    assert (2, 2) == (answer.peer, answer.attempts)
    assert 2.0 < answer.latency_s < 8.0
    assert 1 == world.serving[1].jobs


def test_a_burst_is_shared() -> None:
    """Sixty at once at one of three equal peers: as if all three had one queue, not as much as the doors take at first.

    A place at a full door is worth more than a place in a long line at home, so the others are kept busy to the end.
    """
    third = EngineSpeed(1, 0.0, 0.005, 0.0)
    specs = tuple(PeerSpec(third, AGENT) for _ in range(3))
    asks = [
        replace(ask, at=1.0, entry=0, output_tokens=200) for ask in plain_asks(1.0, 60, 1, EXPONENTIAL, "poisson", 1)
    ]

    runs = {
        name: carry(World(replace(fifty(DOOR, 3), peers=specs), contender(name, PREQUAL).policy_of, seed=1), asks)
        for name in ("default", "local")
    }

    mean_s = {name: np.mean([answer.latency_s for answer in answered]) for name, answered in runs.items()}
    shares = Counter(answer.peer for answer in runs["default"])
    assert all(16 <= shares[peer] <= 24 for peer in range(3)), shares
    assert mean_s["default"] < 0.4 * mean_s["local"]


def test_an_outcome_keeps_its_type() -> None:
    """What a run reports is the production's own Outcome, so a renamed field cannot go unnoticed here."""
    assert {"peer_id", "status", "ttft_s", "latency_s", "tokens", "streamed"} == set(Outcome.__struct_fields__)
