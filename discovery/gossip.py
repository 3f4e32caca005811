"""Decides what to tell which peer, and what to believe of what peers tell. Knows no sockets, clocks, keys or scores.

Every peer keeps the newest card and pulse of every other peer, as their owners signed them. A new card is sent at once
to a few random peers, who pass it on (a rumour). On every tick a peer also sends its digest to one peer, so that
whatever a rumour missed arrives as well (anti-entropy after Scuttlebutt, van Renesse et al. 2008).
Callers pass `now`, seconds of a monotonic clock, and verified records; they carry out the `Step` that comes back.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from discovery import reconcile
from discovery.detector import DetectorConfig, FailureDetector
from discovery.envelopes import Envelope, Signed
from discovery.members import Member
from discovery.membership import Event, Membership, MembershipConfig
from discovery.messages import Delta, Digest, Hello, Message, Probe, Sign
from discovery.own import JumpConfig, OwnRecords, Seal
from discovery.records import Card, PeerId, Pulse, Record
from discovery.rounds import Rng, Rounds, RoundsConfig
from discovery.rumours import Rumours
from discovery.sites import SitesConfig
from discovery.table import Circle
from discovery.words import Words


@dataclass(frozen=True, slots=True)
class GossipConfig:
    """How often peers exchange messages, and how much they remember of them."""

    fanout: int = 3  # peers that a new card is sent to at once
    rumours_limit: int = 16  # cards passed on at a time
    rumour_factor: int = 4  # how often each is (rumours.py)
    looks: int = 2  # strangers a tick that are asked to answer, before others hear of them from us
    asked_s: float = 5.0  # s that an indirect probe waits for the subject's pulse
    asked_limit: int = 64  # indirect probes pending
    rounds: RoundsConfig = field(default_factory=RoundsConfig)
    sites: SitesConfig = field(default_factory=SitesConfig)
    membership: MembershipConfig = field(default_factory=MembershipConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    jump: JumpConfig = field(default_factory=JumpConfig)


@dataclass(frozen=True, slots=True)
class Send:
    """A message to carry to a peer. It may be lost: a later round repeats what it said."""

    to: PeerId
    message: Message


@dataclass(frozen=True, slots=True)
class Step:
    """The result of a call: messages to send, events that happened, and (from `receive`) the answer to give."""

    sends: tuple[Send, ...] = ()
    events: tuple[Event, ...] = ()
    reply: Delta | None = None


_NOTHING = Step()  # is to be done


class Gossip:
    """One peer's view of the network, and its part in spreading it."""

    def __init__(
        self,
        peer: PeerId,
        gen: int,
        seal: Seal,
        rng: Rng,
        config: GossipConfig | None = None,
        vouched: Callable[[PeerId], bool] = lambda _: False,
        words: Words | None = None,
    ) -> None:
        """`gen` must exceed that of every earlier run (unix seconds do); `seal` signs our own records.

        `words` are those of our pulses; without any, peers of other sites are told each pulse whole.

        `vouched` says whether a peer is no stranger. Others hear of a stranger from us once it has answered us.
        """
        self.id = peer
        self._vouched = vouched
        self.config = config or GossipConfig()
        self._rng = rng
        self._own = OwnRecords(peer, gen, seal, self.config.jump, words)
        detector = FailureDetector(self.config.detector, self.config.sites)
        self._members = Membership(self.config.membership, detector, vouched)
        self._table = self._members.table
        self._rounds = Rounds(self.config.rounds, self.config.sites, self._members, rng)
        self._rumours = Rumours(self.config.rumours_limit, self.config.rumour_factor)
        self._asked: dict[tuple[PeerId, PeerId], float] = {}  # (subject, asker) of indirect probes -> expiry
        self._pulse_at = -math.inf

    # --- what is known ---

    @property
    def gen(self) -> int:
        """Our generation. The caller stores it, so that the next run can start with a greater one."""
        return self._own.gen

    def watch(self, tell: Callable[[], None]) -> None:
        """Have `tell` called whenever any peer's card or state changes."""
        self._table.watching.append(tell)

    @property
    def identity_in_use(self) -> bool:
        """Another process publishes under our identity; until it stops, we do not."""
        return self._own.identity_in_use

    def own_card(self) -> Signed | None:
        """Our newest card; None before the first."""
        return self._own.entry.card if self._own.entry else None

    def own_pulse(self) -> Signed | None:
        """Our newest pulse; None before the first."""
        return self._own.entry.pulse if self._own.entry else None

    def members(self) -> tuple[Member, ...]:
        """Every other peer known, the dead and the departed included."""
        return self._members.members()

    def member(self, peer: PeerId) -> Member | None:
        """What is known of this peer; None when nothing is."""
        return self._members.member(peer)

    def card(self, peer: PeerId) -> Card | None:
        """The newest card of another peer; None when nothing is known of it. What requests to it need."""
        entry = self._table.get(peer)
        record = entry.card.record if entry else None
        assert not isinstance(record, Pulse), "a card"
        return record

    def conflict(self, peer: PeerId) -> tuple[Signed, Signed] | None:
        """Two different records that the peer signed under one version; None when there are none."""
        return self._members.conflict(peer)

    def age(self, peer: PeerId, now: float) -> float:
        """Seconds since the peer made the newest pulse we hold; inf when there is none."""
        return self._members.age(peer, now)

    # --- what we publish ---

    def publish(self, draft: Card | Pulse, now: float) -> Step:
        """Sign and spread a new card or pulse of ours; its id, gen and seq are filled in here. Raises InvalidRecord.

        A pulse travels with the next exchanges. While `identity_in_use` nothing is published, and a card is kept for
        later.
        """
        if self._own.identity_in_use:
            self._own.keep(draft)
            return _NOTHING
        signed = self._own.publish(draft, now, tells_word=bool(self._table.far().all))
        if isinstance(draft, Pulse):
            # Random, so that peers that started together do not pulse together.
            self._pulse_at = now + self._members.period_s() * (0.9 + 0.2 * self._rng.random())
            return _NOTHING
        self._start_rumour(self.id)
        return Step(sends=self._spread(signed, self.config.fanout))

    def pulse_due(self, now: float) -> bool:
        """Whether it is time to publish a pulse. (Publish one at once, too, when our admission changes.)"""
        return self._own.entry is not None and now >= self._pulse_at and not self._own.identity_in_use

    def leave(self, now: float) -> Step:
        """Say goodbye: send our card with the flag `delete` to twice as many as a new one. Publish nothing after it."""
        card = self.own_card()
        if card is None or self._own.identity_in_use:
            return _NOTHING
        assert isinstance(card.record, Card)
        self._pulse_at = math.inf
        signed = self._own.publish(replace(card.record, flag="delete"), now)
        return Step(sends=self._spread(signed, 2 * self.config.fanout))

    # --- what others tell us ---

    def needs(self, record: Record, envelope: Envelope) -> bool:
        """Whether this record would change anything. Ask before verifying its signature, which costs more."""
        if record.id == self.id:
            return self._own.is_ahead(record, envelope.payload)
        return self._members.needs(record, envelope)

    def learn(self, records: Iterable[Signed], now: float) -> Step:
        """Merge verified records: the greater version stays, in whatever order and however often they come."""
        events: list[Event] = []
        sends: list[Send] = []
        for signed in records:
            if signed.record.id == self.id:
                step = self._learn_own(signed, now)
                events += step.events
                sends += step.sends
            else:
                came = self._members.merge(signed, now)
                events += came
                sends += self._follow_up(came)
        return Step(tuple(sends), tuple(events))

    def receive(self, message: Message, sender: PeerId, now: float) -> Step:
        """Take an authenticated message from `sender`. The step's `reply`, if any, is the answer to send back."""
        if self._own.entry is None:
            return _NOTHING
        match message:
            case Digest():
                return Step(reply=self._rounds.answer(self._own.entry, message, sender))
            case Delta():
                return self._receive_delta(message, sender, now)
            case Probe(subject):
                return self._receive_probe(subject, sender, now)
            case Hello(card, pulse):
                return self.learn([card, pulse] if pulse else [card], now)

    def answered(self, peer: PeerId, now: float, *, far: bool = False) -> Step:
        """Note that this peer answered us over its pinned channel (a probe, a sync, a request): it is alive.

        `far`: whether the way that its answer came makes it far (sites.py).
        """
        entry = self._table.get(peer)
        is_news = entry is not None and not entry.relayed
        events = self._members.answered(peer, now, far=far)
        if is_news:
            self._start_rumour(peer)
        return Step(events=tuple(events)) if events else _NOTHING

    def suspect(self, peer: PeerId, now: float, reason: str = "a request to it failed") -> Step:
        """Note that a dial or request of ours failed: the peer is probed, and suspect until it answers us.

        Its pulses do not end that: they can reach us through others while the peer itself cannot be reached.
        """
        return Step(events=tuple(self._members.suspect(peer, now, reason)))

    def is_stranger(self, peer: PeerId) -> bool:
        """Whether nobody speaks for this peer: no seed of the user's, no approval and no secret does."""
        return not self._members.is_kept(peer) and not self._vouched(peer)

    def keep(self, peer: PeerId, kept: bool = True) -> None:
        """Mark a peer that the user named, as a seed or by approving it: it is never evicted for a stranger.

        Such peers together get half of our digests (`own_dial_share`).
        """
        self._members.keep(peer, kept)

    # --- what time brings ---

    def tick(self, now: float) -> Step:
        """Call every `config.rounds.tick_s`: judge silent peers, pass on new cards, send our digest to one peer."""
        own = self._own.entry
        if own is None:
            return _NOTHING
        returned = self._publish_again(self._own.resume(self._members.period_s(), now), now)
        events = [*returned.events, *self._members.watch(now)]
        self._asked = {pair: expiry for pair, expiry in self._asked.items() if expiry > now}
        sends = [*returned.sends, *self._probe(now), *self._look(now), *self._pass_on()]
        sends += [Send(peer, digest) for peer, digest in self._rounds.due(own, now)]
        return Step(tuple(sends), tuple(events))

    def _probe(self, now: float) -> list[Send]:
        sends, share = [], self._rounds.share()
        for entry in self._members.probes_due(now):
            if entry.far and entry.failed_at is None and self._rng.random() >= share:
                continue  # another one of our site probes it, and tells us what it hears
            sends.append(Send(entry.id, Probe(entry.id)))
            if entry.probes > self.config.detector.direct_probes and not entry.far:
                helpers = [e for e in self._table.near().all if e.state == "alive"]
                chosen = self._rng.sample(helpers, min(self.config.detector.indirect_probes, len(helpers)))
                sends += [Send(helper.id, Probe(entry.id)) for helper in chosen]
        return sends

    def _look(self, now: float) -> list[Send]:
        """Ask some of the withheld to answer."""
        due = self._members.looks_due(now)
        chosen = self._rng.sample(due, min(self.config.looks, len(due))) if due else []
        for entry in chosen:
            self._members.looked(entry, now)
        return [Send(entry.id, Probe(entry.id)) for entry in chosen]

    def _pass_on(self) -> list[Send]:
        if not self._rumours:
            return []
        own = self._own.entry
        holders = [own if peer == self.id else self._table.get(peer) for peer in self._rumours]
        cards = [e.card for e in holders if e is not None and e.relayed]
        sends = self._rumour(cards, self.config.fanout, self._table.near())
        self._rumours.count(len(sends))
        return sends

    def _spread(self, card: Signed, fanout: int) -> tuple[Send, ...]:
        """Send a card of ours to so many near peers, and to as many far ones."""
        places = self._table.near(), self._table.far()
        return tuple(send for place in places for send in self._rumour([card], fanout, place))

    def _rumour(self, cards: Sequence[Signed], fanout: int, among: Circle) -> list[Send]:
        """Send these cards to so many of these peers."""
        delta = Delta(reconcile.fitting(cards))
        return [Send(target.id, delta) for target in self._rng.sample(among.all, min(fanout, len(among.all)))]

    def _start_rumour(self, peer: PeerId) -> None:
        entry = self._table.get(peer)
        if entry is not None and not entry.relayed:
            return
        self._rumours.start(peer, self._table.living)

    # --- merging ---

    def _receive_delta(self, delta: Delta, sender: PeerId, now: float) -> Step:
        own = self._own.entry
        assert own is not None, "receive() answers nobody before the first card"
        step = self.learn(delta.records, now)
        sends = list(step.sends)
        sends += [Send(sender, message) for message in self._rounds.follow_up(own, delta, sender, now)]
        return Step(tuple(sends), (*step.events, *self._learn_signs(delta.signs, now)))

    def _learn_signs(self, signs: Mapping[bytes, Sign], now: float) -> list[Event]:
        """Take signs of life, as many as may be checked at a time."""
        events, left = list[Event](), self.config.sites.hashes_limit
        for short, sign in signs.items():
            entry = self._table.by_short(short)
            left -= max(0, sign.seq - entry.life) if entry else 0
            if left < 0:
                break
            events += self._members.take_sign(short, sign, now)
        return events

    def _receive_probe(self, subject: PeerId, sender: PeerId, now: float) -> Step:
        """Answer a probe of us with our newest pulse. Of another peer: with the pulse we hold, and probe that peer.

        When a newer pulse of it comes, `_report` sends it to whoever asked.
        """
        if subject == self.id:
            pulse = self.own_pulse()
            return Step(reply=Delta((pulse,) if pulse else ()))
        entry = self._table.get(subject)
        if entry is None or entry.state == "left" or not entry.relayed or len(self._asked) >= self.config.asked_limit:
            return Step(reply=Delta())
        asked_already = (subject, sender) in self._asked
        self._asked[subject, sender] = now + self.config.asked_s
        known = Delta((entry.pulse,) if entry.pulse else ())
        return Step(reply=known, sends=() if asked_already else (Send(subject, Probe(subject)),))

    def _learn_own(self, signed: Signed, now: float) -> Step:
        """Take a record under our id that we did not write since our start.

        Either we lost our state, or another process uses our identity; `OwnRecords.meet` tells which.
        """
        if self._own.entry is None or not self._own.is_ahead(signed.record, signed.envelope.payload):
            return _NOTHING
        return self._publish_again(self._own.meet(signed.record, now), now)

    def _publish_again(self, event: Event | None, now: float) -> Step:
        """Publish our card anew where the event is that a generation of ours has begun."""
        if event is None:
            return _NOTHING
        self._pulse_at = now
        return Step(self.publish(self._own.draft, now).sends, (event,))

    def _follow_up(self, events: list[Event]) -> list[Send]:
        """Spread what others should hear soon: new cards as rumours, a pulse to those whose probe waits for it."""
        sends: list[Send] = []
        for event in events:
            if event.kind in ("joined", "card"):
                self._start_rumour(event.peer)
            elif event.kind == "pulse" and self._asked:
                sends += self._report(event.peer)
        return sends

    def _report(self, subject: PeerId) -> list[Send]:
        entry, askers = self._table.get(subject), [pair for pair in self._asked if pair[0] == subject]
        for pair in askers:
            del self._asked[pair]
        return [Send(asker, Delta((entry.pulse,))) for _, asker in askers if entry and entry.pulse]
