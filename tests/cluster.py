"""An in-memory network of Gossip cores in virtual time: deliver, drop, delay, duplicate, partition, stall, advance.

The cores, their messages and their encoding are the production ones. Signatures are keyed hashes, since a hundred peers
would otherwise spend the test in elliptic curves; what real signatures refuse is tested in test_envelopes.py.
"""

import hashlib
import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count

from discovery.envelopes import Envelope, Signed, open_envelope, parse, seal
from discovery.gossip import Event, Gossip, GossipConfig, Send, Step
from discovery.messages import Message, Probe, decode, encode
from discovery.records import Address, Agent, Card, PeerId, Pulse, peer_id

NET = "test"


def id_of(number: int) -> PeerId:
    """A made-up but well-formed peer id."""
    return peer_id(hashlib.sha256(f"peer {number}".encode()).digest())


def fake_sign(peer: PeerId, data: bytes) -> bytes:
    return hashlib.sha512(peer.encode() + data).digest()


def fake_verify(peer: PeerId, signature: bytes, data: bytes) -> bool:
    return signature == fake_sign(peer, data)


def card_of(
    peer: PeerId, *, name: str = "peer", gen: int = 1, seq: int = 1, flag: str = "join", slots: int = 1
) -> Card:
    agent = Agent("small", "test/small", 4096)
    return Card(peer, name, gen, seq, flag, 0, (Address("10.0.0.1", 8471),), bytes(32), slots, 86400, (agent,))  # type: ignore[arg-type]


def pulse_of(peer: PeerId, *, gen: int = 1, seq: int = 1, t_ms: int = 0, running: int = 0) -> Pulse:
    return Pulse(peer, gen, seq, running, 0, 1, 0, 0, 0, t_ms, 0, 0, "open")


def signed(record: Card | Pulse, by: PeerId | None = None) -> Signed:
    """`record` in an envelope signed by `by`, its owner unless said otherwise."""
    signer = by or record.id
    return seal(record, NET, lambda data: fake_sign(signer, data))


@dataclass(slots=True)
class Node:
    """One peer of the cluster; `boot` is the virtual time its own clock counts from."""

    gossip: Gossip
    boot: float
    up: bool = True
    stalled_until: float = 0.0
    events: list[tuple[float, Event]] = field(default_factory=list)
    sent_bytes: int = 0
    sent: int = 0


class Cluster:
    """`size` peers, introduced to each other through peer 0 unless `strangers`."""

    def __init__(
        self,
        size: int,
        *,
        seed: int = 0,
        config: GossipConfig | None = None,
        loss: float = 0.0,
        strangers: bool = False,
    ) -> None:
        self.now = 0.0
        self.rng = random.Random(seed)
        self.loss = loss
        self.delay_s = (0.001, 0.005)
        self.duplicate = 0.0
        self.nodes: dict[PeerId, Node] = {}
        self.cut: Callable[[PeerId, PeerId], bool] = lambda _from, _to: False
        self._config = config or GossipConfig()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        for number in range(size):
            self.start(number)
            if number and not strangers:
                self.introduce(number, 0)

    # --- the peers ---

    def start(self, number: int, *, gen: int = 1) -> Node:
        """Start (or restart) peer `number`."""
        peer = id_of(number)

        def sealed(record: Card | Pulse) -> Signed:
            return seal(record, NET, lambda data: fake_sign(peer, data))

        gossip = Gossip(peer, gen, sealed, random.Random(self.rng.random()), self._config)
        node = self.nodes[peer] = Node(gossip, self.now)
        self._carry_out(node, gossip.publish(card_of(peer, name=f"peer-{number}"), self.now))
        self._at(self.now + self.rng.random() * self._config.tick_s, lambda: self._tick(peer, node))
        return node

    def node(self, number: int) -> Node:
        return self.nodes[id_of(number)]

    def gossip(self, number: int) -> Gossip:
        return self.node(number).gossip

    def crash(self, number: int) -> None:
        self.node(number).up = False

    def stall(self, number: int, seconds: float) -> None:
        """The process stands still: what arrives meanwhile is handled when it wakes."""
        self.node(number).stalled_until = self.now + seconds

    def introduce(self, number: int, to: int) -> None:
        """`number` says hello to `to`, both ways."""
        one, other = self.node(number), self.node(to)
        for node, met in ((one, other), (other, one)):
            self._pulse(met)
            card, pulse = met.gossip.own_card(), met.gossip.own_pulse()
            assert card is not None and pulse is not None
            if node is one:
                node.gossip.keep(met.gossip.id)
            self._carry_out(node, node.gossip.learn([card, pulse], self.now))

    # --- the network ---

    def partition(self, *groups: Iterable[int]) -> None:
        """Only peers of one group reach each other; call with nothing to heal."""
        side = {id_of(number): i for i, group in enumerate(groups) for number in group}
        self.cut = lambda a, b: side.get(a) != side.get(b)

    def inject(self, number: int, records: Iterable[Signed]) -> None:
        """Hand verified records to a peer, as if some message had brought them."""
        node = self.node(number)
        self._carry_out(node, node.gossip.learn(records, self.now))

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while self._heap and self._heap[0][0] <= until:
            self.now, _, act = heapq.heappop(self._heap)
            act()
        self.now = until

    def until(self, condition: Callable[[], bool], within_s: float, step_s: float = 0.1) -> float:
        """Advance until `condition` holds; the seconds it took. AssertionError after `within_s`."""
        start = self.now
        while not condition():
            assert self.now - start < within_s, f"not within {within_s} s"
            self.advance(step_s)
        return self.now - start

    # --- what they know ---

    def states(self, number: int) -> dict[int, str]:
        """How peer `number` sees the others."""
        known = {member.id: member.state for member in self.gossip(number).members()}
        return {n: known[id_of(n)] for n in range(len(self.nodes)) if id_of(n) in known}

    def all_see(self, about: int, state: str | None) -> bool:
        """Whether every running peer sees peer `about` in `state` (None: not at all)."""
        others = [node for peer, node in self.nodes.items() if node.up and peer != id_of(about)]
        members = [node.gossip.member(id_of(about)) for node in others]
        return all((member.state if member else None) == state for member in members)

    def all_alive(self) -> bool:
        """Whether all running peers see all running peers alive."""
        return all(self.all_see(n, "alive") for n in range(len(self.nodes)) if self.node(n).up)

    def all_know_card(self, about: int) -> bool:
        card = self.gossip(about).own_card()
        assert card is not None
        others = [node.gossip.member(id_of(about)) for p, node in self.nodes.items() if node.up and p != id_of(about)]
        return all(member is not None and member.card == card.record for member in others)

    # --- inside ---

    def _tick(self, peer: PeerId, node: Node) -> None:
        if not node.up or self.nodes[peer] is not node:
            return
        if node.stalled_until > self.now:
            self._at(node.stalled_until, lambda: self._tick(peer, node))
            return
        if node.gossip.pulse_due(self.now):
            self._pulse(node)
        self._carry_out(node, node.gossip.tick(self.now))
        self._at(self.now + self._config.tick_s, lambda: self._tick(peer, node))

    def _pulse(self, node: Node) -> None:
        pulse = pulse_of(node.gossip.id, t_ms=int((self.now - node.boot) * 1000))
        self._carry_out(node, node.gossip.publish(pulse, self.now))

    def _carry_out(self, node: Node, step: Step) -> None:
        node.events += [(self.now, event) for event in step.events]
        for send in step.sends:
            self._send(node, send)

    def _send(self, node: Node, send: Send) -> None:
        body = encode(send.message, NET)
        node.sent += 1
        node.sent_bytes += len(body)
        target = self.nodes.get(send.to)
        if target is None:
            return
        for _ in range(1 + (self.rng.random() < self.duplicate)):
            if self.rng.random() >= self.loss and not self.cut(node.gossip.id, send.to):
                self._deliver_later(lambda: self._arrive(node, target, body))

    def _deliver_later(self, act: Callable[[], None]) -> None:
        self._at(self.now + self.rng.uniform(*self.delay_s), act)

    def _arrive(self, sender: Node, target: Node, body: bytes) -> None:
        if not target.up or self.nodes[target.gossip.id] is not target:
            return
        if target.stalled_until > self.now:
            self._at(target.stalled_until, lambda: self._arrive(sender, target, body))
            return
        message = self._decode(target, body)
        if isinstance(message, Probe) and message.subject == target.gossip.id:
            self._pulse(target)
        step = target.gossip.receive(message, sender.gossip.id, self.now)
        self._carry_out(target, step)
        if sender.up and not self.cut(target.gossip.id, sender.gossip.id) and self.rng.random() >= self.loss:
            answer = encode(step.reply, NET) if step.reply is not None else b""
            target.sent_bytes += len(answer)
            target.sent += bool(answer)
            self._deliver_later(lambda: self._answered(sender, target, answer))

    def _answered(self, sender: Node, target: Node, answer: bytes) -> None:
        if not sender.up:
            return
        if sender.stalled_until > self.now:
            self._at(sender.stalled_until, lambda: self._answered(sender, target, answer))
            return
        self._carry_out(sender, sender.gossip.answered(target.gossip.id, self.now))
        if answer:
            message = self._decode(sender, answer)
            self._carry_out(sender, sender.gossip.receive(message, target.gossip.id, self.now))

    def _decode(self, node: Node, body: bytes) -> Message:
        def open_(envelope: Envelope) -> Signed | None:
            wanted = node.gossip.needs(parse(envelope), envelope)
            return open_envelope(envelope, NET, fake_verify) if wanted else None

        return decode(body, NET, open_)

    def _at(self, when: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (when, next(self._order), act))
