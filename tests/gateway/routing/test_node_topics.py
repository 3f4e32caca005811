"""What one peer makes of agents with topics of their own."""

from dataclasses import replace

import pytest
from msgspec import structs

from discovery.records import Domain
from gateway.routing.query import Query
from gateway.trust.observed import TOPICAL
from tests.cluster import id_of
from tests.gateway.routing.ada import MATHS, Ada, agent

KEELS = ("Torque of keel bolts", "Holiday and sick notes")
MEASURED = agent("librarian", capability=(80, 80))
LIBRARIAN = replace(MEASURED, kind="agent", base="small", topics=KEELS, domain=Domain(30, 0.9, 0.2, 1.0))
DRAWN = {"certain": 0.0005, "doubtful": 0.03, "not": 0.8}


def drawn(tail: float, topics: tuple[str, ...] = KEELS) -> Query:
    return structs.replace(MATHS, drawn={topics: (tail, topics[-1])}, is_familiar=False)


def scores(ada: Ada, query: Query = MATHS) -> dict[str, float]:
    return {candidate.agent: candidate.score for candidate in ada.decide(query).candidates}


def beside_a_librarian(**how: object) -> Ada:
    ada = Ada(**how)  # type: ignore[arg-type]
    ada.meet(1, agent("plain"))
    ada.meet(2, LIBRARIAN)
    ada.node.hear_details(id_of(2), [LIBRARIAN])
    return ada


def test_a_query_of_its_topics_goes_to_the_librarian_and_says_why() -> None:
    decision = beside_a_librarian().decide(drawn(DRAWN["certain"]))

    assert decision.target is not None
    assert (decision.target.agent, decision.reason) == ("librarian", "topic")
    assert decision.target.basis.startswith("topic: Holiday and sick notes, P .9")
    assert decision.target.likely > 0.9


def test_a_claim_lowers_nobody_s_score_and_is_expected_accuracy_itself() -> None:
    ada = beside_a_librarian()
    before, found = scores(ada), scores(ada, drawn(DRAWN["certain"]))

    assert {name: found[name] for name in ("own", "plain")} == {name: before[name] for name in ("own", "plain")}
    likely = ada.decide(drawn(DRAWN["certain"])).candidates[2].likely
    assert found["librarian"] == pytest.approx(likely * 0.9 + (1 - likely) * before["librarian"])


def test_by_a_guess_no_query_leaves_home() -> None:
    ada = beside_a_librarian()
    for how in ("doubtful", "not"):
        decision = ada.decide(drawn(DRAWN[how]))
        assert decision.target is not None and decision.target.agent == "own" and decision.reason != "topic"
        assert scores(ada, drawn(DRAWN[how])) == scores(ada)

    ada.node.serve([])  # whoever has nothing at home asks somebody anyway: the likelier one
    found = ada.decide(drawn(DRAWN["doubtful"])).target
    assert found is not None and found.agent == "librarian"


def test_topics_of_our_own_agents_count_as_those_of_others() -> None:
    ada = Ada()
    ada.node.serve([agent("own", capability=(128, 128)), LIBRARIAN])
    decision = ada.decide(drawn(DRAWN["certain"]))
    assert decision.target is not None and decision.target.agent == "librarian"


def test_several_with_topics_are_scored_each_by_its_own() -> None:
    ada = beside_a_librarian()
    others = ("Shelf marks of the archive",)
    archivist = replace(LIBRARIAN, name="archivist", model="archivist", topics=others)
    ada.meet(3, archivist)
    ada.node.hear_details(id_of(3), [archivist])

    both = structs.replace(drawn(0.4), drawn={KEELS: (0.4, KEELS[0]), others: (0.0005, others[0])})
    assert ada.decide(both).target is not None
    assert ada.decide(both).target.agent == "archivist"  # type: ignore[union-attr]
    assert ada.node.roster.topics == {KEELS, others}


@pytest.mark.parametrize("mode", ["tofu", "open"])
def test_topics_of_those_for_whom_nobody_vouches_are_not_read(mode: str) -> None:
    ada = beside_a_librarian(mode=mode, strangers=True)

    assert ada.node.roster.topics == frozenset()
    assert scores(ada, drawn(DRAWN["certain"])) == scores(ada)


def test_answers_that_were_not_in_its_documents_keep_such_queries_at_home() -> None:
    ada = beside_a_librarian()
    query = drawn(0.003)
    for _ in range(20):
        if (target := ada.decide(query).target) is not None and target.agent == "librarian":
            ada.node.observe_documents(target, False, ada.now)

    assert ada.decide(query).target.agent == "own"  # type: ignore[union-attr]
    ada.now += 30 * 86400.0
    assert ada.node.view(query, ada.now).likely[2].probability > 0.5


def test_without_topics_anywhere_nothing_is_compared() -> None:
    ada = Ada()
    ada.meet(1)
    assert ada.node.roster.topics == frozenset() == ada.node.roster.topics
    assert ada.node.view(MATHS, ada.now).likely == {}


def test_what_is_claimed_of_its_topics_is_held_against_the_answers_graded_here() -> None:
    """Wrong answers to such questions lower what is expected of them, and nothing else of the agent's."""
    ada = beside_a_librarian()
    query = drawn(DRAWN["certain"])
    claimed, plain = ada.node.view(query, ada.now).likely[2].right, scores(ada)
    for _ in range(16):
        ada.node.observations.observe(id_of(2), "librarian", TOPICAL, 0.0, 1.0, ada.now)

    assert claimed == 0.9 and ada.node.view(query, ada.now).likely[2].right == pytest.approx(0.9 * 8 / 24)
    assert scores(ada) == plain
    assert ada.decide(query).target.agent == "own"  # type: ignore[union-attr]
