"""An idle engine of ours that takes a query before anybody else is weighed: the decision is the same as among all."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from discovery.records import PeerId
from gateway.beliefs.belief import FRESH_S
from gateway.beliefs.jobs import Outcome
from gateway.routing.choice import Choice
from gateway.routing.query import Query
from tests.cluster import id_of
from tests.gateway.routing.ada import MATHS, Ada, agent, approximately

LOT = 0.5
OWN = structs.replace(MATHS, models=frozenset({"own"}), prompt_tokens=90, body_bytes=300, lot=LOT)


def among(ada: Ada, query: Query) -> tuple[str, Choice]:
    """How it was planned, and the choice, with everybody weighed."""
    plan = ada.node.plan(query, ada.now)
    return plan.reason, ada.node.decide(query, plan, ada.now).choice(11)


def same(expected: Choice, found: Choice) -> None:
    """All of it, figures to 1e-12."""
    assert (expected.reason, expected.may_go_elsewhere, expected.among) == (
        found.reason, found.may_go_elsewhere, found.among,
    )  # fmt: skip
    assert expected.beta_per_s == pytest.approx(found.beta_per_s, rel=1e-12)
    assert [approximately(one) for one in expected.order] == [approximately(one) for one in found.order]
    assert expected.explained and found.explained
    both = expected.explained(), found.explained()
    assert [(one.peer_id, one.excluded) for one in both[0].rest] == [
        (one.peer_id, one.excluded) for one in both[1].rest
    ]
    assert both[0].order[0] == both[1].order[0]


PEERS = st.tuples(
    st.sampled_from(["own", "other", "both"]),  # what it serves
    st.integers(1, 255),  # what it is worth
    st.integers(0, 6),  # jobs there
    st.sampled_from(["open", "soft", "closed"]),
    st.floats(1e-4, 0.5),  # s of a round trip
    st.floats(0.05, 60.0),  # s that its last answer took
)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(PEERS, min_size=1, max_size=4),
    st.integers(0, 3),
    st.sampled_from([0.01, 0.5]),
    st.sampled_from([None, 1, 4000]),
    st.sampled_from([OWN, structs.replace(OWN, models=None), structs.replace(OWN, beta_per_s=0.1, relevance=None)]),
    st.booleans(),
)
def test_whoever_else_there_is_the_decision_is_the_same(
    peers: Sequence[tuple[str, int, int, str, float, float]],
    jobs: int,
    lot: float,
    max_tokens: int | None,
    asked: Query,
    is_warm: bool,
) -> None:
    """Also who follows, and what an explanation says."""
    ada = Ada(alone=True, exploration=0.02)
    query = structs.replace(asked, max_tokens=max_tokens, lot=lot, session="s")
    for number, (serves, worth, waiting, door, rtt_s, took_s) in enumerate(peers, 1):
        names = ("own", "other") if serves == "both" else (serves,)
        agents = [agent(name, capability=(worth - place,) * 2) for place, name in enumerate(names)]
        peer = ada.meet(number, *agents, waiting=waiting)
        ada.node.observe_probe(peer, waiting, 2, door, rtt_s + number * 1e-3, 0.0)  # type: ignore[arg-type]  # no two alike
        for one in ada.decide(structs.replace(query, pin=peer, session=None)).choice(1).order:
            ada.node.observe(ada.node.dispatch(one, 0.0), Outcome(peer, "ok", took_s / 9, took_s, 40), 0.0)
    ada.now = 2 * FRESH_S
    ada.busy(jobs, 2)
    for one in among(ada, query)[1].order[:is_warm]:
        ada.node.observe(ada.node.dispatch(one, ada.now), Outcome(one.peer_id, "ok", 0.1, 0.5, 40), ada.now)

    found = ada.weighed_alone(query, lot=lot)

    planned, expected = among(ada, query)
    if found is None:
        assert planned != "local_idle" or "closed" in [door for *_, door, _, _ in peers]
    else:
        same(expected, found)


def test_who_follows_is_as_it_was_believed_when_it_was_decided() -> None:
    """However much later somebody looks; no lots of the peer's are drawn for it."""
    ada = Ada(alone=True)
    ada.busy(0, 2)
    for number in (1, 2):
        ada.meet(number, agent("own"))
        ada.node.observe_probe(id_of(number), 0, 2, "open", number * 1e-3, 0.0)
    at_once, later = ada.weighed_alone(OWN, 0.0), ada.weighed_alone(OWN, 0.0)
    assert at_once and later and at_once.explained and later.explained
    expected = [*at_once.order]
    lots = ada.lots.seeded.bit_generator.state

    ada.node.observe_probe(id_of(1), 9, 2, "open", 5.0, 100.0)
    ada.node.admission.revoke(id_of(2))

    assert expected == [*later.order] == [*later.explained().order] == [*at_once.explained().order]
    assert ["ada", "peer-1", "peer-2"] == [one.peer_name for one in later.order]
    assert lots == ada.lots.seeded.bit_generator.state


def test_a_query_whose_lot_says_so_tries_somebody_out() -> None:
    ada = Ada(alone=True, exploration=1.0)
    ada.busy(0, 2)
    ben = ada.meet(1, agent("own"))

    assert ada.weighed_alone(OWN, 0.0) is None
    assert [ben] == [ada.node.roster.peer_ids[row] for row in ada.node.plan(OWN, 0.0).probe]
    assert ada.weighed_alone(structs.replace(OWN, is_held=True), 0.0) is not None


@pytest.mark.parametrize(
    "special",
    [
        lambda ada, ben: ada.busy(2, 2),
        lambda ada, ben: ada.node.observe_closed(ben, 0.0),
        lambda ada, ben: ada.node.observe_cold(ada.node.me, {"own"}),
        lambda ada, ben: ada.node.refused_fields(ben, frozenset({"top_k"})),
        lambda ada, ben: ada.node.serve([agent("own"), agent("own2")]),
    ],
    ids=["busy", "closed", "cold", "refused", "two"],
)
def test_what_is_not_plain_is_weighed(special: Callable[[Ada, PeerId], None]) -> None:
    ada = Ada(alone=True)
    ada.busy(0, 2)
    ben = ada.meet(1, agent("own"))
    query = structs.replace(OWN, models=None, guarded=frozenset({"top_k"}))
    assert ada.weighed_alone(query, 0.0) is not None

    special(ada, ben)

    assert ada.weighed_alone(query, 0.0) is None


@pytest.mark.parametrize("changed", [{"prompt_tokens": 9000}, {"rule": "privacy:r"}, {"avoid": "own"}], ids=str)
def test_what_needs_to_be_weighed_is(changed: dict[str, Any]) -> None:
    ada = Ada(alone=True)
    ada.busy(0, 2)
    ada.meet(1, agent("own"))

    assert ada.weighed_alone(structs.replace(OWN, **changed), 0.0) is None
