"""One's own records: their versions, and what to do when somebody else seems to write them."""

import pytest

from discovery.own import JumpConfig, OwnRecords
from discovery.records import InvalidRecord, version
from tests.cluster import card_of, id_of, pulse_of, signed

ME = id_of(1)


def own(gen: int = 5) -> OwnRecords:
    records = OwnRecords(ME, gen, signed, JumpConfig())
    records.publish(card_of(ME), 0.0)
    records.publish(pulse_of(ME), 0.0)
    return records


def test_versions_and_flags_are_filled_in() -> None:
    records = OwnRecords(ME, 5, signed, JumpConfig())

    cards = [records.publish(card_of(id_of(9), gen=77, seq=77), 0.0).record for _ in range(2)]
    pulse = records.publish(pulse_of(ME), 0.0).record

    assert [(5, 1), (5, 2), (5, 1)] == [version(record) for record in (*cards, pulse)]
    assert ["join", "update"] == [card.flag for card in cards]
    assert {ME} == {record.id for record in (*cards, pulse)}


def test_a_card_that_cannot_be_published_takes_no_number() -> None:
    records = own()

    with pytest.raises(InvalidRecord):
        records.publish(card_of(ME, name="\n"), 0.0)

    assert (5, 2) == version(records.publish(card_of(ME), 0.0).record)


def test_what_we_wrote_ourselves_is_not_ahead_of_us() -> None:
    records = own()

    for mine in (records.entry.card, records.entry.pulse):
        assert not records.is_ahead(mine.record, mine.envelope.payload)
    assert not records.is_ahead(card_of(ME, gen=4, seq=9), b"an earlier life")


@pytest.mark.parametrize("gen_seq", [(6, 1), (5, 2)])
def test_a_newer_version_than_ours_is_ahead(gen_seq: tuple[int, int]) -> None:
    gen, seq = gen_seq

    assert own().is_ahead(card_of(ME, gen=gen, seq=seq), b"")
    assert own().is_ahead(pulse_of(ME, gen=gen, seq=seq), b"")


def test_our_version_with_other_words_is_ahead() -> None:
    """A clone started in the same second."""
    other = signed(card_of(ME, gen=5, seq=1, name="clone"))

    assert own().is_ahead(other.record, other.envelope.payload)


def test_a_jump_goes_beyond_what_was_seen() -> None:
    records = own()

    assert "generation" == records.meet(card_of(ME, gen=40), 0.0).kind
    assert (41, 1) == version(records.publish(records.draft, 0.0).record)


@pytest.mark.parametrize(("age_s", "jumps"), [(0.0, 1), (61.0, 4)])
def test_of_two_peers_with_one_identity_the_one_that_started_last_falls_silent(age_s: float, jumps: int) -> None:
    """One jump repairs a lost state. Whoever has just started gives way after it, whoever ran before goes on."""
    records = own()

    kinds = [records.meet(card_of(ME, gen=records.gen + 1), age_s + at).kind for at in range(jumps + 1)]

    assert [*["generation"] * jumps, "identity_in_use"] == kinds
    assert records.identity_in_use


def silent(now: float = 0.0) -> OwnRecords:
    """A young peer beside a copy of itself, whose newest generation is 91."""
    records = own()
    for gen in (90, 91):
        records.meet(card_of(ME, gen=gen), now)
    return records


def test_silence_ends_when_the_other_is_not_heard_any_more() -> None:
    records = silent()
    records.meet(pulse_of(ME, gen=91, seq=7), 30.0)

    assert records.resume(2.0, 40.0) is None
    assert "identity_free" == records.resume(2.0, 30.0 + 2.0 * 11).kind
    assert not records.identity_in_use
    assert (92, 1) == version(records.publish(records.draft, 60.0).record)


def test_silence_ends_at_once_when_the_other_says_goodbye() -> None:
    records = silent()

    records.meet(card_of(ME, gen=91, seq=2, flag="delete"), 1.0)

    assert records.resume(2.0, 1.0) is not None


def test_while_silent_what_was_heard_of_the_other_is_no_news() -> None:
    """Others send it again and again, since we show them an older version: it neither costs nor prolongs the wait."""
    records = silent()

    assert not records.is_ahead(card_of(ME, gen=91), b"")
    assert records.is_ahead(card_of(ME, gen=91, seq=2), b"")


def test_what_our_card_came_to_say_while_we_were_silent_is_published_afterwards() -> None:
    records = silent()

    records.keep(card_of(ME, name="renamed"))
    with pytest.raises(InvalidRecord):
        records.keep(card_of(ME, name="\n"))

    assert "renamed" == records.draft.name


def test_a_jump_a_day_is_no_clone() -> None:
    records = own()

    kinds = [records.meet(card_of(ME, gen=records.gen + 1), 86400.0 * day).kind for day in range(5)]

    assert ["generation"] * 5 == kinds
