"""A network of production Nodes in virtual time. Asks go in, answers come out; everything between is either the
production's own lines (gossip's merge and failure rules, beliefs, policy, the door's rules) or one of this room's
models.
"""

import hashlib
import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count

import numpy as np

from benchmarks.simulator.asks import Answered
from benchmarks.simulator.network import Mail, Regions, Spread
from benchmarks.simulator.peer import PeerSpec, Serving, crowding_s, latency_s, pulse_of
from discovery.admission import Admission
from discovery.envelopes import Signed, seal
from discovery.gossip import Gossip, Step
from discovery.messages import Probe
from discovery.records import Address, Agent, Card, PeerId, Record, peer_id
from gateway.beliefs.expected import BeliefConfig
from gateway.beliefs.table import Beliefs
from gateway.capacity.rules import AdmissionConfig
from gateway.routing.node import Node
from gateway.routing.policy import Policy
from gateway.routing.worth import Space

NET = "simulator"


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """Everything about a network but who decides how, and what is asked."""

    peers: tuple[PeerSpec, ...]
    entries: int  # peers 0 .. entries-1 have users; the others only serve
    regions: Regions
    spread: Spread
    door: AdmissionConfig | None
    space: Space | None = None
    beliefs: BeliefConfig = field(default_factory=BeliefConfig)
    probe_budget_s: float = 0.1  # configs/default.yaml, peer.probe_budget_s
    ticks: bool = False  # whether gossip judges the silent: only where somebody falls silent
    late: frozenset[int] = frozenset()  # peers that are not there from the start


PolicyOf = Callable[[int, "World"], Policy]  # (entry, world) -> who decides there


class World:
    """One run. Make it, `run` it once, read what came out."""

    def __init__(self, setting: Setting, policy_of: PolicyOf, seed: int) -> None:
        self.setting = setting
        self.rng = np.random.default_rng([seed, 1])
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self.ids = tuple(_id_of(j) for j in range(len(setting.peers)))
        self.known = frozenset(self.ids)  # everybody vouches for everybody
        self.index = {peer: j for j, peer in enumerate(self.ids)}
        self.engines = [self._engines(peer, spec) for peer, spec in zip(self.ids, setting.peers, strict=True)]
        self.serving = [engines[0] for engines in self.engines]  # of each peer the first
        self._mail = Mail(len(self.ids), setting.entries, setting.spread, self.rng)
        self._cards = [_sealed(self._card(j)) for j in range(len(self.ids))]
        self._pulse_seq = [0] * len(self.ids)
        self.nodes = [self._node(i, policy_of, seed) for i in range(setting.entries)]
        self.answered: list[Answered] = []
        self._present = [j for j in range(len(self.ids)) if j not in setting.late]
        known = [record for j in self._present for record in (self._cards[j], self._next_pulse(j, 0.0))]
        for i in range(setting.entries):
            self._learn(i, [record for record in known if record.record.id != self.ids[i]], 0.0)
        for j in self._present:
            self._start(j)

    def run(self, begins: Sequence[tuple[float, Callable[[float], None]]]) -> list[Answered]:
        """Let every request begin at its time, and go on until all are answered."""
        for at, begin in begins:
            self.at(at, begin)
        while len(self.answered) < len(begins):
            self.now, _, act = heapq.heappop(self._heap)
            act(self.now)
        return self.answered

    def at(self, time: float, act: Callable[[float], None]) -> None:
        """Do `act(time)` at `time`."""
        heapq.heappush(self._heap, (time, next(self._order), act))

    def delay_s(self, one: int, other: int) -> float:
        """One way between two peers; 0 at home."""
        regions, peers = self.setting.regions, self.setting.peers
        return 0.0 if one == other else regions.delay_s(peers[one].region, peers[other].region)

    def jobs(self, peer: PeerId) -> int:
        """Running and waiting at one peer now, in truth."""
        return self.serving[self.index[peer]].jobs

    def latency_s(self, peer: PeerId, prompt_tokens: float, output_tokens: float) -> float:
        """What a job of this size would take at one peer now, in truth."""
        return latency_s(self.serving[self.index[peer]], prompt_tokens, output_tokens)

    def crowding_s(self, peer: PeerId, output_tokens: float) -> float:
        """What such a job would cost those decoded beside it now, in truth."""
        return crowding_s(self.serving[self.index[peer]], output_tokens)

    def read_mail(self, entry: int, now: float) -> None:
        """Hand a node the pulses that have reached it, each as of its arrival."""
        for pulse, arrived in self._mail.read(entry, now):
            if pulse.record.id != self.ids[entry]:
                self._learn(entry, [pulse], arrived)

    def carry_out(self, entry: int, step: Step, now: float) -> None:
        """What gossip wants done: its probes are carried; its exchanges are `Mail`'s and `tell_all`'s work."""
        self.nodes[entry].receive(step.events, now)
        for send in step.sends:
            if isinstance(send.message, Probe):
                target, there_s = self.index[send.to], self.delay_s(entry, self.index[send.to])
                if self.serving[target].is_up:
                    self.at(now + 2 * there_s, partial(self._reached, entry, send.to))

    # --- who comes and goes

    def join(self, peer: int, now: float) -> None:
        """A late peer's card sets out to everybody, and everybody's to it."""
        self._present.append(peer)
        self._learn(peer, [self._cards[j] for j in self._present if j != peer], now)
        self._start(peer)
        self._tell_all(self._cards[peer], now)

    def update(self, peer: int, spec: PeerSpec, now: float) -> None:
        """A peer publishes a new capability vector."""
        for engine in self.engines[peer]:
            engine.spec = spec
        seq = getattr(self._cards[peer].record, "seq", 0) + 1
        self._cards[peer] = _sealed(replace(self._card(peer), seq=seq, flag="update", agents=spec.agents))
        if peer < len(self.nodes):
            self.nodes[peer].serve(_own(spec))
        self._tell_all(self._cards[peer], now)

    def leave(self, peer: int, now: float) -> None:
        """A peer says goodbye; it finishes what it has."""
        card = self._cards[peer].record
        assert isinstance(card, Card)
        self._present.remove(peer)
        self._tell_all(_sealed(replace(card, seq=card.seq + 1, flag="delete")), now)

    def crash(self, peer: int, now: float) -> None:
        """A machine is gone, without a word."""
        self._present.remove(peer)
        for engine in self.engines[peer]:
            engine.crash(now)

    # --- inside

    def _engines(self, peer: PeerId, spec: PeerSpec) -> tuple[Serving, ...]:
        door = None if self.setting.door is None or spec.says_idle else self.setting.door
        return tuple(Serving(peer, spec, door, self.at) for _ in range(spec.engines))

    def _node(self, i: int, policy_of: PolicyOf, seed: int) -> Node:
        spec, setting = self.setting.peers[i], self.setting
        gossip = Gossip(self.ids[i], 1, _sealed, random.Random(seed * 1000 + i), vouched=lambda _: True)
        gossip.publish(replace(self._card(i), gen=0, seq=0), 0.0)
        node = Node(
            f"peer-{i}",
            gossip,
            Admission("allowlist", NET, None, self.known),
            policy_of(i, self),
            Beliefs(setting.beliefs),
            np.random.default_rng([seed, 2, i]),
            setting.space,
        )
        node.serve(_own(spec))
        node.count_own([serving.line.doing for serving in self.engines[i]], 0.0)
        for j, other in enumerate(self.setting.peers):
            if other.engines > 1:
                node.hear_details(self.ids[j], other.agents)
        return node

    def _card(self, j: int) -> Card:
        spec = self.setting.peers[j]
        address = (Address(f"10.{j >> 16 & 255}.{j >> 8 & 255}.{j & 255}", 8471),)
        return Card(
            self.ids[j], f"peer-{j}", 1, 1, "join", 0, address, bytes(32), spec.speed.slots * spec.engines, 86400,
            spec.agents,
        )  # fmt: skip

    def _start(self, j: int) -> None:
        """First pulses and ticks come at random times, so that peers do not move in step."""
        spread = self.setting.spread
        self.at(self.now + self.rng.random() * spread.period_s, partial(self._pulse, j))
        if j < len(self.nodes) and self.setting.ticks:
            self.at(self.now + self.rng.random(), partial(self._tick, j))

    def _pulse(self, j: int, now: float) -> None:
        if not self.serving[j].is_up or j not in self._present:
            return
        self._mail.post(j, self._next_pulse(j, now), now)
        self.at(now + self.setting.spread.period_s * self.rng.uniform(0.9, 1.1), partial(self._pulse, j))

    def _next_pulse(self, j: int, now: float) -> Signed:
        self._pulse_seq[j] += 1
        pulse = pulse_of(self.engines[j], now)
        if j < len(self.nodes) and not self.setting.peers[j].says_idle:
            self.nodes[j].observe_own_pulse(pulse, now)
        return _sealed(replace(pulse, gen=1, seq=self._pulse_seq[j]))

    def _tick(self, i: int, now: float) -> None:
        if not self.serving[i].is_up or i not in self._present:
            return
        self.read_mail(i, now)
        self.carry_out(i, self.nodes[i].gossip.tick(now), now)
        self.at(now + self.nodes[i].gossip.config.rounds.tick_s, partial(self._tick, i))

    def _tell_all(self, card: Signed, now: float) -> None:
        for i in range(len(self.nodes)):
            if self.ids[i] != card.record.id:
                delay_s = float(self.rng.exponential(self.setting.spread.delay_s))
                self.at(now + delay_s, partial(self._learn, i, [card]))

    def _learn(self, entry: int, records: list[Signed], now: float) -> None:
        self.carry_out(entry, self.nodes[entry].gossip.learn(records, now), now)

    def _reached(self, entry: int, peer: PeerId, now: float) -> None:
        self.carry_out(entry, self.nodes[entry].gossip.answered(peer, now), now)


def _own(spec: PeerSpec) -> list[Agent]:
    """A peer's agents as its own node has them."""
    return [replace(agent, place="here") for agent in spec.agents]


def _id_of(j: int) -> PeerId:
    return peer_id(hashlib.sha256(f"peer {j}".encode()).digest())


def _sealed(record: Record) -> Signed:
    """In an envelope with an empty signature: nobody forges here, and a thousand peers' elliptic curves take hours."""
    return seal(record, NET, lambda _: bytes(64))
