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

    assert "generation" == records.jump(card_of(ME, gen=40), 0.0)
    assert (41, 1) == version(records.publish(card_of(ME), 0.0).record)


def test_two_clones_do_not_race() -> None:
    """At most one jump in 30 s; at the third in ten minutes it is no lost state any more."""
    records = own()
    seen = [
        (at, records.jump(card_of(ME, gen=records.gen + 1), at)) for at in (0.0, 1.0, 29.0, 30.0, 31.0, 61.0, 100.0)
    ]

    expected = ["generation", None, None, "generation", None, "identity_in_use", None]
    assert expected == [verdict for _, verdict in seen]
    assert records.identity_in_use


def test_a_jump_a_day_is_no_clone() -> None:
    records = own()

    verdicts = [records.jump(card_of(ME, gen=records.gen + 1), 86400.0 * day) for day in range(5)]

    assert ["generation"] * 5 == verdicts
