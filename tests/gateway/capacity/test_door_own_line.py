"""Our own line at the door: its order, who looks elsewhere, and who goes before or after other peers' work."""

import asyncio
from dataclasses import replace

import pytest

from gateway.capacity.door import Door
from gateway.capacity.line import LINE_LIMIT, LOOKERS, OWN_IN_A_ROW
from tests.gateway.capacity.jobs import Job, door_of, end_all, jobs, ready, settle


class Waiter:
    """A request of our own in line; it takes its turn and stays inside, or goes where `offer` says when it looks."""

    def __init__(self, door: Door, since: float) -> None:
        self.offer: str | None = None
        self.went: str | None = None
        self.looked, self.is_inside = 0, False
        self._door, self._since, self._end = door, since, asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        turn = self._door.come(self._since, may_look=True)
        self.went = await self._door.wait(turn, self._look)
        if self.went is not None:
            return
        with turn:
            self.is_inside = True
            await self._end.wait()

    async def _look(self) -> str | None:
        self.looked += 1
        await asyncio.sleep(0)  # as a probe would
        return self.offer

    async def end(self) -> None:
        self._end.set()
        await asyncio.wait([self.task])


async def line_of(door: Door, number: int) -> list[Waiter]:
    waiters = [Waiter(door, float(since)) for since in range(number)]
    await settle()
    return waiters


async def leave(*groups: list[Waiter] | list[Job]) -> None:
    tasks = [one.task for group in groups for one in group]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@pytest.mark.parametrize(
    ("local", "state", "waits"),
    [
        (2, {"is_slots_known": True}, True),
        (1, {"is_slots_known": True}, False),
        (1, {"is_slots_known": True, "others": 7}, False),  # the engine's own queue is the fair one then
        (2, {}, False),  # nobody knows how many slots it has
        (2, {"load_source": "metrics", "waiting": 3}, True),  # but it is seen to make requests wait
        (2, {"load_source": "metrics", "waiting": 0}, False),
        (2, {"is_slots_known": True, "problem": "it died"}, False),  # who asks it must hear of it
    ],
)
async def test_nothing_is_held_back_that_the_engine_might_start(
    local: int, state: dict[str, object], waits: bool
) -> None:
    door = door_of(2)
    inside = await jobs(door, local, remote=False)
    door.engine.state = replace(ready(2), **state)  # type: ignore[misc, arg-type]
    door.admit_waiting()

    newcomer = await jobs(door, 1, remote=False)

    assert [not waits] == [job.is_inside for job in newcomer]
    await end_all(inside, newcomer)


async def test_our_own_enter_by_the_short_way_again_once_nobody_waits() -> None:
    door = door_of(2, is_slots_known=True)
    inside, line = await jobs(door, 2, remote=False), await line_of(door, 1)
    assert door.enters(0.0) is None

    await leave(line)
    assert door.enters(0.0) is None  # no slot is free
    await inside[0].end()

    assert door.enters(0.0) is not None
    await end_all(inside)


async def test_a_full_line_lets_its_first_into_the_engine() -> None:
    """The engine queues it, as it always did; the newcomer takes the last place, so nobody is passed."""
    door = door_of(1, is_slots_known=True)
    inside, line = await jobs(door, 1, remote=False), await line_of(door, LINE_LIMIT)

    newcomer = Waiter(door, float(LINE_LIMIT))
    await settle()

    assert [True, *[False] * LINE_LIMIT] == [one.is_inside for one in (*line, newcomer)]
    await leave(line, [newcomer], inside)
    assert (0, 0) == (door.load.running, door.load.waiting)


async def test_what_must_stay_here_waits_with_the_rest() -> None:
    """One slot, and requests that may not travel come all the time: who came before them is let in before them."""
    door = door_of(1, is_slots_known=True)
    inside, line = await jobs(door, 1, remote=False), await line_of(door, 1)
    stays = asyncio.create_task(door.own_turn(9.0))
    await settle()

    await inside[0].end()
    await settle()
    assert (True, False) == (line[0].is_inside, stays.done())
    await line[0].end()

    with await stays:
        assert 1 == door.load.running


async def test_another_peers_work_is_passed_so_often_and_no_more() -> None:
    """Our own go first, but a stream of them without end keeps nobody out for ever."""
    door = door_of(1, is_slots_known=True)
    inside, remote = await jobs(door, 1, remote=False), await jobs(door, 1, remote=True)
    line = await line_of(door, OWN_IN_A_ROW + 2)

    entered = []
    for job in (inside[0], *line[:OWN_IN_A_ROW]):
        await job.end()
        await settle()
        entered.append(remote[0].is_inside)

    assert [*[False] * OWN_IN_A_ROW, True] == entered
    await end_all(remote)
    await leave(line[OWN_IN_A_ROW:])


async def test_our_own_line_comes_before_other_peers_work() -> None:
    """And is told as waiting work, so that the door closes while it is long."""
    door = door_of(1, is_slots_known=True)
    inside, remote = await jobs(door, 1, remote=False), await jobs(door, 1, remote=True)
    line = await line_of(door, 2)
    assert (3, 2, "closed") == (door.load.waiting, door.load.local_waiting, door.admission)

    entered = []
    for job in (inside[0], line[0], line[1]):
        await job.end()
        await settle()
        entered.append([one.is_inside for one in (*line, remote[0])])

    assert [[True, False, False], [True, True, False], [True, True, True]] == entered
    await end_all(remote)


async def test_a_slot_is_given_to_one_of_the_line() -> None:
    """In the moment before he wakes it is his already: nobody else is let in."""
    door = door_of(1, is_slots_known=True)
    inside, line = await jobs(door, 1, remote=False), await line_of(door, 2)
    door.engine.state = ready(2, is_slots_known=True)  # type: ignore[misc]

    door.admit_waiting()
    door.admit_waiting()
    assert (2, 1) == (door.load.running, door.load.waiting)
    await settle()

    assert [True, False] == [one.is_inside for one in line]
    await leave(line, inside)
    assert (0, 0) == (door.load.running, door.load.waiting)


async def test_a_turn_given_to_one_who_hangs_up_goes_to_the_next() -> None:
    door = door_of(1, is_slots_known=True)
    inside, line = await jobs(door, 1, remote=False), await line_of(door, 2)
    door.engine.state = ready(2, is_slots_known=True)  # type: ignore[misc]

    door.admit_waiting()
    line[0].task.cancel()
    await settle()

    assert [False, True] == [one.is_inside for one in line]
    await leave(line, inside)
    assert (0, 0) == (door.load.running, door.load.waiting)


async def test_who_comes_back_keeps_his_place() -> None:
    """A request that another peer refused waits as long as if it had never left."""
    door = door_of(1, is_slots_known=True)
    inside, line = await jobs(door, 1, remote=False), await line_of(door, 3)
    line[0].offer = "ben"
    door.look_around()
    await settle()
    back = Waiter(door, 0.0)
    await settle()

    await inside[0].end()
    await settle()

    assert ("ben", True) == (line[0].went, back.is_inside)
    await leave(line[1:], [back])


async def test_the_oldest_look_elsewhere_when_there_is_news() -> None:
    door = door_of(1, is_slots_known=True)
    inside, line = await jobs(door, 1, remote=False), await line_of(door, LOOKERS + 3)
    line[1].offer = line[LOOKERS + 1].offer = "ben"

    door.look_around()
    await settle()

    assert [1] * LOOKERS + [0] * 3 == [one.looked for one in line]
    assert [None, "ben", *[None] * (LOOKERS + 1)] == [one.went for one in line]
    assert LOOKERS + 2 == door.load.waiting
    await leave(line[:1], line[2:], inside)
    assert (0, 0) == (door.load.running, door.load.waiting)


async def test_a_turn_that_comes_while_looking_is_taken() -> None:
    """The slot is there now; the other peer's place is a guess."""
    door = door_of(1, is_slots_known=True)
    inside, line = await jobs(door, 1, remote=False), await line_of(door, 1)
    line[0].offer = "ben"
    door.look_around()
    inside[0]._end.set()

    await settle()
    await settle()

    assert (None, True) == (line[0].went, line[0].is_inside)
    await leave(line)


async def test_an_engine_that_dies_lets_its_line_in() -> None:
    door = door_of(1, is_slots_known=True)
    inside, line = await jobs(door, 1, remote=False), await line_of(door, 2)

    door.engine.state = replace(door.engine.state, problem="it died")  # type: ignore[misc]
    door.admit_waiting()
    await settle()

    assert [True, True] == [one.is_inside for one in line]
    await leave(line, inside)
