"""The bounded table of all peers known, with the lists, versions and checksums that gossip asks for."""

import hashlib
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from discovery.envelopes import Signed
from discovery.members import Entry, State
from discovery.messages import ALL_BUCKETS, BUCKETS, Sign, Versions, bucket_of, buckets_in, short_id
from discovery.records import PeerId, Pulse, version

LIFE_MODULO = 1 << 16
_SUMS = struct.Struct(f">{BUCKETS}I")


class Circle(NamedTuple):
    """Live peers that others hear of from us: all near or all far ones, and the kept among them."""

    all: list[Entry]
    kept: list[Entry]


class Lists(NamedTuple):
    """The live that others hear of from us: everywhere, and by where they are (sites.py)."""

    live: list[Entry]
    near: Circle
    far: Circle


class Table:
    """Every other peer known, by id, by 8-byte id and by state.

    Holds at most `live_limit` peers alive or suspect, `withheld_limit` of them withheld, and `departed_limit` dead or
    left. Its lists, versions and sums are of those whom others hear of from us.
    """

    def __init__(self, live_limit: int, departed_limit: int, withheld_limit: int) -> None:
        self._live_limit = live_limit
        self._departed_limit = departed_limit
        self._withheld_limit = withheld_limit
        self._entries: dict[PeerId, Entry] = {}
        self._by_short: dict[bytes, Entry] = {}
        self._by_state: dict[State, dict[PeerId, Entry]] = {"alive": {}, "suspect": {}, "dead": {}, "left": {}}
        self._withheld: dict[PeerId, Entry] = {}  # live, but others do not hear of them from us; the oldest first
        self._lists: Lists | None = None  # or to be made
        self._versions: dict[bytes, Versions] = {}  # of the live, by 8-byte id
        self._by_bucket: list[dict[bytes, Versions]] = [{} for _ in range(BUCKETS)]  # the same, by part of the id space
        self._ordered: dict[int, list[Entry]] = {}  # the live of a bucket in order, as far as it was asked for
        self._lives: dict[int, bytes] = {}  # see `lives`
        self._stale: set[int] = set()  # buckets whose lives have changed since
        self._sums = [0] * BUCKETS  # checksum of the cards in each bucket
        self._summed: tuple[Signed, int, bytes] | None = None  # (our card, revision, `sums` for both), remembered
        self.revision = 0  # grows whenever a card or a state changes
        self.watching: list[Callable[[], None]] = []  # who is told then

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, peer: PeerId) -> Entry | None:
        """The entry of this peer; None when it is unknown."""
        return self._entries.get(peer)

    def by_short(self, short: bytes) -> Entry | None:
        """The entry whose 8-byte id this is; None when it is unknown."""
        return self._by_short.get(short)

    def live(self) -> list[Entry]:
        """The peers alive or suspect that others hear of from us."""
        return self._listed().live

    @property
    def living(self) -> int:
        """How many `live()` has."""
        return len(self._versions)

    def near(self) -> Circle:
        """Those of `live()` that are near (sites.py)."""
        return self._listed().near

    def far(self) -> Circle:
        """The others of `live()`."""
        return self._listed().far

    def withheld(self) -> list[Entry]:
        """The peers alive or suspect that others do not hear of from us, the oldest first."""
        return list(self._withheld.values())

    def versions(self, buckets: int) -> dict[bytes, Versions]:
        """The versions held of those `live()` peers whose ids lie in `buckets` (a bit mask), by 8-byte id."""
        if buckets == ALL_BUCKETS:
            return self._versions.copy()
        held: dict[bytes, Versions] = {}
        for bucket in buckets_in(buckets):
            held.update(self._by_bucket[bucket])
        return held

    def unequal(self, seen: Mapping[bytes, Versions], buckets: int) -> list[bytes]:
        """The 8-byte ids of the `live()` peers in `buckets` whom `seen` lacks, then of those it holds otherwise."""
        held = self._versions
        unseen = [short for bucket in buckets_in(buckets) for short in self._by_bucket[bucket] if short not in seen]
        return unseen + [short for short, versions in seen.items() if held.get(short) != versions]

    def in_bucket(self, bucket: int) -> list[Entry]:
        """The `live()` peers in one bucket, 0 to 63, in the order of their 8-byte ids."""
        if (ordered := self._ordered.get(bucket)) is None:
            ordered = self._ordered[bucket] = [self._by_short[short] for short in sorted(self._by_bucket[bucket])]
        return ordered

    def lives(self) -> Mapping[int, bytes]:
        """The `packed_lives` of those `in_bucket`, for each bucket in which there is somebody."""
        for bucket in self._stale:
            if entries := self.in_bucket(bucket):
                self._lives[bucket] = packed_lives(entries)
            else:
                self._lives.pop(bucket, None)
        self._stale.clear()
        return self._lives

    def count_in(self, bucket: int) -> int:
        """How many `live()` peers lie in one bucket, 0 to 63."""
        return len(self._by_bucket[bucket])

    def suspects(self) -> list[Entry]:
        """The suspect that others hear of from us."""
        return [entry for entry in self._by_state["suspect"].values() if entry.relayed]

    def dead(self) -> list[Entry]:
        """The dead."""
        return list(self._by_state["dead"].values())

    def left(self) -> list[Entry]:
        """The departed: those that said goodbye."""
        return list(self._by_state["left"].values())

    def add(self, entry: Entry) -> bool:
        """Take in a new peer, if there is room. Returns whether it was; not where its 8-byte id is another's too."""
        if entry.short in self._by_short:
            return False
        if not (self.make_room(entry.kept) if entry.is_live else self._departed() < self._departed_limit):
            return False
        if entry.is_live and not entry.relayed and len(self._withheld) >= self._withheld_limit:
            self.remove(next(iter(self._withheld.values())))  # it has had the longest time to answer
        self._entries[entry.id] = self._by_short[entry.short] = entry
        self._enter(entry)
        return True

    def make_room(self, kept: bool) -> bool:
        """Whether one more peer may be live. For a kept one the newest stranger is evicted, for a stranger nobody."""
        if len(self._by_state["alive"]) + len(self._by_state["suspect"]) < self._live_limit:
            return True
        strangers = (e for e in (*self.withheld(), *self.live()) if not e.kept)
        stranger = max(strangers, key=lambda e: (not e.relayed, e.since), default=None) if kept else None
        if stranger is not None:
            self.remove(stranger)
        return stranger is not None

    def change(self, entry: Entry, mutate: Callable[[Entry], None]) -> None:
        """Apply `mutate`, which may replace the entry's card, state or `kept`; sums and lists follow."""
        self._exit(entry)
        mutate(entry)
        self._enter(entry)

    def take_pulse(self, entry: Entry, signed: Signed, pulse: Pulse, now: float) -> None:
        """Give `entry`, live or dead, a newer pulse that was received at `now`."""
        entry.take_pulse(signed, pulse, now)
        if entry.is_live and entry.relayed:
            self._note_versions(entry)

    def take_sign(self, entry: Entry, sign: Sign) -> bool:
        """Give `entry` the sign of a newer pulse. Returns whether it proves one."""
        self._stale.add(bucket_of(entry.short))
        return entry.take_sign(sign)

    def remove(self, entry: Entry) -> None:
        """Forget this peer."""
        del self._entries[entry.id], self._by_short[entry.short]
        self._exit(entry)

    def trim(self) -> None:
        """Forget dead and departed peers beyond the limit: strangers before kept ones, the longest gone first."""
        excess = self._departed() - self._departed_limit
        if excess > 0:
            for entry in sorted((*self.dead(), *self.left()), key=lambda e: (e.kept, e.since))[:excess]:
                self.remove(entry)

    def sums(self, own: Signed) -> bytes:
        """A 4-byte checksum for each bucket, over the cards of all live peers and `own`: (4 * BUCKETS,)."""
        if self._summed is None or self._summed[0] is not own or self._summed[1] != self.revision:
            sums = list(self._sums)
            sums[bucket_of(short_id(own.record.id))] ^= _card_sum(own.record.id, *version(own.record))
            self._summed = own, self.revision, _SUMS.pack(*sums)
        return self._summed[2]

    def _departed(self) -> int:
        return len(self._by_state["dead"]) + len(self._by_state["left"])

    def _listed(self) -> Lists:
        if self._lists is None:
            states = self._by_state["alive"], self._by_state["suspect"]
            live = [entry for state in states for entry in state.values() if entry.relayed]
            places = [e for e in live if not e.far], [e for e in live if e.far]
            self._lists = Lists(live, *(Circle(place, [e for e in place if e.kept]) for place in places))
        return self._lists

    def _enter(self, entry: Entry) -> None:
        self._by_state[entry.state][entry.id] = entry
        if entry.is_live and entry.relayed:
            self._note_versions(entry)
        elif entry.is_live:
            self._withheld[entry.id] = entry
        self._changed(entry)

    def _exit(self, entry: Entry) -> None:
        del self._by_state[entry.state][entry.id]
        if entry.is_live and entry.relayed:
            del self._versions[entry.short], self._by_bucket[bucket_of(entry.short)][entry.short]
        elif entry.is_live:
            del self._withheld[entry.id]
        self._changed(entry)

    def _note_versions(self, entry: Entry) -> None:
        bucket = bucket_of(entry.short)
        self._versions[entry.short] = self._by_bucket[bucket][entry.short] = entry.versions
        self._stale.add(bucket)

    def _changed(self, entry: Entry) -> None:
        self.revision += 1
        for tell in self.watching:
            tell()
        if entry.is_live and entry.relayed:
            bucket = bucket_of(entry.short)
            self._sums[bucket] ^= _card_sum(entry.id, *version(entry.card.record))
            self._ordered.pop(bucket, None)
            self._stale.add(bucket)
            self._lists = None


def packed_lives(entries: Sequence[Entry]) -> bytes:
    """The numbers of the newest pulses known of these peers, modulo LIFE_MODULO: big-endian uint16."""
    return struct.pack(f">{len(entries)}H", *(entry.life % LIFE_MODULO for entry in entries))


@lru_cache(maxsize=4096)
def _card_sum(peer: PeerId, gen: int, seq: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{peer} {gen} {seq}".encode(), digest_size=4).digest(), "big")
