"""What is known of each peer, and the bounded table of all of them. detector.py judges who is alive."""

import hashlib
import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from discovery.envelopes import Signed
from discovery.messages import ALL_BUCKETS, BUCKETS, Sign, Versions, bucket_of, short_id
from discovery.records import Card, PeerId, Pulse, version
from discovery.words import is_word

State = Literal["alive", "suspect", "dead", "left"]

_WINDOW = 200  # pulses over which the least clock offset is taken: a few minutes, in which clocks hardly drift apart
CLOCK_JUMP_S = 5.0  # s; three pulses in a row that late mean that the owner slept: the offset is taken anew
_SUMS = struct.Struct(f">{BUCKETS}I")


@dataclass(frozen=True, slots=True)
class Member:
    """One peer as this peer sees it; times are seconds of the local monotonic clock."""

    id: PeerId
    card: Card
    pulse: Pulse | None
    state: State
    since: float  # when it entered `state`
    heard_at: float  # time of the newest sign of life: a new pulse by any path, or an answer to us
    reason: str  # why it is in `state`, for people
    kept: bool  # a seed that the user named, or approved: never evicted for a stranger
    equivocated: bool  # it signed two different records under one version
    relayed: bool = True  # others hear of it from us: it is no stranger, or has answered us


class Entry:
    """The mutable side of a Member. `heard_at` and `probe_at` count only the time that this process was awake."""

    __slots__ = (
        "card",
        "conflict",
        "failed_at",
        "far",
        "heard_at",
        "id",
        "kept",
        "late",
        "life",
        "look_at",
        "offsets",
        "period_s",
        "probe_at",
        "probes",
        "pulse",
        "pulses",
        "reason",
        "relayed",
        "short",
        "since",
        "state",
        "versions",
        "word",
    )

    def __init__(self, card: Signed, now: float, awake: float) -> None:
        self.id: PeerId = card.record.id
        self.short = short_id(self.id)
        self.card = card
        self.pulse: Signed | None = None
        self.state: State = "suspect"
        self.reason = "no pulse yet"
        self.since = now
        self.heard_at = awake
        self.failed_at: float | None = None  # when a dial or request of ours failed, if none has succeeded since
        self.probe_at = awake  # when to probe it next
        self.probes = 0  # probes unanswered since it became suspect
        self.kept = False
        self.far = False  # see sites.py
        # Whether others hear of it from us: it is no stranger, or has answered us at an address of its card. What
        # strangers make up spreads no further than to whom they tell it.
        self.relayed = True
        self.look_at = awake  # when to look for it next, while it is withheld
        self.conflict: tuple[Signed, Signed] | None = None  # two records under one version: proof of equivocation
        self.pulses = 0  # pulses taken in this generation
        self.offsets: list[tuple[int, float]] = []  # (pulse number, offset s), rising: see `_take_offset`
        self.late = 0  # pulses in a row more than CLOCK_JUMP_S above the least offset
        self.period_s = 0.0  # s between its last two pulses by its own clock; 0 until two of one gen are known
        self.life = 0  # number of its newest pulse that we know of, whole or by its sign
        self.word = b""  # of that pulse; empty: it tells none
        self.versions = Versions(0, 0, 0)
        self.refresh_versions()

    @property
    def is_live(self) -> bool:
        """Alive or suspect."""
        return self.state in ("alive", "suspect")

    def view(self, slept_s: float) -> Member:
        """The frozen view of this entry; `slept_s`: how long this process slept."""
        card, pulse = self.card.record, self.pulse.record if self.pulse else None
        assert isinstance(card, Card) and not isinstance(pulse, Card), "the registers hold one kind each"
        heard_at = self.heard_at + slept_s
        conflict = self.conflict is not None
        head = (self.id, card, pulse, self.state, self.since, heard_at)
        return Member(*head, self.reason, self.kept, conflict, self.relayed)

    def refresh_versions(self) -> None:
        """Recompute `versions` from the card and the pulse held. Signs of an earlier generation are forgotten."""
        card, pulse = self.card.record, self.pulse.record if self.pulse else None
        if pulse is None or pulse.gen < card.gen:
            self.versions, self.life, self.word = Versions(card.gen, card.seq, 0), 0, b""
        else:
            self.versions = Versions(pulse.gen, card.seq if card.gen == pulse.gen else 0, pulse.seq)

    def take_pulse(self, signed: Signed, new: Pulse, received_at: float) -> None:
        """Store a newer pulse, and learn from its `t_ms` how its owner's clock is offset to ours."""
        old = self.pulse.record if self.pulse else None
        if isinstance(old, Pulse) and old.gen == new.gen:
            self.period_s = max(0, new.t_ms - old.t_ms) / 1000 / (new.seq - old.seq)
        else:
            self.offsets.clear()
            self.pulses = self.late = 0
            self.period_s = 0.0
        if not isinstance(old, Pulse) or old.gen != new.gen or new.seq >= self.life:
            self.life, self.word = new.seq, new.word
        self.pulse = signed
        self.refresh_versions()
        self._take_offset(received_at - new.t_ms / 1000)

    def take_sign(self, sign: Sign) -> bool:
        """Take the sign of a pulse that is newer than any known of this generation. Returns whether it is one."""
        if not is_word(sign.word, sign.seq, self.word, self.life):
            return False
        self.life, self.word = sign
        return True

    def age_s(self, now: float) -> float:
        """Seconds on our clock since its newest pulse was made; inf when there is none."""
        pulse = self.pulse.record if self.pulse else None
        return max(0.0, now - pulse.t_ms / 1000 - self.offsets[0][1]) if isinstance(pulse, Pulse) else math.inf

    def _take_offset(self, offset_s: float) -> None:
        """Keep what is needed of the last `_WINDOW` offsets to know the least one.

        An offset is our time of receipt minus the owner's `t_ms`; the fastest delivery has the least. `offsets` drops
        every value that a newer one undercuts, so it rises, and its first entry is the least.
        """
        self.pulses += 1
        while self.offsets and self.offsets[-1][1] >= offset_s:
            self.offsets.pop()
        self.offsets.append((self.pulses, offset_s))
        if self.offsets[0][0] <= self.pulses - _WINDOW:
            del self.offsets[0]
        if self.far:
            return  # its pulses come by others and late, which says nothing of its clock
        self.late = self.late + 1 if offset_s > self.offsets[0][1] + CLOCK_JUMP_S else 0
        if self.late == 3:
            self.offsets = [kept for kept in self.offsets if kept[0] > self.pulses - 3]
            self.late = 0


class Circle(NamedTuple):
    """Live peers that others hear of from us: all of some place, and the kept among them."""

    all: list[Entry]
    kept: list[Entry]


class Lists(NamedTuple):
    """The live that others hear of from us: everywhere, and by where they are (sites.py)."""

    live: Circle
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
        self._sums = [0] * BUCKETS  # checksum of the cards in each bucket
        self._summed: tuple[Signed, int, bytes] | None = None  # (our card, revision, `sums` for both), remembered
        self.revision = 0  # grows whenever a card or a state changes

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
        return self._listed().live.all

    def near(self) -> Circle:
        """Those of `live()` that are near (sites.py)."""
        return self._listed().near

    def far(self) -> Circle:
        """The others of `live()`."""
        return self._listed().far

    def withheld(self) -> list[Entry]:
        """The peers alive or suspect that others do not hear of from us, the oldest first."""
        return list(self._withheld.values())

    def kept(self) -> list[Entry]:
        """Those of `live()` that are seeds of the user's, or approved."""
        return self._listed().live.kept

    def versions(self, buckets: int) -> dict[bytes, Versions]:
        """The versions held of those `live()` peers whose ids lie in `buckets` (a bit mask), by 8-byte id."""
        if buckets == ALL_BUCKETS:
            return self._versions.copy()
        held: dict[bytes, Versions] = {}
        for bucket, versions in enumerate(self._by_bucket):
            if buckets >> bucket & 1:
                held.update(versions)
        return held

    def in_bucket(self, bucket: int) -> list[Entry]:
        """The `live()` peers in one bucket, 0 to 63, in the order of their 8-byte ids."""
        if (ordered := self._ordered.get(bucket)) is None:
            ordered = self._ordered[bucket] = [self._by_short[short] for short in sorted(self._by_bucket[bucket])]
        return ordered

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
            places = live, [e for e in live if not e.far], [e for e in live if e.far]
            self._lists = Lists(*(Circle(place, [e for e in place if e.kept]) for place in places))
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
        self._versions[entry.short] = self._by_bucket[bucket_of(entry.short)][entry.short] = entry.versions

    def _changed(self, entry: Entry) -> None:
        self.revision += 1
        if entry.is_live and entry.relayed:
            bucket = bucket_of(entry.short)
            self._sums[bucket] ^= _card_sum(entry.id, *version(entry.card.record))
            self._ordered.pop(bucket, None)
            self._lists = None


@lru_cache(maxsize=4096)
def _card_sum(peer: PeerId, gen: int, seq: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{peer} {gen} {seq}".encode(), digest_size=4).digest(), "big")
