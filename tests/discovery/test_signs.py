"""Signs of life between two tables: what is news, what is told in short and what whole, and what nobody can forge."""

from discovery import reconcile, signs
from discovery.members import Entry
from discovery.messages import ALL_BUCKETS, Delta, Digest, Sign, bucket_of
from discovery.table import Table
from discovery.words import SEGMENT, Words
from tests.cluster import card_of, id_of, pulse_of, signed
from tests.discovery.tables import table_of

WORDS = Words(bytes(32))
FAR = reconcile.Limits(every_pulse=False, least_pulses=3)


def entry(number: int, seq: int, whole: int | None = None) -> Entry:
    """A peer of whose pulses `seq` is the newest known, and `whole` the newest that is held whole."""
    made = Entry(signed(card_of(id_of(number))), 0.0, 0.0)
    made.state = "alive"
    record = pulse_of(id_of(number), seq=whole or seq, word=WORDS.word(1, whole or seq))
    made.take_pulse(signed(record), record, 0.0)
    if made.life != seq:
        assert made.take_sign(Sign(seq, WORDS.word(1, seq)))
    return made


def summary(there: Table, own: Entry) -> Digest:
    return reconcile.digest(there, own, (), 0, signs.lives(there, own, ALL_BUCKETS))


def test_equals_have_no_news() -> None:
    here, there = table_of(entry(1, 5), entry(2, 7)), table_of(entry(0, 1), entry(2, 7))

    assert Delta() == reconcile.answer(here, entry(0, 1), summary(there, entry(1, 5)), 0.0, FAR)


def test_who_is_ahead_tells_and_who_is_behind_asks() -> None:
    here, there = table_of(entry(1, 1), entry(2, 50), entry(3, 5)), table_of(entry(0, 1), entry(2, 20), entry(3, 9))

    delta = reconcile.answer(here, entry(0, 1), summary(there, entry(1, 1)), 0.0, FAR)

    assert {entry(2, 50).short: Sign(50, WORDS.word(1, 50))} == delta.signs
    assert (entry(3, 5).short,) == delta.want_signs
    granted = reconcile.granted(there, entry(1, 1), delta, FAR)
    assert granted is not None and {entry(3, 9).short: Sign(9, WORDS.word(1, 9))} == granted.signs


def test_what_is_hardly_newer_is_no_news_and_the_first_sign_is() -> None:
    unheard = Entry(signed(card_of(id_of(2))), 0.0, 0.0)
    unheard.state = "alive"
    here, there = table_of(entry(1, 12), entry(2, 1)), table_of(entry(0, 10), unheard)

    delta = reconcile.answer(here, entry(0, 12), summary(there, entry(1, 10)), 0.0, FAR)

    assert {} == delta.signs
    assert [id_of(2)] == [one.record.id for one in delta.records], "without a whole pulse no sign can be checked"


def test_a_pulse_of_another_segment_is_told_whole() -> None:
    here, there = table_of(entry(1, 1), entry(2, SEGMENT + 3)), table_of(entry(0, 1), entry(2, SEGMENT - 3))

    delta = reconcile.answer(here, entry(0, 1), summary(there, entry(1, 1)), 0.0, FAR)
    back = reconcile.answer(there, entry(1, 1), summary(here, entry(0, 1)), 0.0, FAR)

    assert ({}, [id_of(2)]) == (delta.signs, [one.record.id for one in delta.records])
    assert ((), (entry(2, 1).short,)) == (back.want_signs, back.want_pulses)


def test_some_pulses_are_told_whole_so_that_loads_cross_as_well() -> None:
    here = table_of(entry(1, 1), *(entry(n, 50) for n in range(2, 30)))
    there = table_of(entry(0, 1), *(entry(n, 20) for n in range(2, 30)))

    delta = reconcile.answer(here, entry(0, 1), summary(there, entry(1, 1)), 0.0, reconcile.Limits(False, 3, 4))

    assert (4, 24) == (len(delta.records), len(delta.signs))


def test_where_cards_differ_the_bucket_is_compared_by_its_versions() -> None:
    here, there = table_of(entry(1, 1), entry(2, 50)), table_of(entry(0, 1))

    delta = reconcile.answer(here, entry(0, 1), summary(there, entry(1, 1)), 0.0, FAR)

    assert ({}, 1 << (bucket_of(entry(2, 1).short))) == (delta.signs, delta.differing)


def test_a_number_wraps_around() -> None:
    here, there = table_of(entry(1, 1), entry(2, (1 << 16) + 8)), table_of(entry(0, 1), entry(2, (1 << 16) - 8))

    delta = reconcile.answer(here, entry(0, 1), summary(there, entry(1, 1)), 0.0, FAR)

    assert [id_of(2)] == [one.record.id for one in delta.records]


def test_lives_that_are_made_up_are_passed_over() -> None:
    here, own = table_of(entry(1, 1), entry(2, 50)), entry(0, 1)
    sums, at = here.sums(own.card), bucket_of(entry(2, 50).short)

    for lives in ({63: b"\xff" * 999}, dict.fromkeys(range(64), b""), {at: b"\x00"}):
        assert Delta() == reconcile.answer(here, own, Digest({}, 0, sums, lives), 0.0, FAR)
