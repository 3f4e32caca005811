"""What one peer expects of each agent: vectors, what was seen of it, and whether its claims are believed."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from discovery.records import Agent, PeerId
from gateway.beliefs.jobs import Outcome
from gateway.routing.query import Query
from gateway.routing.roster import EQUAL_SCORE
from gateway.routing.worth import Space
from tests.cluster import card_of, id_of
from tests.gateway.routing.ada import MATHS, NAMED, Ada, agent


# --- vectors ---
@pytest.mark.parametrize(
    ("theirs", "profiled", "score"),
    [
        (agent(capability=(255, 0)), True, 1.0),
        (agent(capability=(0, 255)), True, 0.0),
        (agent(), False, NAMED),
        (agent(space="s2", capability=(255, 0)), False, NAMED),  # of another gate
        (agent(capability=(255, 0, 0)), False, NAMED),  # of another length
    ],
    ids=["profiled", "elsewhere", "none", "another space", "another length"],
)
def test_a_vector_counts_in_our_space_and_length_only(theirs: Agent, profiled: bool, score: float) -> None:
    """Else the agent is worth what its name lets expect: `small` is of unknown size."""
    ada = Ada()
    ada.meet(1, theirs)

    candidate = ada.decide().candidates[1]

    assert (not profiled, score) == (candidate.unprofiled, pytest.approx(candidate.score, abs=0.005))


def test_without_a_gate_or_words_all_are_equal() -> None:
    ada = Ada()
    ada.meet(1, agent(capability=(255, 0)))
    assert {EQUAL_SCORE} == {c.score for c in ada.decide(Query()).candidates}

    ada.node.use_space(None)

    assert {EQUAL_SCORE} == {c.score for c in ada.decide().candidates}


def test_a_new_gate_s_space_counts_from_now_on() -> None:
    ada = Ada()
    ada.meet(1, agent(space="s2", capability=(255, 0)))

    ada.node.use_space(Space("s2", ("maths", "law")))

    assert [True, False] == [c.unprofiled for c in ada.decide().candidates]
    assert [NAMED, 1.0] == pytest.approx([c.score for c in ada.decide().candidates], abs=0.005)


def test_the_better_one_answers() -> None:
    ada = Ada()
    ada.meet(1, agent(capability=(255, 0)))
    ada.meet(2, agent(capability=(0, 255)))

    assert ("peer-1", "best") == (ada.decide().target.peer_name, ada.decide().reason)
    assert "peer-2" == ada.decide(Query(relevance=np.array([0.0, 1.0]))).target.peer_name


def test_nobody_at_all_is_an_empty_decision() -> None:
    ada = Ada()
    ada.node.serve([])

    decision = ada.decide()

    assert ((), None, "none") == (decision.order, decision.target, decision.reason)


# --- what an agent is worth ---
def graded(ada: Ada, peer: PeerId, score: float, times: int = 1, category: str = "maths") -> None:
    for _ in range(times):
        ada.node.observations.observe(peer, "small", category, score, 1.0, ada.now)


def test_a_grade_moves_its_agent_s_score_in_its_category_from_the_next_decision_on() -> None:
    ada = Ada()
    ben, _ = ada.meet(1), ada.meet(2)
    law = Query(relevance=np.array([0.0, 1.0]))
    before = [[c.score for c in ada.decide(query).candidates] for query in (MATHS, law)]

    graded(ada, ben, 1.0)

    maths, laws = ([c.score for c in ada.decide(query).candidates] for query in (MATHS, law))
    assert (before[0][1] < maths[1], before[0][0], before[0][2]) == (True, maths[0], maths[2])
    assert before[1] == laws


def test_what_was_seen_fades_while_nobody_comes_or_goes() -> None:
    ada = Ada()
    ben = ada.meet(1)
    unseen = ada.decide().candidates[1].score
    graded(ada, ben, 1.0, times=5)
    seen = ada.decide().candidates[1].score

    ada.now += 86400.0 * 3
    later = ada.node.view(MATHS, ada.now).score[1]

    assert unseen < later < seen


def test_what_was_seen_survives_a_new_card_and_a_departure() -> None:
    """Else a peer would leave and come back to be believed anew."""
    ada = Ada()
    ben = ada.meet(1)
    graded(ada, ben, 0.0, times=5)
    bad = ada.decide().candidates[1].score

    ada.hear(card_of(ben, seq=2, flag="delete"))
    ada.hear(replace(card_of(ben, name="peer-1", gen=2), slots=2, agents=(agent(),)))

    assert bad == pytest.approx(ada.decide().candidates[1].score, abs=0.001)


def test_failures_cuts_and_slowness_are_no_score() -> None:
    ada = Ada()
    ben = ada.meet(1)
    before = ada.node.view(MATHS, ada.now).score
    for status in ("failed", "refused", "cancelled", "ok"):
        reservation = ada.node.dispatch(ada.decide().candidates[1], ada.now)
        ada.node.observe(reservation, Outcome(ben, status, 900.0, 1000.0, 3), ada.now)

    assert before == ada.node.view(MATHS, ada.now).score


def strangers(count: int, **more: object) -> Ada:
    ada = Ada(strangers=True, **more)
    for number in range(1, 1 + count):
        ada.meet(number, agent(capability=(255, 255)))
    return ada


def share_of(ada: Ada, query: Query = MATHS, requests: int = 200) -> float:
    """Which share of so many requests others answer."""
    away = 0
    for _ in range(requests):
        target = ada.decide(query).target
        away += not target.local
        ada.node.observe(ada.node.dispatch(target, ada.now), Outcome(target.peer_id, "ok", 0.1, 1.0, 50), ada.now)
        ada.now += 10.0
    return away / requests


def test_strangers_get_a_tenth_of_what_anybody_may_answer_however_many_they_are() -> None:
    assert 0.05 < share_of(strangers(1)) <= 0.1
    assert 0.05 < share_of(strangers(5)) <= 0.1
    assert share_of(Ada()) == 0.0


def test_what_a_stranger_claims_of_its_model_counts_less_and_our_own_in_full() -> None:
    large = Agent("qwen3:32b", "qwen3:32b", 4096)
    scores = []
    for are_strangers in (True, False):
        ada = Ada(strangers=are_strangers)
        ada.meet(1, large)
        ada.node.serve([large])
        scores.append([c.score for c in ada.decide().candidates])

    (own, stranger), (_, vouched) = scores
    assert stranger < vouched == own


def test_a_stranger_is_no_longer_on_trial_after_twenty_graded_answers_or_an_approval() -> None:
    graded_one, approved_one = strangers(1), strangers(1)
    graded(graded_one, id_of(1), 1.0, times=20)
    approved_one.node.admission.approve(id_of(1))

    assert share_of(graded_one) > 0.9
    assert share_of(approved_one) > 0.9


def test_a_stranger_that_is_named_is_asked() -> None:
    ada = strangers(1)

    assert id_of(1) == ada.decide(structs.replace(MATHS, pin=id_of(1))).target.peer_id
    assert id_of(1) == ada.decide(structs.replace(MATHS, models=frozenset({"small"}))).target.peer_id


def test_a_stranger_is_asked_where_nobody_else_can_answer_but_the_embedded_model() -> None:
    alone, embedded = strangers(1), strangers(1)
    alone.node.serve([])
    embedded.node.serve([replace(agent("own"), is_embedded=True)])

    assert "trial" == strangers(1).excluded()["peer-1"]
    assert None is alone.excluded()["peer-1"]
    assert id_of(1) == embedded.decide().target.peer_id


def test_a_candidate_says_what_its_score_rests_on() -> None:
    ada = Ada()
    ada.meet(1, Agent("qwen3:32b", "qwen3:32b", 4096))

    own, ben = ada.decide(structs.replace(MATHS, category="maths")).candidates

    assert ("measured on 9 questions of maths", "prior from the name: 32B qwen3") == (own.basis, ben.basis)


# --- whom to believe ---
def audited(ada: Ada, peer: PeerId, *scores: float) -> None:
    for score in scores:
        ada.node.observe_audit(peer, "small", "maths", np.array([1.0, 0.0]), score, ada.now)


def test_a_claim_of_a_convicted_peer_counts_less_where_nothing_was_seen_too() -> None:
    """And its next agent's, under another name; others' claims count as before."""
    ada = Ada()
    boasting = agent(capability=(230, 230))
    ben, _ = ada.meet(1, boasting, replace(boasting, name="next", model="next")), ada.meet(2, boasting)
    law = Query(relevance=np.array([0.0, 1.0]))
    before = [c.score for c in ada.decide(law).candidates]

    audited(ada, ben, *[1.0, 1.0, 0.0] * 14)

    after = [c.score for c in ada.decide(law).candidates]
    assert "worse than it claims (28 of 42)" == ada.node.honesty.standing(ben, ada.now).words
    assert [after[0], after[3]] == [before[0], before[3]]
    assert max(after[1], after[2]) < 0.85 * before[1]


def test_a_claim_counts_again_once_its_verdict_has_faded() -> None:
    ada = Ada()
    ben = ada.meet(1, agent(capability=(230, 230)))
    law = Query(relevance=np.array([0.0, 1.0]))
    before = [c.score for c in ada.decide(law).candidates]
    audited(ada, ben, *[1.0, 1.0, 0.0] * 14)
    convicted = [c.score for c in ada.decide(law).candidates]

    ada.now = ada.node.honesty.fades_at

    assert convicted[1] < 0.85 * before[1]
    assert before[1] == pytest.approx([c.score for c in ada.decide(law).candidates][1], abs=0.02)


def test_who_claims_nine_tenths_and_is_right_in_six_is_ranked_behind_an_honest_eight_after_forty_audits() -> None:
    """In 95 of 100 runs, by the score that the decision is made from, in every category."""
    rng, behind, runs = np.random.default_rng(5), 0, 100
    for _ in range(runs):
        ada = Ada()
        ben, _ = ada.meet(1, agent(capability=(230, 230))), ada.meet(2, agent(capability=(204, 204)))
        audited(ada, ben, *(rng.random(40) < 0.6).astype(float))
        queries = (MATHS, Query(relevance=np.array([0.0, 1.0])))
        scores = [[c.score for c in ada.decide(query).candidates] for query in queries]
        behind += all(liar < honest for _, liar, honest in scores)

    assert behind >= 95


def test_who_answers_nonsense_stands_back_for_a_while_and_answers_where_nobody_else_can() -> None:
    ada = Ada()
    ben = ada.meet(1, agent(capability=(255, 255)))
    audited(ada, ben, *[0.0] * 5)

    assert "distrusted" == ada.excluded()["peer-1"]
    assert None is ada.excluded(structs.replace(MATHS, pin=ben))["peer-1"]
    assert None is ada.excluded(structs.replace(MATHS, models=frozenset({"small"})))["peer-1"]
    ada.now += 61.0
    assert None is ada.excluded()["peer-1"]


def test_a_new_name_gains_nothing_once_somebody_was_convicted() -> None:
    """Who knows the network's secret is believed; who comes after a conviction is a stranger until approved."""
    ada, large = Ada(strangers=True), Agent("qwen3:32b", "qwen3:32b", 4096)
    ada.node.admission.vouches = lambda peer: True  # type: ignore[method-assign]
    ben, _ = ada.meet(1, agent(capability=(255, 255))), ada.meet(2, large)
    audited(ada, ben, *[0.0] * 5)
    ada.meet(3, large)
    ada.meet(4, large)
    ada.node.admission.approve(id_of(4))

    _, _, before, after, approved = (c.score for c in ada.decide().candidates)
    assert after < before == approved
