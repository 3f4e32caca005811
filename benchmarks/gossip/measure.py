"""What is measured of a virtual network: how soon news is everywhere, a death noticed, a wound healed, and the cost."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.gossip.cluster import Cluster, Node, id_of
from discovery.records import PeerId

_GEN = 1_760_000_000  # generations are unix seconds: their bytes count
_SETTLE_S, _SETTLE_FAR_S = 10.0, 120.0
_OBSERVERS = 50  # about so many are looked at where each pair would be too many
_DETECT_S = 40.0  # within it a crash should have been noticed by all
_DETECT_FAR_S = 480.0  # the same where there are relays
_ARRIVE_S, _ARRIVE_FAR_S = 15.0, 90.0  # the last card's time to arrive, likewise
_LOOK_S = 10.0  # so often it is seen whether all noticed it
_TELL_S = 10.0
_STALL_S = 5.0  # a stalled process stands still so long,
_STALL_EVERY_S = 30.0  # so often
_HEAL_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One network and what it has to bear. Shares are of 1."""

    nodes: int
    homes: int = 0  # that share the nodes, with one relay between them; 0: all reach all directly
    loss: float = 0.0  # of messages, each way
    seconds: float = 60.0  # of ordinary life, measured for traffic, convergence and false deaths
    cards: int = 10  # new cards published meanwhile
    crashes: int = 5
    partition_s: float = 0.0  # half of the network is cut off from the other half for so long
    churn: float = 0.0  # of the nodes go and come every minute, for three minutes
    stall: float = 0.0  # of the nodes stand still for 5 s every 30 s, during ordinary life
    one_way: float = 0.0  # of the directed links carry nothing, always
    delay_s: tuple[float, float] = (0.001, 0.02)  # uniform: so messages overtake each other
    duplicate: float = 0.01  # of messages arrive twice


@dataclass(slots=True)
class Measured:
    """What came of one seed. Times in seconds, one entry a pair (news, peer it reached)."""

    convergence_s: list[float] = field(default_factory=list)
    complete: float = 1.0  # share of the pairs that were reached
    detection_s: list[float] = field(default_factory=list)
    undetected: int = 0  # pairs (crashed, observer) after 40 s; with homes 480 s
    false_deaths: int = 0
    bytes_per_s: float = 0.0  # sent and received, a node
    messages_per_s: float = 0.0  # sent, a node: requests and answers that say something
    relay_bytes_per_s: float = 0.0  # that pass the relay, with HTTP and TLS, each counted once
    relay_exchanges_per_s: float = 0.0
    # Since a living far peer was heard of, a pair, whenever a card was told.
    silence_s: list[float] = field(default_factory=list)
    heal_s: float | None = None
    agree_s: float | None = None
    ghosts: int = 0


def measure(scenario: Scenario, seed: int, tell: Callable[[float], None] = lambda now: None) -> Measured:
    """One network through all of its scenario; `tell` is called every 10 s of virtual time with the time."""

    def report() -> None:
        tell(cluster.now)
        cluster.at(cluster.now + _TELL_S, report)

    with _without_collections():
        cluster = Cluster(scenario.nodes, seed=seed, gen=_GEN, acquainted=True, homes=scenario.homes)
        report()
        try:
            return _measured(cluster, scenario)
        finally:
            cluster.close()


@contextmanager
def _without_collections() -> Iterator[None]:
    """Without garbage collections: a million records hold no cycles, and looking for some takes long."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _measured(cluster: Cluster, scenario: Scenario) -> Measured:
    cluster.loss, cluster.delay_s, cluster.duplicate = scenario.loss, scenario.delay_s, scenario.duplicate
    _cut_one_way(cluster, scenario.one_way)
    measured = Measured()
    cluster.advance(_SETTLE_FAR_S if scenario.homes else _SETTLE_S)
    _live(cluster, scenario, measured)
    _crash(cluster, scenario, measured)
    if scenario.partition_s:
        measured.heal_s = _partition(cluster, scenario.partition_s)
    if scenario.churn:
        _churn(cluster, scenario, measured)
    return measured


def _cut_one_way(cluster: Cluster, share: float) -> None:
    if share:
        ids = [node.id for node in cluster.nodes]
        closed = {(a, b) for a in ids for b in ids if cluster.rng.random() < share}
        cluster.cut = lambda one, other: (one, other) in closed


def _live(cluster: Cluster, scenario: Scenario, measured: Measured) -> None:
    """Ordinary life: cards are renewed, some processes stall, nobody dies."""
    before = [(node.sent, node.sent_bytes + node.received_bytes) for node in cluster.nodes]
    start, cards = cluster.now, min(scenario.cards, scenario.nodes)
    relayed = cluster.relay_bytes, cluster.relay_exchanges
    published: dict[PeerId, float] = {}
    number = 0
    for until in _marks(scenario.seconds, cards):
        if number < cards:
            cluster.rename(number, f"renamed-{number}")
            published[id_of(number)] = cluster.now
            number += 1
        _advance_stalling(cluster, start + until, scenario.stall)
        measured.silence_s += _silences(cluster)
    if cards:
        cluster.advance(_ARRIVE_FAR_S if scenario.homes else _ARRIVE_S)
        measured.convergence_s = _times(cluster.nodes, "card", published)
        measured.complete = len(measured.convergence_s) / (cards * (scenario.nodes - 1))
    elapsed = cluster.now - start
    measured.relay_bytes_per_s = (cluster.relay_bytes - relayed[0]) / elapsed
    measured.relay_exchanges_per_s = (cluster.relay_exchanges - relayed[1]) / elapsed
    sent = [(n.sent - s, n.sent_bytes + n.received_bytes - b) for n, (s, b) in zip(cluster.nodes, before, strict=True)]
    measured.messages_per_s = sum(messages for messages, _ in sent) / scenario.nodes / elapsed
    measured.bytes_per_s = sum(size for _, size in sent) / scenario.nodes / elapsed
    measured.false_deaths = len(cluster.events("dead"))


def _silences(cluster: Cluster) -> list[float]:
    """Since when some observers have heard nothing of each far peer: all are alive."""
    observers = cluster.nodes[:: max(1, cluster.size // _OBSERVERS)]
    return [
        cluster.now - member.heard_at
        for node in observers
        for member in node.gossip.members()
        if cluster.are_far(node.id, member.id)
    ]


def _marks(seconds: float, parts: int) -> Iterator[float]:
    """The ends of `parts` equal parts of `seconds`, one at least."""
    parts = max(1, parts)
    return (seconds * (part + 1) / parts for part in range(parts))


def _advance_stalling(cluster: Cluster, until: float, share: float) -> None:
    """Every 30 s another `share` of the nodes stands still for 5 s."""
    while cluster.now < until:
        if not share:
            cluster.advance(until - cluster.now)
            return
        due_s = _STALL_EVERY_S - cluster.now % _STALL_EVERY_S
        if cluster.now + due_s > until:
            cluster.advance(until - cluster.now)
            return
        cluster.advance(due_s)
        for number in cluster.rng.sample(range(cluster.size), round(share * cluster.size)):
            cluster.stall(number, _STALL_S)


def _times(observers: list[Node], kind: str, since: dict[PeerId, float]) -> list[float]:
    """For every observer and every peer of `since`: how long after it the first event of `kind` came."""
    times = []
    for node in observers:
        seen: set[PeerId] = set()
        for at, event in node.events:
            began = since.get(event.peer)
            if event.kind == kind and began is not None and at >= began and event.peer not in seen:
                seen.add(event.peer)
                times.append(at - began)
    return times


def _crash(cluster: Cluster, scenario: Scenario, measured: Measured) -> None:
    crashed = {}
    for number in range(scenario.nodes - min(scenario.crashes, scenario.nodes // 4), scenario.nodes):
        cluster.crash(number)
        crashed[id_of(number)] = cluster.now
        cluster.advance(0.7)
    observers = [node for node in cluster.nodes if node.up]
    until = cluster.now + ((_DETECT_FAR_S if scenario.homes else _DETECT_S) if crashed else 0.0)
    while cluster.now < until and len(measured.detection_s) < len(crashed) * len(observers):
        cluster.advance(_LOOK_S)
        measured.detection_s = _times(observers, "dead", crashed)
    measured.undetected = len(crashed) * len(observers) - len(measured.detection_s)
    dead = sum(event.peer not in crashed for node in cluster.nodes for _, event in node.events if event.kind == "dead")
    measured.false_deaths = dead


def _partition(cluster: Cluster, seconds: float) -> float:
    """Seconds from reconnection until all hold the same of all; on both sides something was new meanwhile."""
    numbers = [n for n in range(cluster.size) if cluster.node(n).up]
    halves = numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]
    cut = cluster.cut
    cluster.partition(*halves)
    cluster.advance(seconds)
    for half in halves:
        cluster.rename(half[0], "renamed-apart")
    cluster.advance(5.0)
    cluster.cut = cut
    return _wait(cluster, lambda: _agreed(cluster))


def _churn(cluster: Cluster, scenario: Scenario, measured: Measured) -> None:
    """Half of those who go say goodbye, half crash; they come back half a minute later, as a new generation."""
    goes = [60.0 * (i + cluster.rng.random()) / (scenario.churn * cluster.size) for i in range(_goings(scenario))]
    returns: list[tuple[float, int]] = []
    start, gen = cluster.now, _GEN
    for at, following in pairwise([*goes, goes[-1] + 30.0]):
        number = cluster.rng.choice([n for n in range(cluster.size) if cluster.node(n).up])
        (cluster.leave if cluster.rng.random() < 0.5 else cluster.crash)(number)
        returns.append((start + at + 30.0, number))
        for due, back in [pair for pair in returns if pair[0] <= start + following]:
            cluster.advance(max(0.0, due - cluster.now))
            gen += 1
            _return(cluster, back, gen)
            returns.remove((due, back))
        cluster.advance(max(0.0, start + following - cluster.now))
    measured.agree_s = _wait(cluster, lambda: _living_agreed(cluster))
    cluster.advance(60.0)
    measured.ghosts = 0 if _living_agreed(cluster) else 1


def _goings(scenario: Scenario) -> int:
    return round(3 * scenario.churn * scenario.nodes)


def _return(cluster: Cluster, number: int, gen: int) -> None:
    hosts = [n for n in range(cluster.size) if cluster.node(n).up]
    cluster.start(number, gen=gen)
    cluster.introduce(number, cluster.rng.choice(hosts))


def _wait(cluster: Cluster, condition: Callable[[], bool]) -> float:
    start = cluster.now
    while not condition() and cluster.now - start < _HEAL_LIMIT_S:
        cluster.advance(0.25)
    return cluster.now - start if condition() else float("inf")


def _agreed(cluster: Cluster) -> bool:
    """Whether all running peers hold the same card of all running peers, and hold them for alive."""
    running = cluster.running()
    cards = {node.id: node.gossip.own_card() for node in running}
    for node in running:
        held = {m.id: m.card for m in node.gossip.members() if m.state == "alive"}
        for peer, card in cards.items():
            if peer != node.id and (card is None or held.get(peer) != card.record):
                return False
    return True


def _living_agreed(cluster: Cluster) -> bool:
    """Whether every running peer holds exactly the running ones for living."""
    running = {node.id for node in cluster.running()}
    return all(
        {m.id for m in node.gossip.members() if m.state in ("alive", "suspect")} == running - {node.id}
        for node in cluster.running()
    )
