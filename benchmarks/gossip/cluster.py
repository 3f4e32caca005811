"""An in-memory network of Gossip cores in virtual time: deliver, drop, delay, duplicate, partition, stall, advance.

The cores, their messages and their encoding are the production ones. Signatures are keyed hashes, since a hundred peers
would otherwise spend their time in elliptic curves; what real signatures refuse is tested in test_envelopes.py.
"""

import hashlib
import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count

from discovery.envelopes import Envelope, Signed, parse, seal, verified
from discovery.gossip import Gossip, GossipConfig, Send, Step
from discovery.membership import Event
from discovery.messages import Message, Probe, decode, encode
from discovery.records import Address, Agent, Card, Flag, PeerId, Pulse, peer_id
from discovery.words import Words

NET = "test"
HTTP_BYTES = 800  # estimate: heads of request and answer, TLS records and TCP/IP headers of one exchange
HANDSHAKE_BYTES = 1800  # of TLS 1.3 with a peer's certificate, both ways (1,796 with OpenSSL 3 and AES-256)
_KEPT_S = 60.0  # s after an exchange in which the next one needs no handshake (ClientConfig.keepalive_s)
_OPENED_LIMIT = 1 << 16  # envelopes remembered: what one receiver has verified, the others need not


def id_of(number: int) -> PeerId:
    """A made-up but well-formed peer id."""
    return peer_id(hashlib.sha256(f"peer {number}".encode()).digest())


def fake_sign(peer: PeerId, data: bytes) -> bytes:
    return hashlib.sha512(peer.encode() + data).digest()


def fake_verify(peer: PeerId, signature: bytes, data: bytes) -> bool:
    return signature == fake_sign(peer, data)


def card_of(
    peer: PeerId, *, name: str = "peer", gen: int = 1, seq: int = 1, flag: Flag = "join", relayed: int = 0
) -> Card:
    agent, at = Agent("small", "test/small", 4096), (Address("10.0.0.1", 8471),)
    return Card(peer, name, gen, seq, flag, 0, at, bytes(32), 1, 86400, (agent,), relayed=relayed)


def pulse_of(peer: PeerId, *, gen: int = 1, seq: int = 1, t_ms: int = 0, running: int = 0, word: bytes = b"") -> Pulse:
    return Pulse(peer, gen, seq, running, 0, 1, 0, 0, 0, t_ms, 0, 0, "open", word=word)


def signed(record: Card | Pulse, by: PeerId | None = None) -> Signed:
    """`record` in an envelope signed by `by`, its owner unless said otherwise."""
    signer = by or record.id
    return seal(record, NET, lambda data: fake_sign(signer, data))


@lru_cache(maxsize=_OPENED_LIMIT)
def opened(envelope: Envelope) -> Signed:
    """Parse and verify. Raises MalformedMessage."""
    return verified(envelope, parse(envelope), NET, fake_verify)


@dataclass(slots=True)
class Node:
    """One process of the cluster; `boot` is the virtual time its own clock counts from."""

    gossip: Gossip
    boot: float
    id: PeerId
    up: bool = True
    stalled_until: float = 0.0
    events: list[tuple[float, Event]] = field(default_factory=list)  # all but the pulses
    sent: int = 0  # messages and answers
    sent_bytes: int = 0
    received_bytes: int = 0


class Cluster:
    """`size` peers, numbered from 0, all introduced to peer 0, or `acquainted`: all to all."""

    def __init__(
        self,
        size: int,
        *,
        seed: int = 0,
        config: GossipConfig | None = None,
        loss: float = 0.0,
        gen: int = 1,
        acquainted: bool = False,
        strangers: bool = False,
        homes: int = 0,
    ) -> None:
        """`strangers`: nobody speaks for anybody, as in mode tofu; else all have one secret.

        `homes`: so many sites share the peers evenly, and one relay carries what passes between them; 0: no relay.
        """
        self.now = 0.0
        self.rng = random.Random(seed)
        self.loss = loss
        self.delay_s = (0.001, 0.005)
        self.duplicate = 0.0  # share of messages delivered twice
        self.cut: Callable[[PeerId, PeerId], bool] = lambda _from, _to: False
        self.carries: Callable[[Message], bool] = lambda _message: True  # messages the network lets through
        self.tape: list[tuple[Node, Node, Message]] | None = None  # every message delivered, if wanted
        self.size = size
        self.nodes: list[Node] = []  # every process ever started
        self._processes: dict[PeerId, list[Node]] = {}
        self.relay_bytes = self.relay_exchanges = 0  # that passed the relay, each counted once
        self._homes, self._kept_until = homes, dict[tuple[PeerId, PeerId], float]()
        self._numbers = {id_of(number): number for number in range(size)}
        self._config = config or GossipConfig()
        self._strangers = strangers
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        for number in range(size):
            self.start(number, gen=gen)
            if number and not acquainted:
                self.introduce(number, 0)
        if acquainted:
            self._acquaint_all()

    # --- the peers ---

    def start(self, number: int, *, gen: int = 1) -> Node:
        """Start peer `number`: anew, again after a crash, or a second time beside itself."""
        peer = id_of(number)

        def sealed(record: Card | Pulse) -> Signed:
            return seal(record, NET, lambda data: fake_sign(peer, data))

        rng = random.Random(self.rng.random())
        words = Words(peer.encode())
        gossip = Gossip(peer, gen, sealed, rng, self._config, lambda _: not self._strangers, words)
        node = Node(gossip, self.now, peer)
        self.nodes.append(node)
        self._processes.setdefault(peer, []).append(node)
        card = card_of(peer, name=f"peer-{number}", relayed=int(self._homes > 0))
        self._carry_out(node, node.gossip.publish(card, self.now))
        self.at(self.now + self.rng.random() * self._config.rounds.tick_s, lambda: self._tick(node))
        return node

    def node(self, number: int) -> Node:
        """The latest process of a peer."""
        return self._processes[id_of(number)][-1]

    def gossip(self, number: int) -> Gossip:
        return self.node(number).gossip

    def running(self) -> list[Node]:
        return [node for node in self.nodes if node.up]

    def crash(self, number: int) -> None:
        self.node(number).up = False

    def stall(self, number: int, seconds: float) -> None:
        """The process stands still: what arrives meanwhile is handled when it wakes."""
        self.node(number).stalled_until = self.now + seconds

    def leave(self, number: int) -> None:
        node = self.node(number)
        self._carry_out(node, node.gossip.leave(self.now))
        node.up = False

    def introduce(self, number: int, to: int) -> None:
        """`number` says hello to `to`, both ways."""
        caller, called = self.node(number), self.node(to)
        caller.gossip.keep(called.id)
        for node, met in ((caller, called), (called, caller)):
            self._pulse(met)
            records = [record for record in (met.gossip.own_card(), met.gossip.own_pulse()) if record is not None]
            self.inject(node, records)

    def rename(self, number: int, name: str) -> None:
        """Publish a new card."""
        node = self.node(number)
        card = card_of(node.id, name=name, relayed=int(self._homes > 0))
        self._carry_out(node, node.gossip.publish(card, self.now))

    def are_far(self, one: PeerId, other: PeerId) -> bool:
        """Whether the relay is between these two."""
        return self._homes > 0 and (self._numbers[one] - self._numbers[other]) % self._homes != 0

    # --- the network ---

    def partition(self, *groups: Iterable[int]) -> None:
        """Only peers of one group reach each other; call with nothing to heal."""
        side = {id_of(number): i for i, group in enumerate(groups) for number in group}
        self.cut = lambda one, other: side.get(one) != side.get(other)

    def inject(self, node: Node, records: Iterable[Signed]) -> None:
        """Hand verified records to a peer, as if some message had brought them."""
        self._carry_out(node, node.gossip.learn(records, self.now))

    def deliver(self, sender: Node, target: Node, message: Message) -> None:
        """Hand a peer a message, on the wire's own terms. Raises MalformedMessage, and then nothing has changed."""
        self._deliver(sender, target, encode(message, NET))

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while self._heap and self._heap[0][0] <= until:
            self.now, _, act = heapq.heappop(self._heap)
            act()
        self.now = until

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Have this happen at a time to come."""
        heapq.heappush(self._heap, (when, next(self._order), act))

    def until(self, condition: Callable[[], bool], within_s: float, step_s: float = 0.1) -> float:
        """Advance until `condition` holds; the seconds it took. AssertionError after `within_s`."""
        start = self.now
        while not condition():
            assert self.now - start < within_s, f"not within {within_s} s"
            self.advance(step_s)
        return self.now - start

    def close(self) -> None:
        """Drop what is still to happen, which refers back to here: without it, memory is freed by collections only."""
        self._heap.clear()

    # --- what they know ---

    def states(self, number: int) -> dict[int, str]:
        """How peer `number` sees the others."""
        known = {member.id: member.state for member in self.gossip(number).members()}
        return {n: known[id_of(n)] for n in range(self.size) if id_of(n) in known}

    def all_see(self, about: int, state: str) -> bool:
        """Whether every running peer sees peer `about` in `state`."""
        members = [node.gossip.member(id_of(about)) for node in self.running() if node.id != id_of(about)]
        return all(member is not None and member.state == state for member in members)

    def all_alive(self) -> bool:
        """Whether all running peers see all running peers alive."""
        return all(self.all_see(n, "alive") for n in range(self.size) if self.node(n).up)

    def all_know_card(self, about: int) -> bool:
        """Whether every running peer has the newest card of peer `about`."""
        card = self.gossip(about).own_card()
        members = [node.gossip.member(id_of(about)) for node in self.running() if node.id != id_of(about)]
        return card is not None and all(member is not None and member.card == card.record for member in members)

    def events(self, *kinds: str) -> list[Event]:
        """What happened anywhere, of these kinds."""
        return [event for node in self.nodes for _, event in node.events if event.kind in kinds]

    # --- inside ---

    def _tick(self, node: Node) -> None:
        if not node.up or self._sleeps(node, lambda: self._tick(node)):
            return
        if node.gossip.pulse_due(self.now):
            self._pulse(node)
        self._carry_out(node, node.gossip.tick(self.now))
        self.at(self.now + self._config.rounds.tick_s, lambda: self._tick(node))

    def _pulse(self, node: Node) -> None:
        pulse = pulse_of(node.id, t_ms=int((self.now - node.boot) * 1000))
        self._carry_out(node, node.gossip.publish(pulse, self.now))

    def _acquaint_all(self) -> None:
        """Everybody has everybody's records: how a network looks that has been up for a while."""
        self._tell_all(lambda node: node.gossip.own_card())
        for node in self.nodes:
            for other in self.nodes if self._homes else ():
                if other is not node and not self.are_far(node.id, other.id):
                    node.gossip.answered(other.id, self.now)
            self._pulse(node)
        self._tell_all(lambda node: node.gossip.own_pulse())

    def _tell_all(self, record_of: Callable[[Node], Signed | None]) -> None:
        records = [record for node in self.nodes if (record := record_of(node)) is not None]
        for node in self.nodes:
            node.gossip.learn(records, self.now)

    def _carry_out(self, node: Node, step: Step) -> None:
        for event in step.events:
            if event.kind != "pulse":
                node.events.append((self.now, event))
        for send in step.sends:
            self._send(node, send)

    def _send(self, node: Node, send: Send) -> None:
        body = encode(send.message, NET)
        self._count(node, body)
        if self.are_far(node.id, send.to):
            self._pass_relay(node.id, send.to, len(body))
        targets = [target for target in self._processes.get(send.to, ()) if target.up]
        if not targets or not self.carries(send.message):
            return
        target = targets[0] if len(targets) == 1 else self.rng.choice(targets)
        for _ in range(1 + (self.rng.random() < self.duplicate)):
            if not self._is_lost(node.id, send.to):
                self._later(lambda: self._arrive(node, target, body, send.message))

    def _arrive(self, sender: Node, target: Node, body: bytes, message: Message) -> None:
        if not target.up or self._sleeps(target, lambda: self._arrive(sender, target, body, message)):
            return
        if self.tape is not None:
            self.tape.append((sender, target, message))
        self._deliver(sender, target, body)

    def _deliver(self, sender: Node, target: Node, body: bytes) -> None:
        message = self._read(target, body)
        if isinstance(message, Probe) and message.subject == target.id:
            self._pulse(target)
        step = target.gossip.receive(message, sender.id, self.now)
        self._carry_out(target, step)
        answer = encode(step.reply, NET) if step.reply is not None else b""
        if answer:
            self._count(target, answer)
            self.relay_bytes += len(answer) if self.are_far(target.id, sender.id) else 0
        if not self._is_lost(target.id, sender.id):
            self._later(lambda: self._answered(sender, target, answer))

    def _answered(self, sender: Node, target: Node, answer: bytes) -> None:
        if not sender.up or self._sleeps(sender, lambda: self._answered(sender, target, answer)):
            return
        far = self.are_far(sender.id, target.id)
        self._carry_out(sender, sender.gossip.answered(target.id, self.now, far=far))
        if answer:
            self._carry_out(sender, sender.gossip.receive(self._read(sender, answer), target.id, self.now))

    def _read(self, node: Node, body: bytes) -> Message:
        needs = node.gossip.needs

        def open_(envelope: Envelope) -> Signed | None:
            signed = opened(envelope)
            return signed if needs(signed.record, envelope) else None

        node.received_bytes += len(body)
        return decode(body, NET, open_)

    def _sleeps(self, node: Node, act: Callable[[], None]) -> bool:
        if node.stalled_until <= self.now:
            return False
        self.at(node.stalled_until, act)
        return True

    def _is_lost(self, sender: PeerId, target: PeerId) -> bool:
        return self.cut(sender, target) or self.rng.random() < self.loss

    def _count(self, node: Node, body: bytes) -> None:
        node.sent += 1
        node.sent_bytes += len(body)

    def _pass_relay(self, sender: PeerId, target: PeerId, size_bytes: int) -> None:
        """One exchange begins that passes the relay; its answer is counted when it is given."""
        is_kept = self._kept_until.get((sender, target), -1.0) > self.now
        self._kept_until[sender, target] = self.now + _KEPT_S
        self.relay_exchanges += 1
        self.relay_bytes += size_bytes + HTTP_BYTES + (0 if is_kept else HANDSHAKE_BYTES)

    def _later(self, act: Callable[[], None]) -> None:
        self.at(self.now + self.rng.uniform(*self.delay_s), act)
