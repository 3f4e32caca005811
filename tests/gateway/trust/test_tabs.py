"""All tabs: what is due to be written and signed, what both sides take over, and who is forgotten."""

from itertools import pairwise
from pathlib import Path

import pytest

from discovery.identity import Identity, verify
from discovery.records import PeerId
from gateway.trust.tab import Signed, Statement, Sums, signed_bytes
from gateway.trust.tabs import ANSWERS, OPEN_S, PEERS_LIMIT, QUIET_S, NotBetweenUs, Tabs

ONE = Sums(1, 100, 50)


class Pair:
    """Ada takes, ben gives."""

    def __init__(self, home: Path) -> None:
        self.ada, self.ben = Identity.load_or_create(home / "ada"), Identity.load_or_create(home / "ben")
        self.of_ada, self.of_ben = tabs(self.ada), tabs(self.ben)

    def answer(self, count: int = 1, now: float = 0.0) -> None:
        for _ in range(count):
            self.of_ada.add(self.ben.id, "got", ONE, now)
            self.of_ben.add(self.ada.id, "given", ONE, now)

    def settle(self, now: float = 0.0) -> bool:
        stated = self.of_ada.state(self.ben.id, now)
        known = self.of_ada[self.ben.id].got.signed
        return self.of_ada.signed(self.ben.id, self.of_ben.countersign(self.ada.id, stated, known, now), now)


def tabs(who: Identity) -> Tabs:
    return Tabs(who.id, who.sign, verify)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_both_sides_end_with_one_statement_that_both_signed(pair: Pair) -> None:
    pair.answer(3)

    assert pair.settle()

    got, given = pair.of_ada[pair.ben.id].got, pair.of_ben[pair.ada.id].given
    assert got.signed == given.signed and got.signed is not None
    assert got.signed.holds(pair.ada.id, pair.ben.id, verify)
    assert Sums(3, 300, 150) == got.signed.statement.sums == got.sums == given.sums


@pytest.mark.parametrize(("answers", "now"), [(ANSWERS, 0.0), (1, QUIET_S), (5, OPEN_S)])
def test_sums_are_due_after_64_answers_after_ten_seconds_or_when_it_is_quiet(
    pair: Pair, answers: int, now: float
) -> None:
    pair.answer(answers - 1)
    assert not pair.of_ada.due(0.0)
    pair.answer(1)

    rows = pair.of_ada.due(now)

    assert [(pair.ben.id, "got", answers)] == [(row.peer, row.side, row.sums.answers) for row in rows]
    assert not pair.of_ada.due(now + 100)
    assert [pair.ben.id] == pair.of_ada.unsigned()


def test_an_endless_trickle_is_written_down_every_ten_seconds(pair: Pair) -> None:
    written = []
    for tenth in range(600):
        pair.answer(1, tenth / 10)
        if pair.of_ada.due(tenth / 10):
            written.append(tenth / 10)

    assert all(later - earlier <= OPEN_S + 0.2 for earlier, later in pairwise(written))
    assert 5 <= len(written)


def test_who_states_less_than_both_signed_is_told_what_both_signed(pair: Pair) -> None:
    """A taker that lost its ledger, or wants to owe less: its own signature says otherwise."""
    pair.answer(4)
    pair.settle()
    pair.of_ada = tabs(pair.ada)
    pair.answer(1)

    assert pair.settle()

    assert 4 == pair.of_ada[pair.ben.id].got.sums.answers
    assert 5 == pair.of_ben[pair.ada.id].given.sums.answers
    pair.answer(1)
    assert pair.settle() and 5 == pair.of_ada[pair.ben.id].got.signed.statement.sums.answers  # type: ignore[union-attr]


def test_a_giver_that_lost_its_ledger_takes_over_what_it_signed_itself(pair: Pair) -> None:
    pair.answer(4)
    pair.settle()
    pair.of_ben = tabs(pair.ben)
    pair.answer(1)

    pair.settle()

    assert 5 == pair.of_ben[pair.ada.id].given.sums.answers


def test_what_a_taker_leaves_out_still_counts_for_who_gave(pair: Pair) -> None:
    pair.answer(4)
    less = Tabs(pair.ada.id, pair.ada.sign, verify)
    less.add(pair.ben.id, "got", ONE, 0.0)

    pair.of_ben.countersign(pair.ada.id, less.state(pair.ben.id, 0.0), None, 0.0)

    assert 4 == pair.of_ben[pair.ada.id].given.sums.answers


def test_a_forged_or_foreign_statement_changes_nothing(pair: Pair, tmp_path: Path) -> None:
    third = Identity.load_or_create(tmp_path / "third")
    pair.answer(1)
    theirs = Statement(third.id, pair.ben.id, ONE, 0)
    forged = Statement(pair.ada.id, pair.ben.id, Sums(9, 9, 9), 0)

    for stated in (
        Signed(theirs, third.sign(signed_bytes(theirs)).hex()),
        Signed(forged, third.sign(signed_bytes(forged)).hex()),
    ):
        with pytest.raises(NotBetweenUs):
            pair.of_ben.countersign(pair.ada.id, stated, None, 0.0)
    assert 1 == pair.of_ben[pair.ada.id].given.sums.answers and not pair.of_ben[pair.ada.id].given.signed

    mine = Signed(forged, pair.ada.sign(signed_bytes(forged)).hex(), third.sign(signed_bytes(forged)).hex())
    assert not pair.of_ada.signed(pair.ben.id, mine, 0.0)
    assert 1 == pair.of_ada[pair.ben.id].got.sums.answers


def test_colluding_receipts_of_others_move_nothing_here(pair: Pair, tmp_path: Path) -> None:
    """Two who sign to each other that they gave a fortune are worth to us what they gave us."""
    third = Identity.load_or_create(tmp_path / "third")
    fortune = Statement(third.id, pair.ben.id, Sums(10**6, 10**9, 10**9), 0)
    said = signed_bytes(fortune)
    both = Signed(fortune, third.sign(said).hex(), pair.ben.sign(said).hex())

    his = Signed(fortune, pair.ben.sign(said).hex(), pair.ben.sign(said).hex())  # he shows it as if it were with us

    for stated in (both, his):
        with pytest.raises(NotBetweenUs):
            pair.of_ada.countersign(pair.ben.id, stated, stated, 0.0)

    assert not pair.of_ada.signed(pair.ben.id, both, 0.0)
    assert 0 == pair.of_ada[pair.ben.id].weight(0.0)


def test_made_up_names_push_out_nobody_who_gave(pair: Pair) -> None:
    pair.answer(1)
    for k in range(2 * PEERS_LIMIT):
        pair.of_ada.add(PeerId(f"sybil-{k}"), "given", ONE, 1.0 + k)

    assert PEERS_LIMIT == len(pair.of_ada.all())
    assert 1 == pair.of_ada[pair.ben.id].got.sums.answers
