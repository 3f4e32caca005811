"""The bounded table of peers: whom it takes in, whom it forgets for whom, and what its sums say."""

import random
from dataclasses import replace

from discovery.members import Entry
from discovery.messages import ALL_BUCKETS, BUCKETS, Sign, Versions, bucket_of
from discovery.table import Table, packed_lives
from discovery.words import Words
from tests.cluster import card_of, id_of, pulse_of, signed
from tests.discovery.tables import table_of

OWN = signed(card_of(id_of(0)))


def entry_of(number: int, now: float = 0.0, *, kept: bool = False, state: str = "alive") -> Entry:
    entry = Entry(signed(card_of(id_of(number))), now, now)
    entry.kept, entry.state = kept, state  # type: ignore[assignment]
    return entry


def small(*entries: Entry, live: int = 3) -> Table:
    return table_of(*entries, live=live, departed=2, withheld=4)


def test_a_full_table_takes_a_kept_peer_for_the_newest_stranger() -> None:
    table = small(entry_of(1, 1.0), entry_of(2, 2.0), entry_of(3, 0.0, kept=True))

    assert table.add(entry_of(4, 9.0, kept=True))
    assert {id_of(1), id_of(3), id_of(4)} == {entry.id for entry in table}


def test_a_full_table_takes_no_stranger_and_no_fourth_kept_peer() -> None:
    strangers = small(entry_of(1), entry_of(2), entry_of(3))
    kept = small(*(entry_of(n, kept=True) for n in (1, 2, 3)))

    assert not strangers.add(entry_of(4))
    assert not kept.add(entry_of(4, kept=True))
    assert (3, 3) == (len(strangers), len(kept))


def test_of_the_withheld_the_oldest_makes_room() -> None:
    table = small(live=100)
    for number in range(1, 10):
        entry = entry_of(number, float(number))
        entry.relayed = False
        assert table.add(entry)

    assert [id_of(n) for n in (6, 7, 8, 9)] == [entry.id for entry in table]
    assert [] == table.live()
    assert {} == table.versions(ALL_BUCKETS)


def test_who_is_withheld_makes_room_for_a_kept_peer_first() -> None:
    table = small(entry_of(1, 1.0), entry_of(2, 2.0))
    withheld = entry_of(3, 0.0)
    withheld.relayed = False
    table.add(withheld)

    assert table.add(entry_of(4, 9.0, kept=True))
    assert {id_of(1), id_of(2), id_of(4)} == {entry.id for entry in table}


def test_an_id_whose_short_form_is_taken_is_not_taken_in() -> None:
    """Digests know peers by 8 bytes: two of one short id would be told apart by nobody."""
    table, twin = small(entry_of(1)), entry_of(2)
    twin.short = entry_of(1).short

    assert not table.add(twin)
    assert id_of(1) == table.by_short(twin.short).id


def test_of_the_departed_strangers_gone_longest_are_forgotten_first() -> None:
    table = small(*(entry_of(n, float(n), kept=n == 1) for n in range(1, 5)), live=9)
    for entry in list(table):
        table.change(entry, lambda entry: setattr(entry, "state", "dead"))

    table.trim()

    assert {id_of(1), id_of(4)} == {entry.id for entry in table.dead()}
    assert 2 == len(table)


def test_lists_follow_what_changes() -> None:
    table = small(entry_of(1), entry_of(2))
    assert [] == table.near().kept + table.suspects()

    table.change(table.get(id_of(1)), lambda entry: setattr(entry, "kept", True))
    table.change(table.get(id_of(2)), lambda entry: setattr(entry, "state", "suspect"))
    table.change(table.get(id_of(1)), lambda entry: setattr(entry, "state", "left"))

    assert [id_of(2)] == [entry.id for entry in table.live()] == [entry.id for entry in table.suspects()]
    assert [] == table.near().kept
    assert [id_of(1)] == [entry.id for entry in table.left()]


def test_versions_are_those_of_the_live_in_the_buckets_asked_for() -> None:
    table = small(*(entry_of(n) for n in range(1, 41)), entry_of(99, state="left"), live=100)
    asked = 1 << bucket_of(entry_of(1).short)

    some, every = table.versions(asked), table.versions(ALL_BUCKETS)

    assert {entry_of(n).short for n in range(1, 41)} == every.keys()
    assert {short for short in every if asked >> bucket_of(short) & 1} == some.keys()
    assert 40 == sum(table.count_in(bucket) for bucket in range(BUCKETS))


def test_sums_tell_cards_apart_and_not_in_which_order_they_came() -> None:
    one, other = small(entry_of(1), entry_of(2)), small(entry_of(2), entry_of(1))
    before = one.sums(OWN)
    newer = signed(replace(card_of(id_of(2)), seq=2))

    assert 4 * BUCKETS == len(before)
    assert before == other.sums(OWN)

    one.change(one.get(id_of(2)), lambda entry: setattr(entry, "card", newer))
    changed = [n for n in range(BUCKETS) if before[4 * n : 4 * n + 4] != one.sums(OWN)[4 * n : 4 * n + 4]]
    assert [bucket_of(entry_of(2).short)] == changed


def test_what_is_remembered_of_a_table_is_what_its_entries_say() -> None:
    """Counts, lives and differences, after every kind of change."""
    rng, words, table = random.Random(0), Words(bytes(32)), small(live=1000)
    for step in range(400):
        number = rng.randrange(1, 30)
        entry = table.get(id_of(number))
        if entry is None:
            table.add(entry_of(number))
        elif step % 8 == 0:
            table.remove(entry)
        elif step % 3 == 0:
            table.change(entry, lambda e: setattr(e, "state", rng.choice(["alive", "suspect", "dead"])))
        elif step % 3 == 1:
            pulse = pulse_of(entry.id, seq=entry.life + 1, word=words.word(1, entry.life + 1))
            table.take_pulse(entry, signed(pulse), pulse, 0.0)
        elif entry.word:
            assert table.take_sign(entry, Sign(entry.life + 2, words.word(1, entry.life + 2)))

        held = [(bucket, table.in_bucket(bucket)) for bucket in range(BUCKETS)]
        assert len(table.live()) == table.living == sum(len(there) for _, there in held)
        assert {bucket: packed_lives(there) for bucket, there in held if there} == table.lives()


def test_who_is_held_otherwise_is_found_in_the_buckets_asked_for() -> None:
    table, stranger = small(*(entry_of(n) for n in range(1, 9)), live=100), entry_of(10)
    unseen, newer, *same = [entry_of(n) for n in range(1, 9)]
    seen = {one.short: one.versions for one in same} | {
        newer.short: Versions(1, 7, 0),
        stranger.short: stranger.versions,
    }

    assert [unseen.short, newer.short, stranger.short] == table.unequal(seen, ALL_BUCKETS)
    assert [newer.short, stranger.short] == table.unequal(seen, ALL_BUCKETS & ~(1 << bucket_of(unseen.short)))
