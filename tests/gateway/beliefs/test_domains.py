"""How likely a query is an agent's: by its tail, by how many share what goes astray, by what receipts said before."""

import pytest

from discovery.records import Agent, Domain, PeerId
from gateway.beliefs.domains import (
    ALONE,
    FORGETTING_S,
    LIKELY,
    TOGETHER,
    UNMEASURED,
    FromDocuments,
    alone,
    likely,
    probability,
    shares,
    topical,
)

A, B, C = PeerId("a"), PeerId("b"), PeerId("c")


def test_the_stronger_a_text_is_drawn_the_likelier_it_is_and_half_of_it_lies_at_the_share() -> None:
    found = [probability(tail, ALONE) for tail in (0.0003, 0.002, 0.01, 0.05, 1.0)]
    assert found == sorted(found, reverse=True) and 0.96 < found[0] < 1 and found[-1] < 0.02
    assert alone(0.002) == probability(0.002, ALONE) == found[1]
    assert probability(ALONE * 0.9 / (1 - ALONE), ALONE) == pytest.approx(0.5)


def test_all_together_attract_no_more_than_their_share_however_many_agents_one_peer_names() -> None:
    assert shares([A], {A: 1}) == {A: ALONE}
    three = shares([A, B, C], {A: 1, B: 1, C: 1})
    crowd = shares([A, B, C], {A: 1, B: 50, C: 1})
    assert crowd[A] == three[A] == crowd[C] and crowd[B] == pytest.approx(three[B] / 50)
    assert sum(three.values()) == pytest.approx(TOGETHER)


def test_answers_that_were_not_in_the_documents_lower_it_and_it_comes_back_with_time() -> None:
    seen = FromDocuments()
    assert not seen and seen.factor(A, "librarian", 0.0) == 1.0
    for _ in range(10):
        seen.observe(A, "librarian", 0.8, False, 0.0)
    low = seen.factor(A, "librarian", 0.0)
    assert low == pytest.approx(0.2) and seen.factor(A, "other", 0.0) == seen.factor(B, "librarian", 0.0) == 1.0
    assert low < seen.factor(A, "librarian", FORGETTING_S) < 1.0
    assert seen.factor(A, "librarian", 30 * FORGETTING_S) == pytest.approx(1.0)
    assert probability(0.005, ALONE * low) < LIKELY < probability(0.005, ALONE)


def test_a_peer_s_word_never_raises_it() -> None:
    seen = FromDocuments()
    for _ in range(100):
        seen.observe(A, "boaster", 0.5, True, 0.0)
    assert seen.factor(A, "boaster", 0.0) == 1.0


# --- agents with topics ---


def librarian(name: str = "librarian", **more: object) -> Agent:
    return Agent(name, name, 4096, kind="agent", topics=("Keel bolts",), **more)  # type: ignore[arg-type]


def test_an_agent_of_several_engines_is_one_agent_and_one_without_topics_is_none() -> None:
    rows = [(0, A, librarian()), (1, A, librarian()), (2, B, Agent("m", "m", 1)), (3, C, librarian())]
    found = topical(rows)
    assert [(one.row, one.peer) for one in found] == [(0, A), (1, A), (3, C)]
    assert {one.share for one in found} == {shares([A, C], {A: 1, C: 1})[A]}


def test_what_the_owner_measured_counts_and_without_questions_a_guess() -> None:
    measured = librarian("measured", domain=Domain(30, right=0.8, right_without=0.1, recall=1.0))
    agents = topical([(0, A, measured), (1, B, librarian())])
    found = likely(agents, {("Keel bolts",): (0.001, "Keel bolts")}, FromDocuments(), 0.0)
    assert (found[0].right, found[1].right) == (0.8, UNMEASURED)
    assert found[0].probability > found[1].probability > LIKELY and found[0].topic == "Keel bolts"
    assert likely(agents, {}, FromDocuments(), 0.0) == {}
