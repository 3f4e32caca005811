"""What routing tells everybody else: a few rows, best first, and everybody's reason where nobody may answer."""

import pytest
from msgspec import structs

from gateway.routing.choice import Leading, figures
from gateway.routing.query import Query
from tests.gateway.routing.ada import MATHS, Ada, agent

PINNED_AWAY = Query(pin="nobody")


def test_a_choice_is_the_first_rows_of_the_order() -> None:
    ada = Ada()
    for number in range(1, 6):
        ada.meet(number)
    decision = ada.decide()

    choice = decision.choice(rows=3)

    assert [decision.candidate(index) for index in decision.order][:2] == list(choice.order[:2])
    assert (3, decision.reason, decision.beta_per_s) == (len(choice.order), choice.reason, choice.beta_per_s)
    assert decision.target == choice.target
    assert () == choice.rest


def test_the_last_row_is_our_own_agent_however_short_the_choice() -> None:
    """The order ends with our own agents: they take what nobody else does."""
    ada = Ada()
    for number in range(1, 6):
        ada.meet(number, agent("better", capability=(255, 255)))
    decision = ada.decide()
    assert not decision.candidate(decision.order[0]).local

    choice = decision.choice(rows=2)

    assert [False, True] == [candidate.local for candidate in choice.order]


def test_nobody_to_ask_is_explained_by_everybody() -> None:
    ada = Ada()
    ada.meet(1)

    choice = ada.decide(PINNED_AWAY).choice(rows=3)

    assert ((), None, "none") == (choice.order, choice.target, choice.reason)
    assert [("ada", "pinned"), ("peer-1", "pinned")] == [(c.peer_name, c.excluded) for c in choice.rest]


def test_everybody_is_there_for_who_asks_why() -> None:
    ada = Ada()
    ada.meet(1)
    decision = ada.decide()

    choice = decision.choice(rows=1, everybody=True)

    assert {"ada", "peer-1"} == {candidate.peer_name for candidate in (*choice.order, *choice.rest)}
    assert 2 == len(choice.order) + len(choice.rest)


def test_an_idle_engine_of_ours_that_is_good_enough_is_weighed_against_nobody() -> None:
    """The others are asked if it fails all the same."""
    ada = Ada()
    ben = ada.meet(1, agent("other"))
    ada.busy(0, 4)
    idle = ada.decide().choice(rows=3)
    ada.meet(2, agent("better", capability=(255, 255)))

    best = ada.decide().choice(rows=3)

    assert ("local_idle", ["ada"], [ada.node.me, ben]) == (
        idle.reason, [each.peer_name for each in figures(idle.weighed)], [each.peer_id for each in idle.order]
    )  # fmt: skip
    assert best.reason != "local_idle" and list(best.order) == list(best.weighed)


def test_a_reservation_counts_from_the_moment_of_sending() -> None:
    """A request is on its way for half a round trip, and a large one longer; two of one row are two reservations."""
    ada = Ada()
    ben = ada.meet(1, agent("other", capability=(255, 255)))
    candidate = next(c for c in ada.decide().choice(rows=3).order if not c.local)

    first, second = candidate.reservation(10.0), candidate.reservation(10.0)

    assert (ben, 10.0 + ada.node.beliefs[ben].ways.rtt_s / 2) == (first.queue, first.arrives_at)
    assert first != second
    order = ada.decide(structs.replace(MATHS, body_bytes=12_500_000)).choice(rows=3).order
    large = next(c for c in order if not c.local)
    assert pytest.approx(1.0) == large.arrives_in_s - candidate.arrives_in_s


def test_another_peer_may_answer_while_its_door_is_closed() -> None:
    """Closed is for now: a request that waits at our own door goes there as soon as it opens."""
    ada = Ada()
    assert not ada.decide().choice(rows=3).may_go_elsewhere
    ada.meet(1, admission="closed")

    assert ada.decide().choice(rows=3).may_go_elsewhere
    assert not ada.decide(Query(pinned_local="client")).choice(rows=3).may_go_elsewhere


def test_who_follows_a_leader_is_found_once_somebody_looks_past_it() -> None:
    ada, asked = Ada(), list[int]()
    ada.meet(1)
    first, second = ada.decide().choice(rows=2).order
    order = Leading(first, lambda: asked.append(1) or [second])  # type: ignore[func-returns-value]

    assert order
    assert (first, [first]) == (order[0], [*order[:1]])
    others = order[1:]
    assert [] == asked

    assert [second] == [*others] == [*order[1:]] == [order[-1]]
    assert ([first, second], 2, first) == ([*order], len(order), order[-2])
    assert [1] == asked
