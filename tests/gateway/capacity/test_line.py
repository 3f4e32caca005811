"""Who waits and who enters next, in virtual time: nobody is passed inside a class, and no class waits for ever."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capacity.fair_share import ORDINARY
from gateway.capacity.line import LINE_LIMIT, LOOKERS, OWN_IN_A_ROW, Line, Ticket
from gateway.capacity.rules import AdmissionConfig, Room, admission_state, remote_slots

SERVICE_S = 1.0


@dataclass
class Bench:
    """A line before an engine that takes SERVICE_S for each job and queues what it has no slot for; a heap is time."""

    slots: int = 1
    line: Line[Ticket] = field(default_factory=lambda: Line(AdmissionConfig()))
    began: list[Ticket] = field(default_factory=list)  # in the order in which the engine began them
    ended: list[tuple[float, Ticket]] = field(default_factory=list)
    _queue: list[Ticket] = field(default_factory=list)
    _running: int = 0
    _heap: list[tuple[float, int, Ticket, bool]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)

    def arrive(self, ticket: Ticket) -> None:
        heapq.heappush(self._heap, (ticket.since, next(self._order), ticket, True))

    def run(self, until_s: float) -> None:
        while self._heap and self._heap[0][0] <= until_s:
            now, _, ticket, has_come = heapq.heappop(self._heap)
            if has_come:
                self.line.join(ticket)
            else:
                self.ended.append((now, ticket))
                self.line.leave(ticket)
                self._running -= 1
            self._queue += self.line.admit(Room(self.slots))
            while self._queue and self._running < self.slots:
                self._running += 1
                self.began.append(self._queue.pop(0))
                heapq.heappush(self._heap, (now + SERVICE_S, next(self._order), self.began[-1], False))


def own(since: float, *, may_look: bool = True) -> Ticket:
    return Ticket(since, is_own=True, may_look=may_look)


def other(since: float) -> Ticket:
    return Ticket(since, is_own=False)


def stream(rate: float, n: int, *, may_look: bool = True) -> Iterator[Ticket]:
    return (own(k / rate, may_look=may_look) for k in range(n))


def test_at_twice_the_capacity_everybody_is_answered_in_the_order_of_arrival() -> None:
    """Three lines' worth of requests: the line is full for most of the time, and the newest gain nothing by that."""
    bench, asked = Bench(), list(stream(2 / SERVICE_S, 3 * LINE_LIMIT))
    for ticket in asked:
        bench.arrive(ticket)

    bench.run(until_s=3 * LINE_LIMIT * SERVICE_S + 1)

    assert asked == bench.began
    assert asked == [ticket for _, ticket in bench.ended]


def test_who_waits_at_the_door_is_not_passed_by_an_endless_stream_that_must_stay_here() -> None:
    """One slot, all of it taken by requests that may not travel: those that may are answered in their order too."""
    bench = Bench()
    stays = list(stream(2 / SERVICE_S, 400, may_look=False))
    travels = [own(10.25 + 20 * k) for k in range(5)]
    for ticket in (*stays, *travels):
        bench.arrive(ticket)

    bench.run(until_s=300.0)

    assert sorted(bench.began, key=lambda ticket: ticket.since) == bench.began
    assert set(travels) <= {ticket for _, ticket in bench.ended}


def test_another_peers_request_gets_one_turn_in_nine_however_many_are_our_own() -> None:
    bench = Bench()
    for ticket in (*stream(3 / SERVICE_S, 300), *(other(k * 1e-3) for k in range(3))):
        bench.arrive(ticket)

    bench.run(until_s=60.0)

    theirs = [place for place, ticket in enumerate(bench.began) if not ticket.is_own]
    assert 3 == len(theirs)
    assert all(gap <= OWN_IN_A_ROW + 1 for gap in (theirs[1] - theirs[0], theirs[2] - theirs[1]))


def test_our_own_enter_first_where_both_wait() -> None:
    line = Line[Ticket](AdmissionConfig(reserve=0))
    first, ours, theirs = own(0), own(2), other(1)
    for ticket in (first, theirs, ours):
        line.join(ticket)

    assert [first] == list(line.admit(Room(1)))
    line.leave(first)

    assert [ours] == list(line.admit(Room(1)))
    assert [theirs] == list(line)


def test_a_line_over_its_limit_lets_its_first_into_the_engine() -> None:
    line = Line[Ticket](AdmissionConfig(), limit=2)
    tickets = [own(k) for k in range(4)]

    entered = []
    for ticket in tickets:
        line.join(ticket)
        entered.append([tickets.index(one) for one in line.admit(Room(1))])

    assert [[0], [], [], [1]] == entered
    assert [2, 3] == [tickets.index(one) for one in line]


def test_an_engine_that_is_gone_lets_our_own_in_and_nobody_else() -> None:
    line = Line[Ticket](AdmissionConfig())
    tickets = [own(0), own(1), own(2), other(0)]
    for ticket in tickets:
        line.join(ticket)

    entered = list(line.admit(Room(1, is_ready=False)))

    assert tickets[:3] == entered


def test_an_engine_that_names_no_slots_lets_all_of_our_own_in() -> None:
    line = Line[Ticket](AdmissionConfig())
    for since in range(5):
        line.join(own(since))

    assert 5 == len(list(line.admit(Room(1, is_elastic=True))))


def test_the_first_that_may_go_elsewhere_look() -> None:
    """Who must stay has nothing to look for, and takes nobody's place among those who look."""
    line = Line[Ticket](AdmissionConfig())
    tickets = [own(since, may_look=bool(since % 2)) for since in range(4 * LOOKERS)]
    for ticket in tickets:
        line.join(ticket)

    assert tickets[1 : 2 * LOOKERS : 2] == line.looking()


def test_who_comes_back_keeps_the_place_of_its_arrival() -> None:
    line = Line[Ticket](AdmissionConfig())
    running, early, late = own(0), own(1), own(2)
    for ticket in (running, late, early):
        line.join(ticket)
    list(line.admit(Room(1)))

    assert [early, late] == list(line)


def test_another_order_is_a_value() -> None:
    """Fair share, say, instead of arrival: the least enters first."""
    line = Line[Ticket](AdmissionConfig(reserve=0), order=lambda ticket: -ticket.since)
    tickets = [other(since) for since in (1.0, 2.0, 3.0)]
    for ticket in tickets:
        line.join(ticket)

    assert [tickets[2]] == list(line.admit(Room(1)))


STEPS = st.lists(st.tuples(st.sampled_from(["own", "stays", "other", "leave"]), st.integers(0, 99)), max_size=60)


@given(slots=st.integers(1, 4), reserve=st.integers(0, 2), elsewhere=st.integers(0, 3), steps=STEPS)
def test_whatever_happens_the_line_keeps_its_laws(
    slots: int, reserve: int, elsewhere: int, steps: list[tuple[str, int]]
) -> None:
    """Each class enters in its order, others keep to their share, and no slot that one may have stays free."""
    config, room = AdmissionConfig(reserve), Room(slots, elsewhere)
    line, there = Line[Ticket](config), list[Ticket]()
    for now, (step, which) in enumerate(steps):
        if step != "leave":
            there.append(Ticket(now, is_own=step != "other", may_look=step == "own"))
            line.join(there[-1])
        elif there:
            line.leave(there.pop(which % len(there)))
        waited = list(line)
        entered = list(line.admit(room))

        load = line.load(room)
        for is_own in (True, False):
            ours = [ticket for ticket in entered if ticket.is_own == is_own]
            assert [ticket for ticket in waited if ticket.is_own == is_own][: len(ours)] == ours
        assert load.remote_running <= remote_slots(slots, reserve)
        assert load.ours == sum(ticket.is_inside for ticket in there)
        assert not any(ticket.is_own for ticket in line) or load.ours >= slots


ROOMS = st.lists(
    st.builds(Room, st.integers(1, 3), st.integers(0, 3), is_elastic=st.booleans(), is_ready=st.booleans()), min_size=1
)
BUSY = st.lists(st.tuples(st.sampled_from(["own", "stays", "other", "leave", "leave", "room"]), st.integers(0, 99)))


@given(rooms=ROOMS, queue=st.sampled_from([0.0, 0.5, 2.0]), limit=st.integers(0, 2), steps=BUSY)
def test_who_goes_by_a_short_way_is_who_would_go_by_the_line(
    rooms: list[Room], queue: float, limit: int, steps: list[tuple[str, int]]
) -> None:
    """The same events, with and without short ways: the same are inside, wait, are counted, and find it closed."""
    config, room = AdmissionConfig(queue_per_slot=queue), rooms[0]
    weights = {"peer 0": 0.5}
    short, long = (Line[Ticket](config, limit=limit, weight=lambda peer: weights.get(peer, 0.0)) for _ in range(2))
    there = list[tuple[Ticket, Ticket]]()
    short.settle(room)
    for now, (step, which) in enumerate(steps):
        is_let_in = step == "room"
        if step == "room":
            room = rooms[which % len(rooms)]
        elif step == "leave" and there:
            mine, twin = there.pop(which % len(there))
            if not short.leaves_calmly(mine):
                short.leave(mine)
                is_let_in = not short.is_calm(room)
            long.leave(twin)
        elif step != "leave":
            is_own, peer = step != "other", f"peer {which % 2}" if step == "other" else ""
            mine, twin = (Ticket(now, is_own=is_own, may_look=step == "own", peer=peer) for _ in range(2))
            there.append((mine, twin))
            if not short.enters_calmly(mine):
                if not short.enters_at_once(mine, room):
                    short.join(mine)
                is_let_in = not short.is_calm(room)
            long.join(twin)
        if is_let_in:
            list(short.admit(room))
            short.settle(room)
        list(long.admit(room))

        assert [mine.is_inside for mine, _ in there] == [twin.is_inside for _, twin in there]
        load = short.load(room)
        assert (load.running + load.waiting, room.slots) == (short.doing.jobs, short.doing.slots)
        assert (load, short.arrivals) == (long.load(room), long.arrivals)
        assert short.is_closed(room) == long.is_closed(room)
        assert [ticket.since for ticket in short] == [ticket.since for ticket in long]
        if list(short):
            assert short._share._present == long._share._present


def test_what_is_had_while_nobody_waits_is_owed_to_nobody() -> None:
    """Who is inside when somebody begins to wait counts from then on, with all of its work."""
    room = Room(3)
    line = Line[Ticket](AdmissionConfig(), weight=lambda peer: 0.5)
    line.settle(room)
    for _ in range(9):
        alone = peers("a", 1)[0]
        assert line.enters_calmly(alone)
        alone.work = 9 * ORDINARY
        assert line.leaves_calmly(alone)
    inside, other = peers("a", 1)[0], peers("b", 1)[0]
    assert line.enters_calmly(inside) and line.enters_at_once(other, room)
    line.join(peers("b", 1)[0])

    inside.work, other.work = 4 * ORDINARY, ORDINARY
    line.leave(inside)
    line.leave(other)

    clocks = line._share._clocks
    assert 3 * ORDINARY / 0.5 == pytest.approx(clocks["a"] - clocks["b"])


def peers(name: str, number: int) -> list[Ticket]:
    return [Ticket(0, is_own=False, peer=name) for _ in range(number)]


@given(
    slots=st.integers(1, 3),
    inside=st.integers(0, 5),
    others=st.integers(0, 5),
    queue=st.sampled_from([0.0, 0.5, 2.0]),
    elsewhere=st.integers(0, 3),
)
def test_the_line_is_closed_where_the_rules_close_it(
    slots: int, inside: int, others: int, queue: float, elsewhere: int
) -> None:
    config, room = AdmissionConfig(queue_per_slot=queue), Room(slots, elsewhere)
    line = Line[Ticket](config)
    for now in range(inside + others):
        line.join(Ticket(now, is_own=now < inside))
        list(line.admit(room))

    assert (admission_state(line.load(room), config) == "closed") == line.is_closed(room)


def test_arrivals_count_what_this_peer_answers() -> None:
    """A request that may look around counts when it enters: until then it may go elsewhere."""
    line = Line[Ticket](AdmissionConfig())
    looks, stays, theirs = own(0), own(1, may_look=False), other(2)
    counted = []
    for ticket in (looks, stays, theirs):
        line.join(ticket)
        counted.append(line.arrivals)

    line.leave(looks)
    list(line.admit(Room(4)))

    assert [0, 1, 2] == counted
    assert 2 == line.arrivals


# --- one of many peers ---


def of_peer(peer: str, since: float = 0.0) -> Ticket:
    return Ticket(since, is_own=False, peer=peer)


def entered(line: Line[Ticket], slots: int) -> list[str]:
    return [ticket.peer for ticket in line.admit(Room(slots))]


@given(st.integers(1, 12), st.lists(st.sampled_from("abc"), max_size=40))
def test_no_peer_has_all_that_others_may_have(slots: int, peers: list[str]) -> None:
    """Where there are two places or more: one is left for whoever comes next."""
    line = Line[Ticket](AdmissionConfig())
    most = max(1, remote_slots(slots, 1) - 1)
    for since, peer in enumerate(peers):
        line.join(of_peer(peer, since))

    inside = entered(line, slots)

    assert all(inside.count(peer) <= most for peer in "abc")
    expected = min(remote_slots(slots, 1), sum(min(most, peers.count(peer)) for peer in "abc"))
    assert expected == len(inside)  # and nothing is left free that somebody may take


def test_who_waits_for_another_peer_s_room_is_not_held_up() -> None:
    line = Line[Ticket](AdmissionConfig())
    for since, peer in enumerate("aaaab"):
        line.join(of_peer(peer, since))

    assert ["a", "b", "a"] == entered(line, slots=4)


def test_a_peer_s_places_in_line_end_before_the_line_does() -> None:
    line, room = Line[Ticket](AdmissionConfig(queue_per_slot=2)), Room(2)
    for since in range(4):  # one is inside, three wait: the line closes at four
        assert not line.is_full_for("a", room)
        line.join(of_peer("a", since))
        entered(line, slots=2)

    assert [True, False, False] == [line.is_full_for(peer, room) for peer in ("a", "b", "")]


def test_a_place_that_is_left_is_the_peer_s_again() -> None:
    line = Line[Ticket](AdmissionConfig())
    first, second, third = (of_peer("a", since) for since in range(3))
    for ticket in (first, second, third):
        line.join(ticket)
    assert ["a", "a"] == entered(line, slots=4)

    line.leave(first)

    assert ["a"] == entered(line, slots=4)
    for ticket in (second, third):
        line.leave(ticket)
    assert 0 == line.inside and not line._of_peer
