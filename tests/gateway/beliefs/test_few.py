"""What is expected of a few peers is kept for as long as it stands of each."""

import pytest

from gateway.beliefs.belief import FRESH_S
from gateway.beliefs.expected import BeliefConfig
from gateway.beliefs.few import Few
from gateway.beliefs.table import Beliefs
from tests.cluster import id_of
from tests.gateway.beliefs.one_peer import PEER, reservation


def test_nothing_is_worked_out_while_nothing_is_heard() -> None:
    beliefs = Beliefs(BeliefConfig())
    few = Few([beliefs[peer] for peer in (id_of(1), id_of(2)) if beliefs.add(peer, 2) >= 0])
    others = few.expect(1.0)

    again = few.expect(1.0 + FRESH_S / 2)

    assert again is others
    assert [one.backlog for one in others.each] == others.columns.backlog


@pytest.mark.parametrize("later", [FRESH_S, -0.1])
def test_it_stands_a_moment_and_from_then_on(later: float) -> None:
    beliefs = Beliefs(BeliefConfig())
    beliefs.add(id_of(1), 2)
    few = Few([beliefs[id_of(1)]])
    others = few.expect(1.0)

    assert few.expect(1.0 + later) is not others


def test_what_is_heard_of_one_counts_at_once() -> None:
    """And the moment of each is its own: the second's is over before that of the first."""
    beliefs = Beliefs(BeliefConfig())
    for number in (1, 2):
        beliefs.add(id_of(number), 2)
    few = Few([beliefs[id_of(number)] for number in (1, 2)])
    before = few.expect(1.0)

    beliefs.observe_load(id_of(1), 7, 2, "closed", 1.0 + FRESH_S / 2)
    heard = few.expect(1.0 + FRESH_S / 2)
    later = few.expect(1.0 + FRESH_S)

    assert (2.0, before.each[1]) == (heard.columns.admission[0], heard.each[1])
    assert heard.each[0].backlog >= 7.0 > before.each[0].backlog
    assert later.each[0] is heard.each[0]
    assert later.each[1] is not heard.each[1]


def test_what_is_heard_counts_also_where_somebody_else_looks_first() -> None:
    beliefs = Beliefs(BeliefConfig())
    beliefs.add(id_of(1), 2)
    few = Few([beliefs[id_of(1)]])
    few.expect(1.0)
    beliefs.observe_closed(id_of(1), 1.0)

    alone = beliefs[id_of(1)].expected(1.0)
    others = few.expect(1.0)

    assert others.each[0] is alone
    assert others.columns.admission == [2.0]


def test_a_job_of_ours_counts_at_once() -> None:
    beliefs = Beliefs(BeliefConfig())
    beliefs.add(PEER, 4)
    few = Few([beliefs[PEER]])
    before = few.expect(1.0)

    beliefs.reserve(reservation(at=1.0))

    assert before.columns.backlog[0] + 1.0 == few.expect(1.0).columns.backlog[0]


def test_some_of_them_are_told_by_their_places() -> None:
    """And of all of them, or of some, the least of each figure, and whether a door is closed."""
    beliefs = Beliefs(BeliefConfig())
    for number, (jobs, door) in enumerate([(3, "open"), (0, "closed"), (2, "open")], 1):
        beliefs.add(id_of(number), 2, rtt_s=number / 10)
        beliefs.observe_load(id_of(number), jobs, 2, door, 1.0)  # type: ignore[arg-type]
    others = Few([beliefs[id_of(number)] for number in (1, 2, 3)]).expect(1.0)

    some = others.at([0, 2])

    assert [others.each[0], others.each[2]] == some.each
    assert (0.1, 0.0, True) == (others.least.rtt_s, others.least.backlog, others.is_any_closed)
    assert (0.1, 2.0, False) == (some.least.rtt_s, some.least.backlog, some.is_any_closed)
    assert others is others.at([0, 1, 2])
    assert some is others.at([0, 2])
