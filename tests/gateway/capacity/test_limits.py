"""What the owner lets one peer have of one agent."""

import pytest

from discovery.records import PeerId
from gateway.capacity.limits import Limit, Limits, Named, Said

BEN, CLEO, MINE, STRANGER = (PeerId(letter * 52) for letter in "bcms")
NAMED = Named({BEN: "ben", CLEO: "cleo", MINE: "desk"}, {MINE})
FOR_BEN = (Limit("ben", ("coder*",), at_once=2, cold=False), Limit("mine"), Limit("anyone", ("coder*",), at_once=0))


def said(limits: Limits, peer: PeerId, agent: str, times: int = 1) -> list[Said]:
    return [limits.take(peer, agent)[0] for _ in range(times)]


def test_ben_may_use_coder_two_at_once_and_nobody_else_may() -> None:
    """But the owner's own machine; and other agents are for all."""
    limits = Limits(FOR_BEN, lambda: NAMED)

    assert ["yes", "yes", "all"] == said(limits, BEN, "coder", 3)
    assert ["all"] == said(limits, BEN, "Coder-7b"), "several agents of one limit are bounded together"
    assert ["none", "none"] == said(limits, CLEO, "coder") + said(limits, STRANGER, "coder")
    assert ["yes"] * 9 == said(limits, MINE, "coder", 9)
    assert {"yes"} == {*said(limits, BEN, "writer", 9), *said(limits, STRANGER, "writer", 9)}


def test_each_peer_has_its_own_and_what_has_gone_leaves_room() -> None:
    limits = Limits([Limit("anyone", at_once=1)], lambda: NAMED)

    first, gone = limits.take(BEN, "a")
    assert (["all"], ["yes"]) == (said(limits, BEN, "b"), said(limits, CLEO, "a"))
    gone()
    assert ("yes", ["yes", "all"]) == (first, said(limits, BEN, "b", 2))


@pytest.mark.parametrize("name", ["ben", "bbbb", BEN])
def test_a_peer_is_meant_by_its_name_the_start_of_its_id_or_its_id(name: str) -> None:
    limits = Limits([Limit(name, at_once=0)], lambda: NAMED)

    assert (["none"], ["yes"]) == (said(limits, BEN, "a"), said(limits, CLEO, "a"))


def test_of_several_peers_of_one_name_none_gets_anything_by_it_and_the_owner_is_told() -> None:
    """Whoever calls itself like another gains nothing by it. An id is one peer's alone."""
    twins = Named({BEN: "ben", CLEO: "ben"})
    by_name = Limits([Limit("ben", at_once=2), Limit("eva"), Limit("mine")], lambda: twins)
    by_id = Limits([Limit(BEN, at_once=2), Limit("anyone", at_once=0)], lambda: twins)

    assert ["none", "none"] == said(by_name, BEN, "a") + said(by_name, CLEO, "a")
    assert ["yes", "none"] == said(by_id, BEN, "a") + said(by_id, CLEO, "a")
    lines = by_name.unmeant()
    assert [True, True] == [f"write {BEN} or {CLEO}" in lines[0], "called `eva`" in lines[1]]
    assert (2, []) == (len(lines), by_id.unmeant())


def test_a_model_is_loaded_for_whom_a_limit_says_else_as_the_engine_is_set() -> None:
    limits = Limits([Limit("ben", cold=True), Limit("cleo", cold=False), Limit("anyone", at_once=1)], lambda: NAMED)

    loads = {peer: [limits.loads(peer, "a", by_engine) for by_engine in (False, True)] for peer in (BEN, CLEO, MINE)}

    assert {BEN: [True, True], CLEO: [False, False], MINE: [False, True]} == loads
    assert [False, True] == [Limits().loads(BEN, "a", by_engine) for by_engine in (False, True)]
