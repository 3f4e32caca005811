"""Whom the policies probe and choose. test_herding.py plays many routers at once."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from discovery.records import PeerId
from gateway.beliefs.expected import Expected, service_rate
from gateway.routing.policies import policy
from gateway.routing.policy import SchedulerConfig
from tests.gateway.routing.world import CERTAIN, QUERY, US, Peer, World, decide, names, plan, target


def test_few_remote_candidates_are_all_probed() -> None:
    world = World([Peer("us", jobs=1), *(Peer(f"p{k}") for k in range(6))])

    assert tuple(range(1, 7)) == plan(world, now=5.0).probe


def test_of_many_four_drawn_are_probed() -> None:
    """A clear expert is nearly always among them; of equals, each is as likely."""
    world = World([Peer("us", jobs=5), Peer("expert", score=0.95), *(Peer(f"p{k}") for k in range(50))])

    probes = [plan(world, seed=seed).probe for seed in range(50)]

    assert {4} == {len(set(probe)) for probe in probes}
    assert sum(1 in probe for probe in probes) > 45
    assert len({index for probe in probes for index in probe}) > 25


def test_draws_prefer_the_useful() -> None:
    """T = β·S̃: ten service times of waiting make a draw e^10 times rarer."""
    world = World([Peer("us", jobs=5), *(Peer(f"p{k}", jobs=0 if k < 10 else 10) for k in range(20))])

    drawn = [index for seed in range(100) for index in plan(world, seed=seed).probe]

    assert sum(index <= 10 for index in drawn) > 0.99 * len(drawn)


def test_the_best_by_belief_is_not_everybodys_probe() -> None:
    """All hold the same news: who is believed a little better than fifty equals must not be asked by all."""
    world = World([Peer("us", jobs=5), Peer("lucky", score=0.905), *(Peer(f"p{k}", score=0.9) for k in range(50))])

    asked = sum(1 in plan(world, seed=seed).probe for seed in range(100))

    assert asked < 30


def test_one_candidate_needs_no_probe() -> None:
    world = World([Peer("us", model="other"), Peer("b")])

    only = plan(world, structs.replace(QUERY, models=frozenset({"m"})))

    assert ((), "only_candidate") == (only.probe, only.reason)


@pytest.mark.parametrize(
    ("ours", "reason"),
    [
        (Peer("us", score=0.89), "local_idle"),
        (Peer("us", score=0.87), "best"),  # another is better by more than .02
        (Peer("us", score=0.89, jobs=1), "best"),  # not idle
        (Peer("us", score=0.89, jobs=3, slots=4), "local_idle"),  # a slot is free
        (Peer("us", score=0.89, jobs=2, slots=2), "best"),  # none is, though the wait is short
    ],
)
def test_an_idle_engine_of_our_own_answers_without_asking_around(ours: Peer, reason: str) -> None:
    decision = decide(World([ours, Peer("b", score=0.9), Peer("c", score=0.8)]))

    assert reason == decision.reason
    assert (reason == "local_idle") == (target(decision) == US)


def test_the_others_follow_an_idle_engine_of_our_own() -> None:
    """It may be broken all the same."""
    world = World([Peer("us", score=0.9), Peer("b", score=0.8), Peer("c", score=0.9), Peer("d", score=0.7)])

    decision = decide(world)

    assert ("local_idle", ["us", "c", "b", "d"]) == (decision.reason, list(names(world, decision.order)))


def test_an_idle_but_slow_engine_of_our_own_asks_around() -> None:
    """Equal scores, a laptop beside an idle GPU ten times faster: the GPU answers."""
    world = World([Peer("us"), Peer("gpu")])
    world.beliefs[PeerId("gpu")].speed.observe_claim(1.0, 0, 10_000, 20.0)
    world.beliefs.observe_rtt(PeerId("gpu"), 0.005)

    assert "gpu" == target(decide(world))


def test_two_percent_explore_and_say_so() -> None:
    world = World([Peer("us"), *(Peer(f"p{k}", score=0.3) for k in range(9))])

    decisions = [decide(world, config=SchedulerConfig(), seed=seed) for seed in range(2000)]
    explored = [decision for decision in decisions if decision.reason == "explored"]

    assert 0.01 < len(explored) / len(decisions) < 0.03
    assert all(target(decision) != US and names(world, decision.order)[-1] == US for decision in explored)
    assert 9 == len({target(decision) for decision in explored})


def test_what_waits_at_our_door_does_not_explore() -> None:
    """It is decided many times over: two in a hundred looks would be most requests."""
    world = World([Peer("us"), *(Peer(f"p{k}", score=0.3) for k in range(9))])
    always = SchedulerConfig(exploration=1.0)

    assert ("explored", "local_idle") == tuple(
        decide(world, structs.replace(QUERY, is_held=is_held), always).reason for is_held in (False, True)
    )


def test_exploration_yields_to_a_door_that_its_probe_found_closed() -> None:
    world = World([Peer("us"), Peer("b"), Peer("c")])
    always = policy(SchedulerConfig(exploration=1.0))
    rng = np.random.default_rng(0)
    planned = always.plan(QUERY, view := world.view(), 0.0, rng)
    (probed,) = planned.probe
    world.beliefs.observe_load(view.roster.peer_ids[probed], 9, 1, "closed", 1.0)

    decision = always.choose(
        QUERY, view._replace(expected=world.beliefs.expect(view.roster.rows, 1.0)), 1.0, rng, planned
    )

    assert (US, "best") == (target(decision), decision.reason)


def test_fresh_news_overrules_belief() -> None:
    """The peer believed idle turned out busy between plan and choice."""
    world = World([Peer("us", jobs=8), Peer("b"), Peer("c", jobs=2)])
    chooser, rng = policy(CERTAIN), np.random.default_rng(0)
    planned = chooser.plan(QUERY, view := world.view(), 0.0, rng)
    world.beliefs.observe_load(PeerId("b"), 16, 1, "open", 1.0)
    world.beliefs.observe_load(PeerId("c"), 1, 1, "open", 1.0)

    decision = chooser.choose(
        QUERY, view._replace(expected=world.beliefs.expect(view.roster.rows, 1.0)), 1.0, rng, planned
    )

    assert "c" == target(decision)


def test_local_mode_never_delegates() -> None:
    world = World([Peer("us", score=0.1, jobs=30), Peer("b", score=0.9)])

    decision = decide(world, config=replace(CERTAIN, mode="local"))

    assert (["us"], "mode:local") == (names(world, decision.order), decision.reason)


def test_random_mode_is_uniform_over_candidates() -> None:
    world = World([Peer("us"), Peer("b", jobs=20), Peer("c", dead=True), Peer("d", score=0.1)])

    chosen = [target(decide(world, config=replace(CERTAIN, mode="random"), seed=seed)) for seed in range(3000)]

    assert all(900 < chosen.count(name) < 1100 for name in ("us", "b", "d"))


def test_paper_mode_computes_the_printed_equations() -> None:
    """Eq. (7): the cap makes 2 waiting jobs and 200 cost the same; Eq. (10): ties go to the smallest index."""
    world = World([Peer("us", score=0.1), Peer("b", jobs=200), Peer("c", jobs=2)])
    config = replace(CERTAIN, mode="paper", paper_beta_per_s=0.01)

    decision = decide(world, config=config)
    e = Expected(*map(np.asarray, decision.view.expected))
    rho = np.minimum(1, e.arrival_rate / service_rate(e) + (e.arrival_rate - service_rate(e)))
    cost_s = rho + decision.costs.service_s + decision.costs.transit_s

    assert decision.utility == pytest.approx(np.array(decision.view.score) - 0.01 * cost_s)
    assert decision.utility[1] == decision.utility[2] and "b" == target(decision)
