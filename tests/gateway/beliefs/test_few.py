"""What is expected of a few peers is kept for as long as it stands of each."""

import pytest

from gateway.beliefs.belief import FRESH_S
from gateway.beliefs.expected import BeliefConfig
from gateway.beliefs.few import Few
from gateway.beliefs.table import Beliefs
from tests.cluster import id_of


def test_nothing_is_worked_out_while_nothing_is_heard() -> None:
    beliefs = Beliefs(BeliefConfig())
    few = Few([beliefs[peer] for peer in (id_of(1), id_of(2)) if beliefs.add(peer, 2) >= 0])
    each, columns = few.expect(1.0)

    again = few.expect(1.0 + FRESH_S / 2)

    assert again[0] is each
    assert again[1] is columns
    assert [one.backlog for one in each] == columns.backlog


@pytest.mark.parametrize("later", [FRESH_S, -0.1])
def test_it_stands_a_moment_and_from_then_on(later: float) -> None:
    beliefs = Beliefs(BeliefConfig())
    beliefs.add(id_of(1), 2)
    few = Few([beliefs[id_of(1)]])
    each, _ = few.expect(1.0)

    assert few.expect(1.0 + later)[0] is not each


def test_what_is_heard_of_one_counts_at_once() -> None:
    """And the moment of each is its own: the second's is over before that of the first."""
    beliefs = Beliefs(BeliefConfig())
    for number in (1, 2):
        beliefs.add(id_of(number), 2)
    few = Few([beliefs[id_of(number)] for number in (1, 2)])
    before, _ = few.expect(1.0)

    beliefs.observe_load(id_of(1), 7, 2, "closed", 1.0 + FRESH_S / 2)
    heard, columns = few.expect(1.0 + FRESH_S / 2)
    later, _ = few.expect(1.0 + FRESH_S)

    assert (2.0, before[1]) == (columns.admission[0], heard[1])
    assert heard[0].backlog >= 7.0 > before[0].backlog
    assert later[0] is heard[0]
    assert later[1] is not heard[1]


def test_what_is_heard_counts_also_where_somebody_else_looks_first() -> None:
    beliefs = Beliefs(BeliefConfig())
    beliefs.add(id_of(1), 2)
    few = Few([beliefs[id_of(1)]])
    few.expect(1.0)
    beliefs.observe_closed(id_of(1), 1.0)

    alone = beliefs[id_of(1)].expected(1.0)
    each, columns = few.expect(1.0)

    assert each[0] is alone
    assert columns.admission == [2.0]
