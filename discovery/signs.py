"""How signs of life cross from site to site: two bytes a peer tell who holds the newer one. Keeps no state.

Where both sides hold the same cards in a bucket of the id space, which their checksums tell, they have its peers in
the same order: the *lives* of a bucket are the numbers of the newest pulses known of them, modulo 2^16, without ids.
"""

import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from discovery.envelopes import Signed
from discovery.members import Entry
from discovery.messages import BUCKETS, Digest, Sign, bucket_of
from discovery.table import Table
from discovery.words import segment_of

_MODULO = 1 << 16
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
    made = {}
    for bucket in range(BUCKETS):
        if buckets >> bucket & 1 and (entries := _in_order(table, own, bucket)):
            made[bucket] = struct.pack(f">{len(entries)}H", *(entry.life % _MODULO for entry in entries))
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
    sums = table.sums(own.card)
    for bucket, packed in theirs.lives.items():
        entries, place = _in_order(table, own, bucket), slice(4 * bucket, 4 * bucket + 4)
        if sums[place] != theirs.sums[place] or len(packed) != 2 * len(entries):
            continue
        for entry, number in zip(entries, struct.unpack(f">{len(entries)}H", packed), strict=True):
            ahead = (entry.life - number) % _MODULO
            yield entry, ahead if ahead < _MODULO // 2 else ahead - _MODULO


def _in_order(table: Table, own: Entry, bucket: int) -> list[Entry]:
    entries = table.in_bucket(bucket)
    if bucket_of(own.short) == bucket:
        entries = sorted([*entries, own], key=lambda entry: entry.short)
    return entries
