"""What every policy keeps to, and the order in which candidates are tried."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from gateway.routing.policies import policy
from gateway.routing.policy import Mode, SchedulerConfig
from tests.gateway.routing.world import CERTAIN, QUERY, Peer, World, decide, names, target


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


def test_a_query_unlike_all_that_is_known_says_so() -> None:
    """Where a topic would have been the reason; a pin, or an idle engine of our own, is one without it."""
    world = World([Peer("us", score=0.2, jobs=1), Peer("expert", score=0.9)])
    strange = structs.replace(QUERY, is_familiar=False)

    assert ("expert", "unfamiliar") == (target(found := decide(world, strange)), found.reason)
    assert "best" == decide(world).reason
    assert "pinned" == decide(world, structs.replace(strange, pin="local")).reason


def test_ties_are_broken_by_lot() -> None:
    world = World([Peer("us", jobs=9), Peer("b"), Peer("c"), Peer("d")])

    assert {"b", "c", "d"} == {target(decide(world, seed=seed)) for seed in range(40)}


def test_our_own_comes_last_after_the_first() -> None:
    world = World([Peer("us", score=0.85, jobs=1), Peer("b", score=0.99), Peer("c", score=0.8)])

    assert ["b", "c", "us"] == names(world, decide(world).order)


def test_our_own_comes_first_when_it_is_the_best() -> None:
    world = World([Peer("us", score=0.99, jobs=1), Peer("b", score=0.8, jobs=3), Peer("c", score=0.9, jobs=3)])

    assert ["us", "c", "b"] == names(world, decide(world).order)


def test_our_own_takes_what_nobody_else_may() -> None:
    """Too long for the estimate, or below θ_s: our own engine answers, or says itself why it cannot."""
    world = World([Peer("us", context_tokens=40), Peer("b", context_tokens=40)])

    decision = decide(world)

    assert (["us"], "fallback") == (names(world, decision.order), decision.reason)


def test_nobody_is_left() -> None:
    world = World([Peer("us", model="a"), Peer("b", model="b", dead=True)])

    decision = decide(world, structs.replace(QUERY, models=frozenset({"b"})))

    assert (None, (), "none") == (decision.target, decision.order, decision.reason)
    assert ["model", "dead"] == [candidate.excluded for candidate in decision.candidates]


def test_a_peer_without_an_engine_tries_all_others() -> None:
    world = World([Peer(f"p{k}", jobs=k) for k in range(12)])

    assert set(range(12)) == set(decide(world).order)


def test_a_pin_is_kept_or_fails() -> None:
    world = World([Peer("us"), Peer("b", score=0.1, jobs=30), Peer("c", dead=True)])

    pinned = decide(world, structs.replace(QUERY, pin="b"))

    assert (["b"], "pinned") == (names(world, pinned.order), pinned.reason)
    assert ["us"] == names(world, decide(world, structs.replace(QUERY, pin="local")).order)
    assert () == decide(world, structs.replace(QUERY, pin="c")).order


def test_a_body_that_may_not_travel_stays_and_says_why() -> None:
    world = World([Peer("us", score=0.1, jobs=30), Peer("b", score=0.9)])

    decision = decide(world, structs.replace(QUERY, pinned_local="field:n"))

    assert (["us"], "field:n") == (names(world, decision.order), decision.reason)


@pytest.mark.parametrize(
    ("ours", "order"),
    [
        (Peer("us", jobs=8), ["c", "us"]),
        (Peer("us", jobs=8, context_tokens=10), ["c", "us"]),
        (Peer("us", model="other"), ["c", "b"]),
    ],
)
def test_a_peer_that_kept_silent_is_not_chosen(ours: Peer, order: list[str]) -> None:
    """It may be stopped, and waiting for it costs seconds: only without an engine of our own is it tried, last."""
    query, world = structs.replace(QUERY, models=frozenset({"m"})), World([ours, Peer("b"), Peer("c", jobs=5)])
    chooser, rng = policy(CERTAIN), np.random.default_rng(0)
    planned = chooser.plan(query, view := world.view(query), 0.0, rng)

    decision = chooser.choose(query, view._replace(silent=np.array([False, True, False])), 0.0, rng, planned)

    assert (order, "silent") == (names(world, decision.order), decision.excluded_because(1))


def test_when_all_keep_silent_and_we_have_no_engine_they_are_tried() -> None:
    world = World([Peer("b"), Peer("c")])
    chooser, rng = policy(CERTAIN), np.random.default_rng(0)
    planned = chooser.plan(QUERY, view := world.view(), 0.0, rng)

    decision = chooser.choose(QUERY, view._replace(silent=np.ones(2, dtype=bool)), 0.0, rng, planned)

    assert ({0, 1}, "fallback") == (set(decision.order), decision.reason)


def test_an_empty_network_decides_nothing() -> None:
    decision = decide(World([]))

    assert ((), "none") == (decision.order, decision.reason)
