"""One agent that nobody competes with: the decision is the same as among all."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from gateway.beliefs.belief import FRESH_S
from gateway.beliefs.jobs import Outcome
from gateway.routing.query import Query
from tests.cluster import card_of, id_of
from tests.gateway.routing.ada import MATHS, Ada, agent, approximately


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 20),
    st.integers(1, 4),
    st.sampled_from([None, 1, 4000]),
    st.sampled_from([MATHS, Query(), Query(pin="local"), Query(pinned_local="field:n", beta_per_s=0.1)]),
    st.integers(0, 2),
    st.floats(0.0, 100.0),
    st.booleans(),
)
def test_what_nobody_competes_with_is_chosen_as_it_would_be_among_others(
    jobs: int, slots: int, max_tokens: int | None, asked: Query, others: int, now: float, is_far: bool
) -> None:
    ada = Ada(alone=True)
    for number in range(1, others + 1):
        ada.meet(number, agent("other"))
    wanted = {"own"}
    if is_far:
        ben, asked, others, wanted = ada.meet(9, agent("far"), waiting=jobs), Query(body_bytes=900), others + 1, {"far"}
        ada.node.observe_cold(ben, {"far"} if jobs % 2 else ())
    query = structs.replace(asked, models=frozenset(wanted), prompt_tokens=90, max_tokens=max_tokens, session="s")
    ada.now = now
    ada.busy(jobs, slots, 500)
    (one,) = ada.decide(query).choice(11).order
    ada.node.observe(ada.node.dispatch(one, now), Outcome(one.peer_id, "ok", 0.1, 0.5, 40), now)

    ada.now = now = now + 2 * FRESH_S  # what was learnt a moment ago may wait where nothing is weighed
    only = ada.weighed_alone(query, now)

    among = ada.decide(query).choice(11)
    assert only is not None
    assert (among.reason, among.may_go_elsewhere, among.rest) == (only.reason, only.may_go_elsewhere, only.rest)
    assert among.among == only.among == 1 + others
    assert among.explained and only.explained
    assert [each.excluded for each in among.explained().rest] == [each.excluded for each in only.explained().rest]
    (found,), (expected,) = only.order, among.order
    assert approximately(expected) == approximately(found)
    assert among.beta_per_s == pytest.approx(only.beta_per_s, rel=1e-12)


def test_an_explanation_shows_who_was_there_when_it_was_decided() -> None:
    """However much later it is asked for: one peer has left since, another is trusted no more, a third has come."""
    ada = Ada(alone=True)
    for number in (1, 2):
        ada.meet(number, agent("other"))
    query = structs.replace(MATHS, models=frozenset({"own"}))
    only = ada.weighed_alone(query, ada.now)
    assert only is not None and only.explained is not None
    at_once = only.explained()

    ada.now = 500.0
    ada.hear(replace(card_of(id_of(1)), seq=2, flag="leave", agents=()))
    ada.node.admission.revoke(id_of(2))
    ada.meet(3, agent("own"))
    ada.node.serve([agent("new")])
    assert {"ada": None, "peer-2": "not_approved", "peer-3": None} == ada.excluded()

    assert at_once == only.explained()
    assert (only.order, only.reason, only.beta_per_s) == (at_once.order, at_once.reason, at_once.beta_per_s)
    assert [("peer-1", "model"), ("peer-2", "model")] == [(one.peer_name, one.excluded) for one in at_once.rest]


def test_an_explanation_draws_no_lots_and_looks_at_nothing_anew() -> None:
    """Seen answers fade by the time of the latest request, not by that of the one which is explained."""
    ada = Ada(alone=True, exploration=1.0)
    ben = ada.meet(1, agent("other", capability=(200, 200)))
    only = ada.weighed_alone(structs.replace(MATHS, models=frozenset({"own"})), 0.0)
    assert only is not None and only.explained is not None
    ada.node.observations.observe(ben, "other", "maths", 1.0, 1.0, 900.0)
    ada.node.view(MATHS, 900.0)
    before = (ada.lots.seeded.bit_generator.state, ada.node._refreshed_at, ada.node._scored)

    only.explained()

    assert before == (ada.lots.seeded.bit_generator.state, ada.node._refreshed_at, ada.node._scored)
    assert 900.0 == ada.node._refreshed_at
