"""How signs of life cross from site to site: two bytes a peer tell who holds the newer one. Keeps no state.

Where both sides hold the same cards in a bucket of the id space, which their checksums tell, they have its peers in
the same order: the *lives* of a bucket are the numbers of the newest pulses known of them, modulo 2^16, without ids.
"""

import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from discovery.envelopes import Signed
from discovery.members import Entry
from discovery.messages import Digest, Sign, bucket_of, buckets_in
from discovery.table import LIFE_MODULO, Table, packed_lives
from discovery.words import segment_of

Lives = Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class News:
    """What one side is told about lives: signs, whole pulses, and whose signs and whole pulses are wanted in return."""

    signs: dict[bytes, Sign] = field(default_factory=dict)
    pulses: list[Signed] = field(default_factory=list)
    want_signs: list[bytes] = field(default_factory=list)
    want_pulses: list[bytes] = field(default_factory=list)


def lives(table: Table, own: Entry, buckets: int) -> Lives:
    """The lives of each of these buckets in which there is somebody: bucket -> (peers in it,) big-endian uint16."""
    held = table.lives()
    made = {bucket: held[bucket] for bucket in buckets_in(buckets) if bucket in held}
    if buckets >> (bucket := bucket_of(own.short)) & 1:
        made[bucket] = packed_lives(_in_order(table, own, bucket))
    return made


def compare(table: Table, own: Entry, theirs: Digest, least: int, whole: int) -> News:
    """What to tell whom this digest is of. Numbers that differ by less than `least` are no news.

    At most `whole` pulses are told whole where their signs would do: who has their load can tell others.
    """
    news = News()
    for entry, ahead in _differences(table, own, theirs):
        enough = least if entry.life and entry.life != ahead else 1  # where one side knows of none, each is news
        if ahead >= enough:
            _tell(news, entry, entry.life - ahead, whole)
        elif ahead <= -enough:
            is_within = entry.word and segment_of(entry.life) == segment_of(entry.life - ahead)
            (news.want_signs if is_within else news.want_pulses).append(entry.short)
    return news


def wanted(table: Table, own: Entry, wanted: Collection[bytes], whole: int) -> News:
    """What to tell whom who wants these signs."""
    news = News()
    for short in wanted:
        entry = own if short == own.short else table.by_short(short)
        if entry is not None and entry.is_live and entry.relayed:
            _tell(news, entry, entry.life, whole)
    return news


def _tell(news: News, entry: Entry, known: int, whole: int) -> None:
    """`known`: the number that the other side holds."""
    pulse, is_within = entry.pulse, entry.word and known > 0 and segment_of(entry.life) == segment_of(known)
    if pulse is not None and (not is_within or (len(news.pulses) < whole and pulse.record.seq == entry.life)):
        news.pulses.append(pulse)
    elif is_within:
        news.signs[entry.short] = Sign(entry.life, entry.word)


def _differences(table: Table, own: Entry, theirs: Digest) -> Iterator[tuple[Entry, int]]:
    """(peer, how many pulses we are ahead) of those in the buckets in which both sides hold the same cards."""
    held, sums = table.lives(), table.sums(own.card)
    for bucket in [bucket for bucket, packed in theirs.lives.items() if held.get(bucket) != packed]:
        packed, entries, place = theirs.lives[bucket], _in_order(table, own, bucket), slice(4 * bucket, 4 * bucket + 4)
        if sums[place] != theirs.sums[place] or len(packed) != 2 * len(entries):
            continue
        for entry, number in zip(entries, struct.unpack(f">{len(entries)}H", packed), strict=True):
            if ahead := (entry.life - number) % LIFE_MODULO:
                yield entry, ahead if ahead < LIFE_MODULO // 2 else ahead - LIFE_MODULO


def _in_order(table: Table, own: Entry, bucket: int) -> list[Entry]:
    entries = table.in_bucket(bucket)
    if bucket_of(own.short) == bucket:
        entries = sorted([*entries, own], key=lambda entry: entry.short)
    return entries
