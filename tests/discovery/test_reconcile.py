"""What two peers who compare notes tell each other."""

from discovery import reconcile
from discovery.members import Entry
from discovery.messages import ALL_BUCKETS, ENVELOPES_LIMIT, MESSAGE_LIMIT_BYTES, Delta, Digest, Versions, encode
from tests.cluster import NET, card_of, id_of, pulse_of, signed
from tests.discovery.tables import table_of

OWN = id_of(0)


def entry(number: int, *, state: str = "alive", card_seq: int = 1, pulse_seq: int = 1, name: str = "peer") -> Entry:
    made = Entry(signed(card_of(id_of(number), seq=card_seq, name=name)), 0.0, 0.0)
    made.state = state  # type: ignore[assignment]
    if pulse_seq:
        record = pulse_of(id_of(number), seq=pulse_seq)
        made.take_pulse(signed(record), record, 0.0)
    return made


def told(delta: Delta) -> set[tuple[str, str]]:
    return {(signed.record.id, signed.envelope.kind) for signed in delta.records}


def test_equals_have_nothing_to_tell() -> None:
    here, own = table_of(entry(1), entry(2)), entry(0)
    everything = reconcile.digest(here, own, (), ALL_BUCKETS)

    assert Delta() == reconcile.answer(here, own, everything, 0.0)


def test_the_newer_is_told_and_the_older_is_wanted() -> None:
    here = table_of(entry(1, card_seq=2), entry(2, pulse_seq=3), entry(3), entry(4))
    theirs = {
        entry(0).short: Versions(1, 1, 1),
        entry(1).short: Versions(1, 1, 1),
        entry(2).short: Versions(1, 1, 4),
        entry(3).short: Versions(2, 1, 0),
        entry(9).short: Versions(1, 1, 1),
    }

    delta = reconcile.answer(here, entry(0), Digest(theirs), 0.0)

    assert {(id_of(1), "card"), (id_of(4), "card"), (id_of(4), "pulse")} == told(delta)
    assert {entry(3).short, entry(9).short} == set(delta.want_cards)
    assert {entry(2).short, entry(9).short} == set(delta.want_pulses)


def test_nothing_is_told_of_the_dead() -> None:
    """Else two peers would keep a corpse in circulation."""
    here, own = table_of(entry(1, state="dead")), entry(0)

    assert own.short in (digest := reconcile.digest(here, own, (), ALL_BUCKETS)).entries
    assert 1 == len(digest.entries)
    assert {(OWN, "card"), (OWN, "pulse")} == told(reconcile.answer(here, own, Digest({}), 0.0))
    assert reconcile.granted(here, own, Delta((), (entry(1).short,), (entry(1).short,))) is None


def test_a_departure_is_told_to_those_who_missed_it() -> None:
    here = table_of(entry(1, state="left", card_seq=2))
    missed, knows, never_met = ({entry(1).short: Versions(1, 1, 5)}, {entry(1).short: Versions(1, 2, 0)}, {})

    answers = [reconcile.answer(here, entry(0), Digest(theirs), 0.0) for theirs in (missed, knows, never_met)]

    assert [True, False, False] == [(id_of(1), "card") in told(delta) for delta in answers]
    assert not any(delta.want_pulses for delta in answers)


def test_what_does_not_fit_comes_another_time() -> None:
    """Every answer is bounded, and begins elsewhere."""
    here = table_of(*(entry(n, name="x" * 60) for n in range(1, 1001)))

    answers = [reconcile.answer(here, entry(0), Digest({}), start / 10) for start in range(10)]

    assert MESSAGE_LIMIT_BYTES >= max(len(encode(delta, NET)) for delta in answers)
    assert ENVELOPES_LIMIT >= max(len(delta.records) for delta in answers)
    assert 1000 < 2 * len({one for delta in answers for one in told(delta)})


def test_a_partial_digest_compares_its_part_and_sums_the_rest() -> None:
    entries = [entry(n) for n in range(1, 200)]
    here, there = table_of(*entries), table_of(*(entry(n, card_seq=2 if n == 7 else 1) for n in range(1, 200)))
    own = entry(0)
    seventh = entry(7).short[0] >> 2
    elsewhere = reconcile.some_buckets(here, 50, start=seventh + 1)
    assert not elsewhere >> seventh & 1

    delta = reconcile.answer(there, own, reconcile.digest(here, own, (), elsewhere), 0.0)
    assert ((), 1 << seventh) == (delta.records, delta.differing)

    asked = reconcile.some_buckets(here, 50, 0, among=delta.differing)
    delta = reconcile.answer(there, own, reconcile.digest(here, own, (), asked), 0.0)
    assert {(id_of(7), "card")} == told(delta)


def test_some_buckets_hold_about_what_was_asked() -> None:
    here = table_of(*(entry(n) for n in range(1, 400)))

    sizes = [len(here.versions(reconcile.some_buckets(here, 100, start))) for start in range(64)]

    assert 60 < min(sizes) <= max(sizes) <= 100
    assert ALL_BUCKETS == reconcile.some_buckets(here, 1000, 5)
