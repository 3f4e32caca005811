"""What two peers gave each other: weights, forgetting, and statements that both sign."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.identity import Identity, verify
from discovery.records import COUNT_LIMIT
from gateway.trust.tab import (
    FLOOR,
    HALF_LIFE_S,
    SMALL_GIFT,
    TOKENS_A_SECOND,
    Account,
    Signed,
    Statement,
    Sums,
    Tab,
    signed_bytes,
    timed,
)

WORK = st.floats(0, 1e12)


def tab(got: float, given: float, now: float = 0.0) -> Tab:
    return Tab(Account(recent=got, as_of=now), Account(recent=given, as_of=now))


@given(WORK, WORK, WORK)
def test_who_gives_more_weighs_more_and_who_takes_more_less(got: float, given_: float, more: float) -> None:
    assert tab(got + more, given_).weight(0) >= tab(got, given_).weight(0) - 1e-9
    if tab(got, given_).weight(0):
        assert tab(got, given_).weight(0) >= tab(got, given_ + more).weight(0) - 1e-9 >= FLOOR - 2e-9


@pytest.mark.parametrize(
    ("got", "given_", "weight"),
    [(0, 0, 0), (SMALL_GIFT - 1, 0, 0), (0, 1e9, 0), (1e7, 1e7, 0.55), (1e8, 0, 1.0), (1e4, 1e9, FLOOR)],
)
def test_a_new_name_gains_nothing_and_half_the_weight_is_for_who_gives_as_he_takes(
    got: float, given_: float, weight: float
) -> None:
    assert pytest.approx(weight, rel=0.01) == tab(got, given_).weight(0)


def test_what_was_long_ago_counts_half() -> None:
    account = Account()
    account.add(Sums(1, 0, 1000), 0.0)

    assert pytest.approx(500) == account.faded(HALF_LIFE_S)
    assert 1000 == account.sums.tokens
    account.add(Sums(1, 400, 0), HALF_LIFE_S)
    assert pytest.approx(600) == account.faded(HALF_LIFE_S)


def test_a_clock_that_was_set_back_fades_nothing_and_adds_nothing() -> None:
    account = Account()
    account.add(Sums(1, 0, 1000), 1e9)

    assert 1000 == account.faded(1e9 - HALF_LIFE_S)


def test_sums_stay_what_every_reader_of_json_can_read() -> None:
    most = Sums(COUNT_LIMIT - 1, COUNT_LIMIT - 1, COUNT_LIMIT - 1)

    assert most == most.plus(Sums(1, 1, 1))


def test_what_both_signed_is_taken_over_where_we_know_of_less() -> None:
    account = Account()
    account.add(Sums(2, 0, 100), 0.0)

    account.raise_to(Sums(1, 40, 300), 0.0)

    assert Sums(2, 40, 300) == account.sums
    assert pytest.approx(Sums(0, 40, 300).work) == account.faded(0.0)


def test_an_answer_without_tokens_counts_by_its_time() -> None:
    assert Sums(1, 0, 2 * TOKENS_A_SECOND) == timed(2000)


def test_a_statement_holds_between_these_two_and_with_both_signatures_only(tmp_path: Path) -> None:
    taker, giver, third = (Identity.load_or_create(tmp_path / name) for name in ("taker", "giver", "third"))
    statement = Statement(taker.id, giver.id, Sums(1, 2, 3), 7)
    said = signed_bytes(statement)
    good = Signed(statement, taker.sign(said).hex(), giver.sign(said).hex())

    assert good.holds(taker.id, giver.id, verify)
    assert not good.holds(giver.id, taker.id, verify)
    assert not good.holds(taker.id, third.id, verify)
    forged = Signed(statement, good.by_taker, third.sign(said).hex())
    raised = Signed(Statement(taker.id, giver.id, Sums(1, 2, 4), 7), good.by_taker, good.by_giver)
    half = Signed(statement, good.by_taker)
    for bad in (forged, raised, half, Signed(statement, "no hex", good.by_giver)):
        assert not bad.holds(taker.id, giver.id, verify)
    assert half.holds(taker.id, giver.id, verify, both=False)
