"""Keeps every peer's newest records and its state: alive, suspect, dead or left.

Records come verified. The greater version stays, in whatever order and however often records come. Only a pulse that
the peer signed, or its answer to us, makes a dead peer alive again.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from discovery.detector import FailureDetector
from discovery.envelopes import Envelope, Signed
from discovery.members import CLOCK_JUMP_S, Entry, Member, State
from discovery.messages import Sign
from discovery.records import Card, PeerId, Pulse, Record, supersedes, version
from discovery.table import Table


@dataclass(frozen=True, slots=True)
class MembershipConfig:
    """How many peers are remembered, and for how long."""

    live_limit: int = 1024  # peers alive or suspect; strangers beyond it are refused
    withheld_limit: int = 256  # strangers among them that have not answered us; the oldest is forgotten for a new one
    departed_limit: int = 1024  # peers dead or left that are remembered
    departed_s: float = 86400.0  # s for which they are remembered; the dead no longer than the `ttl_s` of their card
    kept_limit: int = 512  # peers protected from eviction; below `live_limit`, so that room for others is left
    look_interval_s: float = 60.0  # s between two looks for a stranger that has not answered us
    departure_news_s: float = 60.0  # s for which our digests tell of a departure; later only who missed it is told


EventKind = Literal[
    "joined",  # a peer not known before
    "card",  # its card changed
    "pulse",  # a newer pulse came
    "alive",  # it became alive: heard for the first time, or again
    "suspect",  # it became suspect
    "dead",  # it became dead
    "left",  # it said goodbye
    "equivocation",  # it signed two different records under one version
    "refused",  # it is kept out: there is no room for another stranger, or admission refuses it
    "generation",  # our own generation jumped: a record of ours with a greater version was seen
    "identity_in_use",  # another process uses our identity: we do not publish until it stops
    "identity_free",  # that other process is gone: we publish again
]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to `peer` (an address where its id is not known); `reason` is for people."""

    kind: EventKind
    peer: PeerId
    reason: str = ""


class Membership:
    """The other peers known to us. Every method that may change a state returns the events."""

    def __init__(self, config: MembershipConfig, detector: FailureDetector, vouched: Callable[[PeerId], bool]) -> None:
        """`vouched` says whether a peer is no stranger: approved by name, or by the network's secret."""
        self.config = config
        self.table = Table(config.live_limit, config.departed_limit, config.withheld_limit)
        self._vouched = vouched
        self._detector = detector
        self._kept: set[PeerId] = set()
        self._watch_at = -math.inf

    def members(self) -> tuple[Member, ...]:
        """Every other peer known, the dead and the departed included."""
        return tuple(entry.view(self._detector.slept_s) for entry in self.table)

    def member(self, peer: PeerId) -> Member | None:
        """What is known of this peer; None when nothing is."""
        entry = self.table.get(peer)
        return entry.view(self._detector.slept_s) if entry else None

    def conflict(self, peer: PeerId) -> tuple[Signed, Signed] | None:
        """Two different records that the peer signed under one version; None when there are none."""
        entry = self.table.get(peer)
        return entry.conflict if entry else None

    def period_s(self) -> float:
        """Seconds between two pulses of one peer, with so many living."""
        return self._detector.period_s(self.table.living + 1)

    def age(self, peer: PeerId, now: float) -> float:
        """Seconds on our clock since the peer made the newest pulse we hold; inf when there is none.

        The pulse was made at t_ms + offset. The offset between the clocks is the least (received_at - t_ms) of the
        recent pulses, so the pulse that was delivered fastest sets it.
        """
        entry = self.table.get(peer)
        return math.inf if entry is None else entry.age_s(now)

    def needs(self, record: Record, envelope: Envelope) -> bool:
        """Whether this record would change anything. Ask before verifying its signature, which costs more."""
        entry = self.table.get(record.id)
        if entry is None:
            return isinstance(record, Card)
        if isinstance(record, Pulse) and (entry.state == "left" or record.gen < entry.card.record.gen):
            return False
        held = entry.card if isinstance(record, Card) else entry.pulse
        if held is None:
            return True
        new, old = version(record), version(held.record)
        return new > old or (new == old and held.envelope.payload != envelope.payload and entry.conflict is None)

    def merge(self, signed: Signed, now: float) -> list[Event]:
        """Take a verified record of another peer."""
        record = signed.record
        if isinstance(record, Card):
            return self._merge_card(signed, record, now)
        return self._merge_pulse(signed, record, now)

    def answered(self, peer: PeerId, now: float, *, far: bool = False) -> list[Event]:
        """Note that this peer answered us over its pinned channel (a probe, a sync, a request): it is alive.

        `far`: whether it is far (sites.py), seen from the way that its answer came.
        """
        entry = self.table.get(peer)
        if entry is None or entry.state == "left":
            return []
        entry.heard_at = self._detector.awake(now)
        entry.failed_at = None
        if not entry.relayed or entry.far != far:

            def place(e: Entry) -> None:
                e.relayed, e.far = True, far

            self.table.change(entry, place)
        return self._change_state(entry, "alive", "it answers", now)

    def take_sign(self, short: bytes, sign: Sign, now: float) -> list[Event]:
        """Take the sign of a pulse of the peer with this 8-byte id, if it proves that the peer made a newer one."""
        entry = self.table.by_short(short)
        if entry is None or entry.state == "left" or not entry.relayed or not self.table.take_sign(entry, sign):
            return []
        return self._heard(entry, self._detector.awake(now), now)

    def suspect(self, peer: PeerId, now: float, reason: str = "a request to it failed") -> list[Event]:
        """Note that a dial or request of ours failed: the peer is suspect until it answers us, even while it pulses.

        Who tells no address only asks, and never answers: its pulses alone say that it is there.
        """
        entry = self.table.get(peer)
        if entry is None or entry.state not in ("alive", "suspect") or not _card(entry).addr:
            return []
        if entry.failed_at is None:
            entry.failed_at = now
            entry.probe_at = self._detector.awake(now)
        return self._change_state(entry, "suspect", reason, now)

    def is_kept(self, peer: PeerId) -> bool:
        """Whether the user named this peer."""
        return peer in self._kept

    def keep(self, peer: PeerId, kept: bool = True) -> None:
        """Mark a peer, known yet or not: it is never evicted for a stranger. At most `kept_limit` are marked."""
        if kept and len(self._kept) >= self.config.kept_limit:
            return
        (self._kept.add if kept else self._kept.discard)(peer)
        entry = self.table.get(peer)
        if entry is not None and entry.kept != kept:

            def mark(e: Entry) -> None:
                e.kept, e.relayed = kept, e.relayed or kept

            self.table.change(entry, mark)

    def watch(self, now: float) -> list[Event]:
        """Call on every tick: judge silent peers, forget those that are dead or left for too long."""
        self._detector.notice_sleep(now)
        if now < self._watch_at:
            return []
        self._watch_at = now + _WATCH_S
        recently_dead = sum(now - e.since < self._detector.config.dead_min_s for e in self.table.dead())
        events: list[Event] = []
        for verdict in self._detector.judge(self.table.live(), recently_dead, now, len(self.table.far().all)):
            events += self._change_state(verdict.entry, verdict.state, verdict.reason, now)
        gone = [e for e in (*self.table.dead(), *self.table.left()) if now - e.since > self._memory_s(e)]
        for entry in (*gone, *self._detector.unheard(self.table.withheld(), now)):
            self.table.remove(entry)
        self.table.trim()
        return events

    def is_anybody_missed(self) -> bool:
        """Whether some near peer is suspect because its pulses are missing, not because a request of ours failed."""
        return any(entry.failed_at is None and not entry.far for entry in self.table.suspects())

    def probes_due(self, now: float) -> list[Entry]:
        """The suspects to probe now; they count as probed."""
        return self._detector.probes_due(self.table.suspects(), now)

    def looks_due(self, now: float) -> list[Entry]:
        """The withheld to look for now, if they say where; the caller says whom it `looked` for."""
        awake = self._detector.awake(now)
        return [e for e in self.table.withheld() if e.look_at <= awake and _card(e).addr]

    def looked(self, entry: Entry, now: float) -> None:
        """Note that a withheld peer was asked to answer."""
        entry.look_at = self._detector.awake(now) + self.config.look_interval_s

    def recently_left(self, now: float) -> list[Entry]:
        """The peers that left less than `departure_news_s` ago."""
        return [e for e in self.table.left() if e.relayed and now - e.since < self.config.departure_news_s]

    def _memory_s(self, entry: Entry) -> float:
        if not entry.relayed:
            return 0.0
        return self.config.departed_s if entry.state == "left" else min(self.config.departed_s, _card(entry).ttl_s)

    def _merge_card(self, signed: Signed, card: Card, now: float) -> list[Event]:
        entry = self.table.get(card.id)
        if entry is None:
            return self._add(signed, card, now)
        if version(card) == version(entry.card.record):
            return _equivocation(entry, entry.card, signed)
        return self._replace_card(entry, signed, card, now) if supersedes(card, entry.card.record) else []

    def _add(self, signed: Signed, card: Card, now: float) -> list[Event]:
        entry = Entry(signed, now, self._detector.awake(now))
        entry.kept = card.id in self._kept
        entry.relayed = entry.kept or self._vouched(card.id)
        entry.far = bool(card.relayed)
        if card.flag == "delete" and not entry.relayed:
            return []  # the goodbye of a stranger that we never met
        if card.flag == "delete":
            entry.state, entry.reason = "left", "it said goodbye"
        if not self.table.add(entry):
            return [Event("refused", card.id, f"already {self.table.living} peers known")]
        return [Event("joined", card.id)] if card.flag != "delete" else []

    def _replace_card(self, entry: Entry, signed: Signed, card: Card, now: float) -> list[Event]:
        old = _card(entry)
        is_elsewhere = (old.addr, old.cert) != (card.addr, card.cert) and card.flag != "delete"

        def take(e: Entry) -> None:
            e.card = signed
            if not card.addr:
                e.failed_at = None
            if is_elsewhere:  # it has answered where it was, so it is a stranger where it is now
                e.relayed, e.look_at = e.kept or self._vouched(e.id), self._detector.awake(now)
            e.refresh_versions()

        self.table.change(entry, take)
        events = [Event("card", card.id, card.flag)]
        if card.flag == "delete":
            events += self._change_state(entry, "left", "it said goodbye", now)
        elif entry.state == "left":
            entry.heard_at = self._detector.awake(now)
            events += self._change_state(entry, "suspect", "back, no pulse yet", now)
        return events

    def _merge_pulse(self, signed: Signed, pulse: Pulse, now: float) -> list[Event]:
        entry = self.table.get(pulse.id)
        if entry is None or entry.state == "left" or pulse.gen < entry.card.record.gen:
            return []  # no card, so unknown; or a pulse from before its goodbye, or of an earlier generation
        held = entry.pulse
        if held is not None and not supersedes(pulse, held.record):
            return _equivocation(entry, held, signed) if version(pulse) == version(held.record) else []
        self.table.take_pulse(entry, signed, pulse, now)
        made_at = self._detector.awake(now) - min(entry.age_s(now), CLOCK_JUMP_S)
        return [Event("pulse", pulse.id), *self._heard(entry, made_at, now)]

    def _heard(self, entry: Entry, at: float, now: float) -> list[Event]:
        """A newer pulse of this peer was made `at`, on the clock of silence."""
        entry.heard_at = max(entry.heard_at, at)
        if entry.failed_at is None:
            return self._change_state(entry, "alive", "it pulses", now)
        if entry.state == "dead":
            return self._change_state(entry, "suspect", "it pulses, but we cannot reach it", now)
        return []

    def _change_state(self, entry: Entry, state: State, reason: str, now: float) -> list[Event]:
        """Change a peer's state, unless it has it already or would become live where there is no room."""
        revives = state in ("alive", "suspect") and entry.state in ("dead", "left")
        if state == entry.state or (revives and not self.table.make_room(entry.kept)):
            return []

        def mutate(e: Entry) -> None:
            e.state, e.reason, e.since, e.probes = state, reason, now, 0

        self.table.change(entry, mutate)
        if state == "suspect":
            entry.probe_at = self._detector.awake(now)
        return [Event(state, entry.id, reason)]


def _card(entry: Entry) -> Card:
    card = entry.card.record
    assert isinstance(card, Card), "an entry is made of a card"
    return card


_WATCH_S = 0.6  # s between two judgements: each looks at every peer, and silence lasts seconds


def _equivocation(entry: Entry, held: Signed, other: Signed) -> list[Event]:
    if entry.conflict is not None or held.envelope.payload == other.envelope.payload:
        return []
    entry.conflict = (held, other)
    kind, gen, seq = held.envelope.kind, held.record.gen, held.record.seq
    return [Event("equivocation", entry.id, f"two {kind}s with version ({gen}, {seq})")]
