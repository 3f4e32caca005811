"""What routing tells everybody else: a few rows, best first, and why (P).

A Decision holds columns over all N candidates and stays inside routing. A Choice is made from it and goes on to
serving, logs, headers, pages and the command line: they show what was decided, and decide nothing again.
"""

from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import NamedTuple, overload

import msgspec

from discovery.records import Agent, PeerId
from gateway.beliefs.jobs import Expectation, Reservation


class Candidate(Expectation, frozen=True):
    """One agent of one peer, as it was judged for one query. Seconds and scores are expectations.

    `excluded` is None for a candidate, else the reason why this pair is none. A request that is sent reaches the peer
    after `arrives_in_s`, and is learnt from by what was expected of it here.
    """

    peer_id: PeerId
    queue: PeerId  # the key of the belief about who serves it: the peer, or one of its engines
    engine: int  # of its peer, see Agent.engine
    peer_name: str
    model: str
    local: bool
    last_resort: bool  # asked when nobody else can answer
    score: float
    wait_s: float
    service_s: float
    risk_s: float
    crowding_s: float
    cost_s: float
    utility: float
    excluded: str | None
    unprofiled: bool
    arrives_in_s: float
    basis: str = ""  # what its score rests on, such as "measured on 14 questions of food"
    is_auto: bool = False  # the query names neither model nor peer
    personal: Agent | None = None  # what is told of a personal agent; None of a bare model
    likely: float = 0.0  # P, how likely the query is of this agent's topics; 0 of one without
    late_after_s: float = inf  # after which its first word is late; inf: it is ours, or loads its model

    def reservation(self, now: float) -> Reservation:
        """What to count as taken, and to learn from, when the query is sent here at `now`."""
        return Reservation(self.queue, now + self.arrives_in_s, self)


class Figures(NamedTuple):
    """What a log says of one who might have answered: the fields of a Candidate that have these names."""

    peer_name: str
    score: float
    wait_s: float
    service_s: float
    cost_s: float
    utility: float


class Order(Sequence[Candidate]):
    """Candidates, best first, each made when it is looked at: mostly the first alone is."""

    def __init__(
        self, rows: Sequence[int], made: Callable[[int], Candidate], figured: Callable[[int], Figures]
    ) -> None:
        """`rows`: of the roster, in this order; `made(row)` and `figured(row)` know the rest."""
        self._rows, self._made, self._figured = rows, made, figured
        self._known: dict[int, Candidate] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Candidate: ...

    @overload
    def __getitem__(self, place: slice) -> "Order": ...

    def __getitem__(self, place: int | slice) -> "Candidate | Order":
        if isinstance(place, slice):
            return Order(self._rows[place], self._made, self._figured)
        row = self._rows[place]
        if row not in self._known:
            self._known[row] = self._made(row)
        return self._known[row]


class Leading(Sequence[Candidate]):
    """A candidate, and behind it those who are found once somebody looks past it."""

    def __init__(self, first: Candidate, found: Callable[[], Sequence[Candidate]]) -> None:
        self._first, self._others = (first,), Found(found)

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return 1 + len(self._others)

    @overload
    def __getitem__(self, place: int) -> Candidate: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Candidate]: ...

    def __getitem__(self, place: int | slice) -> Candidate | Sequence[Candidate]:
        if place == 0:
            return self._first[0]
        if place == _FIRST:
            return self._first
        return self._others if place == _OTHERS else (*self._first, *self._others)[place]


class Found(Sequence[Candidate]):
    """Candidates who are found once somebody looks at them."""

    def __init__(self, found: Callable[[], Sequence[Candidate]]) -> None:
        self._found = found
        self._all: Sequence[Candidate] | None = None

    def __len__(self) -> int:
        return len(self._looked_at())

    @overload
    def __getitem__(self, place: int) -> Candidate: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Candidate]: ...

    def __getitem__(self, place: int | slice) -> Candidate | Sequence[Candidate]:
        return self._looked_at()[place]

    def _looked_at(self) -> Sequence[Candidate]:
        if self._all is None:
            self._all = self._found()
        return self._all


_FIRST, _OTHERS = slice(1), slice(1, None)


def figures(order: Sequence[Candidate]) -> Iterable[Figures | Candidate]:
    """What a log says of each, without that a candidate is made for it."""
    return map(order._figured, order._rows) if isinstance(order, Order) else order


class Choice(msgspec.Struct, frozen=True):
    """Whom to ask, best first, and why.

    `reason` says how the first was found (docs/architecture.md lists the reasons). `order` is empty where nobody may
    answer. `rest` holds everybody else: where `order` is empty, and where an explanation was asked for.
    """

    reason: str
    beta_per_s: float
    order: Sequence[Candidate]
    may_go_elsewhere: bool  # whether another peer may answer, now or as soon as it has room
    rest: tuple[Candidate, ...] = ()
    among: int = 0  # pairs that were judged
    explained: Callable[[], "Choice"] | None = None  # the same with everybody in it

    @property
    def target(self) -> Candidate | None:
        """The first to ask."""
        return self.order[0] if self.order else None

    @property
    def weighed(self) -> Sequence[Candidate]:
        """Those of the order who were weighed against each other: an idle engine of ours that is good enough is not."""
        return self.order[:1] if self.reason == "local_idle" else self.order
