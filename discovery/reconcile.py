"""Anti-entropy: makes the digest of what we hold, and answers a digest with what its sender lacks. Keeps no state."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from discovery import signs
from discovery.envelopes import Signed
from discovery.members import Entry
from discovery.messages import (
    ALL_BUCKETS,
    BUCKETS,
    ENVELOPES_LIMIT,
    MESSAGE_LIMIT_BYTES,
    Delta,
    Digest,
    Versions,
    bucket_of,
    buckets_in,
)
from discovery.records import version
from discovery.signs import Lives
from discovery.table import Table

_ROOM_BYTES = MESSAGE_LIMIT_BYTES - 1024  # bytes of a delta for envelopes and wanted ids
_WANT_BYTES = 10  # bytes of a wanted id in a delta
_SIGN_BYTES = 36  # at most, of a sign in a delta
_NOTHING = Versions(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of what is new a peer is told."""

    every_pulse: bool = True  # else only the first of a generation, and those that are news of a life
    least_pulses: int = 1  # a life is news that is so many pulses newer
    whole_pulses: int = 0  # told whole where a sign would do, in one message


EVERYTHING = Limits()


def digest(
    table: Table, own: Entry, left: Iterable[Entry], buckets: int, lives: Lives | None = None, *, is_last: bool = False
) -> Digest:
    """The digest over `buckets` of our own records, those of the live, and those of `left`, who said goodbye lately.

    `lives`: see signs.py. `is_last`: its answer names no further buckets that differ, since it shows no checksums.
    """
    entries = table.versions(buckets)
    entries.update((e.short, e.versions) for e in (own, *left) if buckets >> bucket_of(e.short) & 1)
    needs_sums = lives or (buckets != ALL_BUCKETS and not is_last)
    return Digest(entries, buckets, table.sums(own.card) if needs_sums else b"", lives or {})


def some_buckets(table: Table, limit: int, start: int, among: int = ALL_BUCKETS) -> int:
    """Some buckets of the mask `among`, as a mask: in turn from bucket `start`, at most `limit` live peers in all.

    At least one bucket, even where it alone holds more than `limit`.
    """
    mask = held = 0
    asked = buckets_in(among)
    first = bisect_left(asked, start)
    for bucket in (*asked[first:], *asked[:first]):
        held += table.count_in(bucket)
        if mask and held > limit:
            break
        mask |= 1 << bucket
    return mask


def answer(table: Table, own: Entry, theirs: Digest, start: float, limits: Limits = EVERYTHING) -> Delta:
    """The answer to a digest: the records that its sender lacks, and the ids of the records that we lack.

    `limits`: how much of what is new its sender is to hear. `start` in [0, 1): where among the differences to begin;
    it is random, so that where one message cannot hold all, the next ones bring the rest.
    """
    seen = theirs.entries
    is_own_unseen = theirs.buckets >> bucket_of(own.short) & 1 and own.short not in seen
    unequal = [*([own.short] if is_own_unseen else ()), *table.unequal(seen, theirs.buckets)]
    cut = int(start * len(unequal))
    records, want_cards, want_pulses = [], [], []
    for short in (*unequal[cut:], *unequal[:cut]):
        mine, versions = own if short == own.short else table.by_short(short), seen.get(short, _NOTHING)
        if mine is not None and mine.state != "dead" and mine.relayed:
            records += _newer(mine, versions, limits)
        card, pulse = _wanted(mine, versions, limits)
        want_cards += [short] * card
        want_pulses += [short] * pulse
    differing = _differing(table.sums(own.card), theirs.sums) & ~theirs.buckets if theirs.sums else 0
    news = signs.compare(table, own, theirs, limits.least_pulses, limits.whole_pulses)
    want_pulses += news.want_pulses
    wants = len(want_cards) + len(want_pulses) + len(news.want_signs)
    room_bytes = _ROOM_BYTES - _WANT_BYTES * wants - _SIGN_BYTES * len(news.signs)
    fitted = fitting([*records, *news.pulses], room_bytes)
    wanted = tuple(want_cards), tuple(want_pulses)
    return Delta(fitted, *wanted, differing, news.signs, tuple(news.want_signs))


def granted(table: Table, own: Entry, delta: Delta, limits: Limits = EVERYTHING) -> Delta | None:
    """What was asked for, as far as we hold it; nothing of the dead. None when there is nothing."""
    want_cards, want_pulses = delta.want_cards, delta.want_pulses
    holders = {short: own if short == own.short else table.by_short(short) for short in (*want_cards, *want_pulses)}
    cards = [e.card for s in want_cards if (e := holders[s]) is not None and e.state != "dead" and e.relayed]
    pulses = [e.pulse for s in want_pulses if (e := holders[s]) is not None and e.is_live and e.relayed]
    news = signs.wanted(table, own, delta.want_signs, limits.whole_pulses)
    room_bytes = _ROOM_BYTES - _SIGN_BYTES * len(news.signs)
    records = fitting([*cards, *(p for p in pulses if p is not None), *news.pulses], room_bytes)
    return Delta(records, signs=news.signs) if records or news.signs else None


def fitting(records: Iterable[Signed], room_bytes: int = _ROOM_BYTES) -> tuple[Signed, ...]:
    """The first of `records`, as many as fit into `room_bytes` and one message."""
    chosen: list[Signed] = []
    for signed in records:
        room_bytes -= signed.envelope.size()
        if room_bytes < 0 or len(chosen) == ENVELOPES_LIMIT:
            break
        chosen.append(signed)
    return tuple(chosen)


def _newer(mine: Entry, theirs: Versions, limits: Limits) -> list[Signed]:
    """Our records of a subject that are newer than `theirs`."""
    card, pulse = mine.card, mine.pulse
    newer = [card] if version(card.record) > (theirs.gen, theirs.card_seq) else []
    if pulse is not None and mine.state != "left" and version(pulse.record) > (theirs.gen, theirs.pulse_seq):
        is_first = pulse.record.gen > theirs.gen or not theirs.pulse_seq
        newer += [pulse] if limits.every_pulse or is_first else []
    return newer


def _wanted(mine: Entry | None, theirs: Versions, limits: Limits) -> tuple[bool, bool]:
    """(card, pulse): whether we lack the sender's card of a subject, and its pulse."""
    if mine is None:
        return theirs.card_seq > 0, theirs.pulse_seq > 0
    held_pulse = version(mine.pulse.record) if mine.pulse else (0, 0)
    want_card = theirs.card_seq > 0 and (theirs.gen, theirs.card_seq) > version(mine.card.record)
    want_pulse = theirs.pulse_seq > 0 and (theirs.gen, theirs.pulse_seq) > held_pulse
    want_pulse = want_pulse and (limits.every_pulse or theirs.gen > held_pulse[0])
    return want_card, want_pulse and (mine.state != "left" or want_card)


def _differing(ours: bytes, theirs: bytes) -> int:
    """The mask of the buckets whose checksums differ."""
    if ours == theirs:
        return 0
    return sum(1 << b for b in range(BUCKETS) if ours[4 * b : 4 * b + 4] != theirs[4 * b : 4 * b + 4])
