"""Who waits at the door of our engine, and who enters next (P). The gateway and the simulator drive the same object.

Requests are of two classes: our own programs' and other peers'. The rules:

1. Our own enter in one order: that of arrival, unless another is given. Other peers' enter by fair shares of the work
   (fair_share.py), those of one peer in that order.
2. Our own enter first, whenever the engine has a slot for them. A request of our own that must stay here waits with the
   others of its class.
3. Another peer's request enters when a slot of their share is free (capacity/rules.py) and none of our own waits, or
   when OWN_IN_A_ROW of our own have entered while it waited. So no class waits for ever.
4. More than `limit` of our own do not wait here: the first of them enters the engine, which queues by itself, and the
   newcomer takes the last place. Example: with 256 in line, the 257th lets the first one in. So the order is kept, and
   the line stays short enough to be looked through.
5. One peer has all but one of the places that others may have inside, where there are two or more, and all but one of
   those in line. So no peer keeps the rest out, whatever it does there. Of those who wait, the first whose peer has
   room enters.
6. Where all places in line are taken, the last request of who has had the most for his weight gives way to one of who
   has had less. So others do not wait outside until who asks the most has had enough.
7. An engine that is gone lets all of our own in: they must hear of it.

Mostly nobody waits and few are inside. The line is calm then: whoever comes or goes changes nothing for others, and
does so by a short way (`enters_calmly`, `leaves_calmly`) that comes to the same. `settle` says up to how many inside;
another peer's request enters so while a slot of their share is free, and takes nothing from anybody: it is counted in
no share until somebody waits. Where the engine has 8 slots and does not tell
them, it is calm with up to 23 (rules.py's calm_limit).

Knows nothing of sockets, clocks and engines, and of who is asking no more than a name.
"""

from bisect import insort
from collections.abc import Callable, Iterator
from math import ceil
from typing import Generic, TypeVar

import msgspec

from gateway.beliefs.jobs import Doing
from gateway.capacity.fair_share import FairShare, Weight
from gateway.capacity.rules import (
    AdmissionConfig,
    EngineLoad,
    Room,
    admission_state,
    calm_limit,
    is_line_full,
    may_start_local,
    may_start_remote,
    peer_places,
    remote_slots,
)

LINE_LIMIT = 256  # requests of our own that wait in line; each is decided again now and then
OWN_IN_A_ROW = 8  # of our own that may pass a waiting request of another peer: it gets at least one turn in nine
LOOKERS = 8  # the first of our own in line look for another peer; when they leave, others become the first
LOOK_S = 0.5  # seconds between two looks where no news comes


class Ticket(msgspec.Struct, eq=False):
    """A request's place at the door.

    `since` is when it was asked, in seconds of the caller's clock: who comes back from another peer's refusal keeps it.
    `may_look`: whether another peer may answer it as well, so that it looks around while it waits. `is_inside` turns
    true when it enters. `peer` names who asks, where it is another peer; without a name nobody is told apart. `work` is
    what another peer's request came to, in tokens; None: not told. `clock`, `counted` and `rate` are fair_share.py's.
    """

    since: float
    is_own: bool
    may_look: bool = False
    peer: str = ""
    is_inside: bool = False
    work: float | None = None
    clock: str = ""
    counted: float = 0.0
    rate: float = 0.0


Place = TypeVar("Place", bound=Ticket)
Order = Callable[[Ticket], float]  # the least enters first


def by_arrival(ticket: Ticket) -> float:
    """First come, first served."""
    return ticket.since


class Line(Generic[Place]):
    """Who waits, who is inside, who is next. `Place` is the caller's own kind of Ticket."""

    def __init__(
        self,
        config: AdmissionConfig,
        order: Order = by_arrival,
        limit: int = LINE_LIMIT,
        weight: Weight = lambda peer: 0.0,
    ) -> None:
        """`weight` of another peer's share, in [0, 1]; 0: a newcomer."""
        self.config = config
        self._share = FairShare(weight)
        self._order, self._limit = order, limit
        self._own: list[Place] = []
        self._others: list[Place] = []
        self.inside = self._others_inside = 0  # requests that have entered and not left
        self.aside = 0  # free slots that are set aside (lent.py): nobody enters them here
        self.doing = Doing(gen=0)  # who waits, who is inside, and who came another way, as of the room settled last
        self._calm = -1  # so many may be inside while the line is calm; -1: it is not
        # While it is, so many may be inside where another peer's request enters; of others' so many, and of one peer's.
        self._free = self._most_others = self._most_of_one = 0
        self._room: Room | None = None  # of which `_calm_limit` was made
        self._calm_limit = -1
        self._of_peer = dict[str, int]()  # inside, by name
        self._passed = 0  # of our own that entered since the first of the others waits
        self._uncounted = dict[Place, None]()  # of others inside: who entered calmly, since when nobody has waited
        self.arrivals = 0  # requests that this peer answers; one that looks around is another's until it enters

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits."""
        return not (self._own or self._others)

    def load(self, room: Room) -> EngineLoad:
        """What the engine is doing: our own jobs as they are this moment, other programs' as it last told."""
        slots, inside = room.slots, self.inside
        own_queued = max(0, inside - max(slots, self._others_inside))
        running = min(slots, inside + room.elsewhere)
        return EngineLoad(slots, running, self._others_inside, self._waiting(room), len(self._own) + own_queued, inside)

    def is_full(self, room: Room) -> bool:
        """Whether another peer's request is refused, unless somebody who waits gives it its place."""
        if self.is_calm(room) or not is_line_full(self._waiting(room), room.slots, self.config):
            return False
        return admission_state(self.load(room), self.config) == "closed"

    def is_closed(self, room: Room) -> bool:
        """Whether it is refused, whoever asks."""
        return self.is_full(room) and not self.has_place_to_give

    def _waiting(self, room: Room) -> int:
        """Requests in line, and those inside that wait for a slot of the engine."""
        return len(self._own) + len(self._others) + room.queued(self.inside)

    def is_full_for(self, peer: str, room: Room) -> bool:
        """Whether this peer has as many places in line as one may have."""
        if not (peer and self._others):
            return False
        limit = ceil(self.config.queue_per_slot * room.slots)
        return sum(place.peer == peer for place in self._others) >= peer_places(limit)

    def giving_way(self, peer: str) -> Place | None:
        """Who waits, and leaves its place to a request of this peer where all are taken; None where nobody has to."""
        return self._share.gives_way(self._others, peer) if peer else None

    @property
    def has_place_to_give(self) -> bool:
        """Whether somebody waits with several requests, so that who has none gets a place where all are taken."""
        peers = [place.peer for place in self._others if place.peer]
        return len(set(peers)) < len(peers)

    def settle(self, room: Room) -> None:
        """Work out anew whether the line is calm: after whatever happened while it was not, or in another room."""
        if room is not self._room:
            self.doing.jobs += room.elsewhere - (self._room.elsewhere if self._room else 0)
            self.doing.slots = room.slots
            self._room, self._calm_limit = room, calm_limit(room, self.config)
            self._most_others = remote_slots(room.slots, self.config.reserve)
            self._most_of_one = peer_places(self._most_others)
        self._calm = self._calm_limit - self.aside if self.is_empty else -1
        self._free = min(self._calm, room.slots - room.elsewhere - self.aside)

    def is_calm(self, room: Room) -> bool:
        """Whether nobody is to be let in, and the line is not full. Only in the room in which it was settled last."""
        return room is self._room and self.inside <= self._calm

    def enters_calmly(self, place: Place) -> bool:
        """Whether a request enters a calm line, and it stays calm; one of our own looks nowhere else."""
        if self.inside >= self._calm:
            return False
        if place.is_own:
            place.is_inside = True
            self.inside += 1
        elif self.inside < self._free and self._others_inside < self._most_others and self._has_room_for(place):
            self._enter(place)
            self._uncounted[place] = None
        else:
            return False
        self.doing.jobs += 1
        self.arrivals += 1
        return True

    def leaves_calmly(self, place: Place) -> bool:
        """Whether a request leaves, while the line is calm: all are inside then."""
        if self.inside > self._calm:
            return False
        self._leave(place)
        self.doing.jobs -= 1
        return True

    def enters_at_once(self, place: Place, room: Room) -> bool:
        """Whether a request enters now, as if it had joined and been admitted: nobody waits, and it may."""
        if self._own or self._others:
            return False
        if place.is_own:
            if not self._lets_own_in(room):
                return False
        elif self._lets_others_in(room) and self._has_room_for(place, room):
            self._count()
            self._share.join(place)
            self._share.enter(place)
        else:
            return False
        self.arrivals += not place.may_look
        self.doing.jobs += 1
        self._enter(place)
        return True

    def join(self, place: Place) -> None:
        """Take a place in line; `admit` says who enters then."""
        self.arrivals += not place.may_look
        self.doing.jobs += 1
        self._calm = -1
        self._count()
        insort(self._own if place.is_own else self._others, place, key=self._order)
        if not place.is_own:
            self._share.join(place)

    def admit(self, room: Room) -> Iterator[Place]:
        """Those whose turn has come, in order; each counts as inside from the moment it is given out."""
        while (place := self._next(room)) is not None:
            (self._own if place.is_own else self._others).remove(place)
            if not place.is_own:
                self._share.enter(place)
            self._enter(place)
            yield place

    def leave(self, place: Place) -> None:
        """Done, hung up, or gone elsewhere: its slot or its place in line is free. `admit` says who enters then."""
        self.doing.jobs -= 1
        if not place.is_inside:
            (self._own if place.is_own else self._others).remove(place)
            if not place.is_own:
                self._share.leave(place)
        else:
            self._leave(place)

    def looking(self) -> list[Place]:
        """The first of our own in line that another peer may answer as well: they look for one."""
        looking: list[Place] = []
        for place in self._own:
            if place.may_look:
                looking.append(place)
            if len(looking) == LOOKERS:
                break
        return looking

    def __iter__(self) -> Iterator[Place]:
        """Everybody who waits, our own first, each class in its order."""
        return iter([*self._own, *self._others])

    def _next(self, room: Room) -> Place | None:
        if len(self._own) > self._limit or (self._own and not room.is_ready):
            return self._own[0]
        if self._others and self._lets_others_in(room):
            may = (place for place in self._others if self._has_room_for(place, room))
            if (first := self._share.first(may)) is not None:
                return first
        return self._own[0] if self._own and self._lets_own_in(room) else None

    def _lets_own_in(self, room: Room) -> bool:
        """Whether the first of our own enters, where no other peer's request goes before it."""
        return not room.is_ready or may_start_local(self.inside + self.aside, room)

    def _lets_others_in(self, room: Room) -> bool:
        """Whether the first of the others enters, whose peer has room."""
        load = self.load(room)
        load = load._replace(running=load.running + self.aside) if self.aside else load
        return may_start_remote(load, self.config, is_due=self._passed >= OWN_IN_A_ROW)

    def _has_room_for(self, place: Place, room: Room | None = None) -> bool:
        """Whether as many of its peer's may be inside, in this room; None: as settled last."""
        most = self._most_of_one if room is None else peer_places(remote_slots(room.slots, self.config.reserve))
        return not place.peer or self._of_peer.get(place.peer, 0) < most

    def _enter(self, place: Place) -> None:
        place.is_inside = True
        self.inside += 1
        self.arrivals += place.may_look
        if place.is_own:
            self._passed += bool(self._others)
        else:
            self._others_inside += 1
            self._of_peer[place.peer] = self._of_peer.get(place.peer, 0) + 1
            self._passed = 0

    def _count(self) -> None:
        """Somebody may wait from now on: whoever is inside counts."""
        for place in self._uncounted:
            self._share.join(place)
            self._share.enter(place)
        self._uncounted.clear()

    def _leave(self, place: Place) -> None:
        """One that is inside."""
        self.inside -= 1
        if place.is_own:
            return
        self._others_inside -= 1
        if place in self._uncounted:
            del self._uncounted[place]
        else:
            self._share.leave(place, place.counted if place.work is None else place.work)
        left = self._of_peer[place.peer] - 1
        if left:
            self._of_peer[place.peer] = left
        else:
            del self._of_peer[place.peer]
