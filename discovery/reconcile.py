"""Anti-entropy: makes the digest of what we hold, and answers a digest with what its sender lacks. Keeps no state."""

from collections.abc import Iterable, Sequence

from discovery.envelopes import Signed
from discovery.members import Entry, Table
from discovery.messages import (
    ALL_BUCKETS,
    BUCKETS,
    ENVELOPES_LIMIT,
    MESSAGE_LIMIT_BYTES,
    Delta,
    Digest,
    Versions,
    bucket_of,
)
from discovery.records import version

_ROOM_BYTES = MESSAGE_LIMIT_BYTES - 1024  # bytes of a delta for envelopes and wanted ids
_WANT_BYTES = 10  # bytes of a wanted id in a delta
_NOTHING = Versions(0, 0, 0)


def digest(table: Table, own: Entry, left: Iterable[Entry], buckets: int) -> Digest:
    """The digest over `buckets` of our own records, those of the live, and those of `left`, who said goodbye lately."""
    entries = table.versions(buckets)
    entries.update((e.short, e.versions) for e in (own, *left) if buckets >> bucket_of(e.short) & 1)
    return Digest(entries, buckets, b"" if buckets == ALL_BUCKETS else table.sums(own.card))


def some_buckets(table: Table, limit: int, start: int, among: int = ALL_BUCKETS) -> int:
    """Some buckets of the mask `among`, as a mask: in turn from bucket `start`, at most `limit` live peers in all.

    At least one bucket, even where it alone holds more than `limit`.
    """
    mask = held = 0
    for bucket in ((start + i) % BUCKETS for i in range(BUCKETS)):
        if not among >> bucket & 1:
            continue
        held += table.count_in(bucket)
        if mask and held > limit:
            break
        mask |= 1 << bucket
    return mask


def answer(table: Table, own: Entry, theirs: Digest, start: float) -> Delta:
    """The answer to a digest: the records that its sender lacks, and the ids of the records that we lack.

    `start` in [0, 1): where among the differences to begin. It is random, so that where one message cannot hold all,
    the next ones bring the rest.
    """
    ours, seen = table.versions(theirs.buckets), theirs.entries
    if theirs.buckets >> bucket_of(own.short) & 1:
        ours[own.short] = own.versions
    unequal = [short for short in ours if short not in seen]
    unequal += [short for short, versions in seen.items() if ours.get(short) != versions]
    cut = int(start * len(unequal))
    records, want_cards, want_pulses = [], [], []
    for short in (*unequal[cut:], *unequal[:cut]):
        mine, versions = own if short == own.short else table.by_short(short), seen.get(short, _NOTHING)
        if mine is not None and mine.state != "dead" and mine.relayed:
            records += _newer(mine, versions)
        card, pulse = _wanted(mine, versions)
        want_cards += [short] * card
        want_pulses += [short] * pulse
    differing = _differing(table.sums(own.card), theirs.sums) & ~theirs.buckets if theirs.sums else 0
    room_bytes = _ROOM_BYTES - _WANT_BYTES * (len(want_cards) + len(want_pulses))
    return Delta(fitting(records, room_bytes), tuple(want_cards), tuple(want_pulses), differing)


def granted(table: Table, own: Entry, want_cards: Sequence[bytes], want_pulses: Sequence[bytes]) -> Delta | None:
    """The records that were asked for, as far as we hold them; nothing of the dead. None when there are none."""
    holders = {short: own if short == own.short else table.by_short(short) for short in (*want_cards, *want_pulses)}
    cards = [e.card for s in want_cards if (e := holders[s]) is not None and e.state != "dead" and e.relayed]
    pulses = [e.pulse for s in want_pulses if (e := holders[s]) is not None and e.is_live and e.relayed]
    records = fitting([*cards, *(p for p in pulses if p is not None)])
    return Delta(records) if records else None


def fitting(records: Iterable[Signed], room_bytes: int = _ROOM_BYTES) -> tuple[Signed, ...]:
    """The first of `records`, as many as fit into `room_bytes` and one message."""
    chosen: list[Signed] = []
    for signed in records:
        room_bytes -= signed.envelope.size()
        if room_bytes < 0 or len(chosen) == ENVELOPES_LIMIT:
            break
        chosen.append(signed)
    return tuple(chosen)


def _newer(mine: Entry, theirs: Versions) -> list[Signed]:
    """Our records of a subject that are newer than `theirs`."""
    card, pulse = mine.card, mine.pulse
    newer = [card] if version(card.record) > (theirs.gen, theirs.card_seq) else []
    if pulse is not None and mine.state != "left" and version(pulse.record) > (theirs.gen, theirs.pulse_seq):
        newer.append(pulse)
    return newer


def _wanted(mine: Entry | None, theirs: Versions) -> tuple[bool, bool]:
    """(card, pulse): whether we lack the sender's card of a subject, and its pulse."""
    if mine is None:
        return theirs.card_seq > 0, theirs.pulse_seq > 0
    held_pulse = version(mine.pulse.record) if mine.pulse else (0, 0)
    want_card = theirs.card_seq > 0 and (theirs.gen, theirs.card_seq) > version(mine.card.record)
    want_pulse = theirs.pulse_seq > 0 and (theirs.gen, theirs.pulse_seq) > held_pulse
    return want_card, want_pulse and (mine.state != "left" or want_card)


def _differing(ours: bytes, theirs: bytes) -> int:
    """The mask of the buckets whose checksums differ."""
    if ours == theirs:
        return 0
    return sum(1 << b for b in range(BUCKETS) if ours[4 * b : 4 * b + 4] != theirs[4 * b : 4 * b + 4])
