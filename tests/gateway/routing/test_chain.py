"""Queries that name several models in turn."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from gateway.beliefs.columns import listed
from gateway.models.names import Chain, summed_up
from gateway.routing.policies import policy
from gateway.routing.query import Query
from tests.gateway.routing.world import CERTAIN, QUERY, Peer, World, decide, names

BIG, SMALL = frozenset({"big"}), frozenset({"small"})
BUSY = 50  # jobs at one slot: nobody begins there within a second


def wishing(*chain: frozenset[str] | None, patience_s: float = 1.0) -> Query:
    wishes: Chain = chain
    return structs.replace(QUERY, models=summed_up(wishes), chain=wishes, patience_s=patience_s)


def order(query: Query, *peers: Peer) -> list[str]:
    world = World(peers)
    return names(world, decide(world, query).order)


def test_the_first_wish_that_somebody_can_begin_in_time_is_fulfilled_and_the_others_are_its_rest() -> None:
    peers = (Peer("a", model="small", score=0.9), Peer("b", model="big", score=0.5), Peer("c", model="big", score=0.6))

    assert ["c", "b", "a"] == order(wishing(BIG, SMALL), *peers)
    assert ["a", "c", "b"] == order(wishing(SMALL, BIG), *peers)


def test_a_wish_that_nobody_can_begin_in_time_waits_behind_the_next() -> None:
    peers = (Peer("a", model="small"), Peer("b", model="big", jobs=BUSY))

    assert ["a", "b"] == order(wishing(BIG, SMALL), *peers)
    assert ["b", "a"] == order(wishing(BIG, SMALL, patience_s=1e6), *peers)


def test_where_nothing_begins_in_time_the_soonest_wish_is_fulfilled() -> None:
    peers = (Peer("a", model="small", jobs=BUSY // 2), Peer("b", model="big", jobs=BUSY))

    assert ["a", "b"] == order(wishing(BIG, SMALL, patience_s=0.0), *peers)


def test_a_wish_that_nobody_can_fulfil_is_passed_over() -> None:
    peers = (Peer("a", model="small"), Peer("b", model="big", dead=True))

    assert ["a"] == order(wishing(BIG, SMALL), *peers)
    assert [] == order(wishing(BIG), *peers)


def test_anyone_at_the_end_of_a_chain_is_everybody_else() -> None:
    peers = (Peer("a", model="other", score=0.9), Peer("b", model="big", score=0.1))

    assert ["b", "a"] == order(wishing(BIG, None), *peers)


def test_who_is_no_candidate_comes_last_whichever_wish_he_serves() -> None:
    """Our own engine, whose context seems too short, is asked after all others."""
    peers = (Peer("us", model="big", context_tokens=10), Peer("b", model="small"))

    assert ["b", "us"] == order(wishing(BIG, SMALL), *peers)


def test_the_probes_are_those_of_the_wish_and_what_they_find_may_change_it() -> None:
    world = World([Peer("us", model="other"), Peer("b", model="big"), Peer("c", model="big"), Peer("d", model="small")])
    query, chooser, rng = wishing(BIG, SMALL), policy(CERTAIN), np.random.default_rng(1)
    planned = chooser.plan(query, world.view(query), 0.0, rng)
    for busy in ("b", "c"):
        world.beliefs.observe_load(busy, BUSY, 1, "open", 0.0)  # type: ignore[arg-type]

    found = chooser.choose(query, world.view(query), 0.0, rng, planned)

    assert {1, 2} == set(planned.pool)
    assert "d" == found.view.roster.peer_ids[found.order[0]]


@pytest.mark.parametrize("mode", ["default", "paper", "local", "random"])
def test_every_mode_fulfils_wishes_in_turn(mode: str) -> None:
    world = World([Peer("us", model="small"), Peer("us2", model="big")])
    chooser, query = policy(replace(CERTAIN, mode=mode)), wishing(BIG, SMALL)  # type: ignore[arg-type]

    found = chooser.choose(query, world.view(query), 0.0, np.random.default_rng(1))

    assert found.view.roster.models[found.order[0]] == ("small" if mode == "local" else "big")


def test_a_query_with_one_wish_is_the_policy_s_alone() -> None:
    """To the last digit, and with the same draws: the figures of the simulator are the policy's."""
    world = World([Peer("us", jobs=3), *(Peer(f"p{k}", score=0.5 + k / 100) for k in range(20))])
    chained = policy(CERTAIN)

    alone, wrapped = (
        one.choose(QUERY, world.view(), 0.0, np.random.default_rng(7))
        for one in (chained.policy, chained)  # type: ignore[attr-defined]
    )

    assert (alone.order, listed(alone.utility)) == (wrapped.order, listed(wrapped.utility))
