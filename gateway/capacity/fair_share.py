"""Which of the other peers that wait enters next (P): fair shares of the work, by weight.

Deficit round robin in the limit of a small quantum: each peer has a clock that runs ahead by its work over its weight,
and whose clock is the furthest behind is next. So a peer of weight 1 gets twice the work of one of weight .5 while both
wait, whatever the size and number of their requests. Four rules beside that:

1. Newcomers, who have no weight, share one clock. While others wait it gets NEWCOMERS_SHARE of the work, however many
   they are: a hundred new names gain nothing. Among themselves they go by what each had.
2. Who was away begins where the others are: nobody saves up turns. What he had too much of, he still owes; what he had
   while nobody waited was not too much, and is not counted (line.py).
3. What a request costs is known when it is done. It is counted as an ordinary one until then, and set right.
4. Where all places in line are taken, who would be done before the last of another gets that one's place. So nobody
   keeps others out by asking more often than he is answered.

Knows nothing of tokens, receipts and engines: work and weights are numbers.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

NEWCOMERS_SHARE = 0.2  # of the work, while peers with a weight wait; all of it while none does
ORDINARY = 500.0  # work of a request, before any was done
PEERS_LIMIT = 4096  # whose clocks are remembered: in mode `open` everybody may come
NEWCOMERS = ""  # the name of their common clock

Weight = Callable[[str], float]  # of a peer, in [0, 1]; 0: a newcomer


class Waiting(Protocol):
    """Who waits, as far as the share is concerned."""

    peer: str
    clock: str  # that runs for it: its peer's, or the newcomers'
    counted: float  # what it was counted as when it entered
    rate: float  # what its clocks ran ahead by for each unit of it


Who = TypeVar("Who", bound=Waiting)


class FairShare:
    """The clocks of the peers that use one engine."""

    def __init__(self, weight: Weight = lambda peer: 0.0) -> None:
        self._weight = weight
        self._clocks = _Clocks()  # of peers with a weight, and of the newcomers together
        self._among_newcomers = _Clocks()
        self._present = dict[str, int]()  # requests that wait or are inside, by peer
        self._weights = dict[str, float]()  # of those of these peers that have one, as they joined last
        self._ordinary = ORDINARY

    def join(self, who: Waiting) -> None:
        """It waits from now on, and runs the clock that is its peer's now, by its weight now."""
        peer = who.peer
        weight, here = self._weight(peer), self._present.get(peer, 0)
        if not here:
            self._catch_up(peer, weight)
        self._present[peer] = here + 1
        if weight > 0:
            who.clock, who.rate = peer, 1 / weight
            self._weights[peer] = weight
        else:
            who.clock, who.rate = NEWCOMERS, 0.0
            self._weights.pop(peer, None)

    def _catch_up(self, peer: str, weight: float) -> None:
        """This peer has been away."""
        if weight > 0:
            self._clocks.catch_up(peer)
        else:
            if len(self._weights) == len(self._present):  # and so have all newcomers
                self._clocks.catch_up(NEWCOMERS)
            self._among_newcomers.catch_up(peer)

    def first(self, waiting: Iterable[Who]) -> Who | None:
        """Who of them enters next; of one peer's, the first. None where nobody waits."""
        heads: dict[str, Who] = {}
        for who in waiting:
            heads.setdefault(who.peer, who)
        return min(heads.values(), key=self._behind, default=None)

    def gives_way(self, waiting: Sequence[Who], peer: str) -> Who | None:
        """Which of those who wait leaves its place to a request of this peer; None where none has to."""
        of_peer = Counter(who.peer for who in waiting)
        clocks = {name: self._clock_of(name) for name in (peer, *of_peer)}  # read once: weights fade meanwhile
        of_clock = Counter(clocks[who.peer] for who in waiting)
        mine = clocks[peer]
        last = max(of_clock, key=lambda clock: self._done(clock, of_clock[clock]), default=mine)
        is_common = last == mine or self._done(last, of_clock[last]) <= self._done(mine, of_clock[mine] + 1)
        if is_common and mine != NEWCOMERS:
            return None
        clock = mine if is_common else last  # among newcomers one may give way to another
        among = [other for other in of_peer if clocks[other] == clock]
        behind = max(among, key=lambda other: self._done_among(other, of_peer[other]), default=peer)
        if is_common and self._done_among(behind, of_peer[behind]) <= self._done_among(peer, of_peer[peer] + 1):
            return None
        return next(who for who in reversed(waiting) if who.peer == behind)

    def enter(self, who: Waiting) -> None:
        """It enters, and is counted as an ordinary request."""
        who.counted = counted = self._ordinary
        if who.clock == NEWCOMERS:
            who.rate = 1 / self._weight_of(NEWCOMERS)
            self._among_newcomers.enter(who.peer, counted)
        self._clocks.enter(who.clock, counted * who.rate)

    def leave(self, who: Waiting, work: float | None = None) -> None:
        """It is gone. `work`: what it came to, where it was inside and that is known."""
        peer = who.peer
        here = self._present[peer] - 1
        if here:
            self._present[peer] = here
        else:
            del self._present[peer]
            self._weights.pop(peer, None)
        if work is not None and who.counted:
            more = work - who.counted
            self._clocks.run(who.clock, more * who.rate)
            if who.clock == NEWCOMERS:
                self._among_newcomers.run(peer, more)
            self._ordinary += (work - self._ordinary) / 16

    def _clock_of(self, peer: str) -> str:
        return peer if self._weight(peer) > 0 else NEWCOMERS

    def _weight_of(self, clock: str) -> float:
        if clock != NEWCOMERS:
            return self._weight(clock) or 1.0  # a newcomer's by now
        return sum(self._weights.values()) * NEWCOMERS_SHARE / (1 - NEWCOMERS_SHARE) or 1.0

    def _behind(self, who: Waiting) -> tuple[float, float]:
        return self._clocks[who.clock], self._among_newcomers[who.peer] if who.clock == NEWCOMERS else 0.0

    def _done(self, clock: str, requests: int) -> float:
        """Where the clock stands once so many more ordinary requests have entered."""
        return self._clocks[clock] + requests * self._ordinary / self._weight_of(clock)

    def _done_among(self, peer: str, requests: int) -> float:
        return self._among_newcomers[peer] + requests * self._ordinary


class _Clocks:
    """How far each has run; who is not known is where the others are."""

    def __init__(self) -> None:
        self._clocks = OrderedDict[str, float]()  # the one that ran longest ago is the first
        self._now = 0.0  # the clock of the last who entered, the furthest of them

    def __getitem__(self, name: str) -> float:
        return self._clocks.get(name, self._now)

    def catch_up(self, name: str) -> None:
        self._clocks[name] = max(self[name], self._now)

    def enter(self, name: str, by: float) -> None:
        """It enters, and runs on by so much."""
        at = self._clocks.get(name, self._now)
        if at > self._now:
            self._now = at
        self.run(name, by)

    def run(self, name: str, by: float) -> None:
        self._clocks[name] = self._clocks.pop(name, self._now) + by  # the last from now on
        if len(self._clocks) > PEERS_LIMIT:
            self._clocks.popitem(last=False)
