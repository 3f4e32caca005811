"""Fair shares in virtual time: work goes by weight, however many requests or names somebody has."""

import heapq
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count

import pytest

from gateway.capacity.fair_share import NEWCOMERS_SHARE, ORDINARY, PEERS_LIMIT, FairShare
from gateway.capacity.line import Line, Ticket
from gateway.capacity.rules import AdmissionConfig, Room, admission_state

TOKENS_PER_S = 50.0  # of a slot
Size = Callable[[random.Random], float]


@dataclass(frozen=True)
class Peer:
    """Somebody who asks without end: `at_once` requests of `size` tokens, and again a second after each refusal."""

    weight: float = 0.0
    at_once: int = 4
    size: Size = lambda rng: rng.expovariate(1 / 300)


@dataclass
class Contention:
    """Peers before one engine; a heap is time. Each request asks for a place as the door asks for it."""

    peers: Mapping[str, Peer]
    slots: int = 4
    work: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    waited: dict[str, list[float]] = field(default_factory=dict)
    _heap: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)
    _rng: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self) -> None:
        self.line = Line[Ticket](AdmissionConfig(), weight=lambda peer: self.peers[peer].weight if peer else 0.0)
        for name, peer in self.peers.items():
            for _ in range(peer.at_once):
                self.at(self._rng.random(), lambda now, name=name: self.ask(name, now))

    def at(self, when: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._heap, (when, next(self._order), act))

    def run(self, until_s: float) -> None:
        while self._heap[0][0] < until_s:
            now, _, act = heapq.heappop(self._heap)
            act(now)

    def ask(self, name: str, now: float) -> None:
        room = Room(self.slots)
        if admission_state(self.line.load(room), self.line.config) == "closed":
            pushed = self.line.giving_way(name)
            if pushed is None:
                self.refuse(name, now)
                return
            self.line.leave(pushed)
            self.refuse(pushed.peer, now)
        self.line.join(Ticket(now, is_own=False, peer=name))
        self._admit(now)

    def refuse(self, name: str, now: float) -> None:
        self.refused[name] += 1
        self.at(now + self._rng.uniform(0.5, 1.5), lambda later: self.ask(name, later))

    def _admit(self, now: float) -> None:
        for ticket in self.line.admit(Room(self.slots)):
            self.waited.setdefault(ticket.peer, []).append(now - ticket.since)
            size = self.peers[ticket.peer].size(self._rng)
            self.at(now + size / TOKENS_PER_S, lambda later, ticket=ticket, size=size: self._end(ticket, size, later))

    def _end(self, ticket: Ticket, size: float, now: float) -> None:
        ticket.work = size
        self.work[ticket.peer] += size
        self.line.leave(ticket)
        self.ask(ticket.peer, now)
        self._admit(now)

    def share(self, *names: str) -> float:
        return sum(self.work[name] for name in names) / self.work.total()


def contended(peers: Mapping[str, Peer], until_s: float = 2500.0) -> Contention:
    scene = Contention(peers)
    scene.run(until_s)
    return scene


def test_work_goes_by_weight_whoever_asks_the_most_and_the_longest() -> None:
    """A third of the weight is a third of the tokens, also for who has twenty requests at once, or much longer ones."""
    long: Size = lambda rng: rng.expovariate(1 / 900)  # noqa: E731
    scene = contended({"a": Peer(0.8), "b": Peer(0.4, at_once=20), "c": Peer(0.4, size=long)})

    shares = [scene.share(name) for name in "abc"]

    assert pytest.approx([0.5, 0.25, 0.25], rel=0.1) == shares


def test_newcomers_together_have_a_fifth_however_many_they_are() -> None:
    for many, at_once in ((1, 30), (100, 1)):
        crowd = {f"new-{k}": Peer(at_once=at_once) for k in range(many)}
        scene = contended({"a": Peer(0.5), "b": Peer(0.5), **crowd}, until_s=1500)

        assert pytest.approx(NEWCOMERS_SHARE, rel=0.1) == scene.share(*crowd)
        assert pytest.approx(scene.share("a"), rel=0.1) == scene.share("b")


def test_one_newcomer_does_not_keep_the_others_out_of_their_common_share() -> None:
    """All their places are the flood's, and those of the contributors are due to them: the flood's are given up."""
    scene = contended({"a": Peer(0.5), "b": Peer(0.5), "flood": Peer(at_once=40), "new": Peer(at_once=2)})

    assert pytest.approx(NEWCOMERS_SHARE / 2, rel=0.2) == scene.share("new")


def test_newcomers_alone_have_everything_in_equal_parts() -> None:
    scene = contended({"a": Peer(at_once=2), "b": Peer(at_once=40)})

    assert pytest.approx(0.5, rel=0.1) == scene.share("a")


def test_who_asks_within_his_share_hardly_waits_while_others_flood() -> None:
    """One request at a time, against forty: it gets a place although the line is full, and waits for a turn or two."""
    scene = contended({"a": Peer(0.5, at_once=1), "flood": Peer(0.5, at_once=40)})

    assert 0 == scene.refused["a"]
    assert 12 > max(scene.waited["a"]) and 3 > sum(scene.waited["a"]) / len(scene.waited["a"])


def test_by_arrival_who_asks_the_most_would_have_the_most() -> None:
    """So the tests above can fail: the same line without its order."""
    scene = Contention({"a": Peer(0.8), "b": Peer(0.4, at_once=20)})
    scene.line._share.first = lambda waiting: next(iter(waiting), None)  # type: ignore[method-assign]
    scene.line._share.gives_way = lambda waiting, peer: None  # type: ignore[method-assign]
    scene.run(2000)

    assert scene.share("a") < 0.5


def test_nobody_saves_up_turns_while_away() -> None:
    share = FairShare(lambda peer: 0.5)
    one_job(share, "b", ORDINARY)
    for _ in range(20):
        one_job(share, "a", ORDINARY)
    waiting = [Ticket(k, is_own=False, peer="ab"[k % 2]) for k in range(8)]

    order = served(share, waiting)

    assert {"a", "b"} == set(order[:3])  # b is one job behind at most, not nineteen


def test_what_one_had_too_much_of_is_still_owed_after_a_pause() -> None:
    share = FairShare(lambda peer: 0.5)
    one_job(share, "b", ORDINARY)
    one_job(share, "a", 10 * ORDINARY)
    waiting = [Ticket(k, is_own=False, peer="ab"[k % 2]) for k in range(8)]

    assert ["b"] * 4 == served(share, waiting)[:4]


def test_made_up_names_cost_no_memory() -> None:
    share = FairShare()
    for k in range(2 * PEERS_LIMIT):
        one_job(share, f"sybil-{k}", 1.0)

    assert PEERS_LIMIT >= len(share._among_newcomers._clocks)
    assert not share._present


def test_one_name_gives_way_to_another_and_never_to_itself() -> None:
    share = FairShare(lambda peer: 0.5)
    waiting = [Ticket(k, is_own=False, peer="a") for k in range(3)]
    for ticket in waiting:
        share.join(ticket)

    assert waiting[-1] is share.gives_way(waiting, "b")
    assert share.gives_way(waiting, "a") is None
    assert share.gives_way(waiting[:1], "b") is None


@pytest.mark.parametrize("reads", range(10))
def test_a_weight_that_fades_while_it_is_read_costs_nobody_an_error(reads: int) -> None:
    """Settling forgets a weight after a moment, and reads it anew, between any two looks at it."""
    weights = iter([0.5] * reads)
    share = FairShare(lambda peer: next(weights, 0.0))
    waiting = [Ticket(k, is_own=False, peer=peer) for k, peer in enumerate("aaab")]

    assert share.gives_way(waiting, "c") in [None, *waiting]


@pytest.mark.parametrize(("first", "then"), [(0.5, 0.0), (0.0, 0.5), (0.5, 0.25)])
def test_a_request_runs_the_clock_with_which_it_came(first: float, then: float) -> None:
    """As where the owner takes back that a machine is his own: what it was counted as is set right where it was."""
    weights = {"a": first, "b": 0.5}
    share = FairShare(weights.__getitem__)
    ticket = Ticket(0, is_own=False, peer="a")

    share.join(ticket)
    weights["a"] = then
    share.enter(ticket)
    share.leave(ticket, 0.0)

    assert 0.0 == pytest.approx(max(map(abs, share._clocks._clocks.values())))
    assert not share._present


def one_job(share: FairShare, peer: str, work: float) -> None:
    ticket = Ticket(0, is_own=False, peer=peer)
    share.join(ticket)
    share.enter(ticket)
    share.leave(ticket, work)


def served(share: FairShare, waiting: list[Ticket]) -> list[str]:
    """Who enters, one after the other, each with an ordinary request."""
    order = []
    for ticket in waiting:
        share.join(ticket)
    while waiting:
        first = share.first(waiting)
        assert first is not None
        waiting.remove(first)
        share.enter(first)
        share.leave(first, ORDINARY)
        order.append(first.peer)
    return order
