"""The door to the engine: our own programs first, others' work within its share, and counters that add up."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.records import PeerId
from gateway.capacity.door import KEPT_SHUT_S, Door, Turn
from gateway.capacity.line import LINE_LIMIT, LOOKERS, OWN_IN_A_ROW
from gateway.capacity.rules import AdmissionConfig, remote_slots
from gateway.engines.engine_state import EngineModel, EngineState
from gateway.upstream import Patience, Reply, UpstreamError
from gateway.wire.codec import Pieces

PATIENCE = Patience(1, 1, 1)
ME = PeerId("me")


@dataclass
class IdleEngine:
    """An engine in memory: its state is given, and who asks it stays inside as long as he likes."""

    state: EngineState = field(default_factory=lambda: ready(slots=2))
    name: str = "idle"
    is_there: bool = True
    origin: str = "an engine in memory"
    not_adopted: tuple[str, ...] = ()
    in_flight: int = 0

    @asynccontextmanager
    async def open(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], *, stream: bool, patience: Patience
    ) -> AsyncIterator[Reply]:
        yield None  # type: ignore[misc]  # the door does not look at replies


def ready(slots: int, **more: object) -> EngineState:
    return EngineState(None, "vllm", (EngineModel("m"),), slots, **more)  # type: ignore[arg-type]


def door_of(
    slots: int, *, reserve: int = 1, queue_per_slot: float = 2.0, now: list[float] | None = None, **state: object
) -> Door:
    """A door before an idle engine; `now[0]` is its clock."""
    clock = now or [0.0]
    config = AdmissionConfig(reserve, queue_per_slot)
    return Door(IdleEngine(ready(slots, **state)), config, lambda: clock[0], lambda: 4.0)  # type: ignore[arg-type]


class Job:
    """One job, local or remote, that can be told to end."""

    def __init__(self, door: Door, *, remote: bool) -> None:
        self._door, self._end = door, asyncio.Event()
        self.is_inside = False
        self.task = asyncio.create_task(self._remote() if remote else self._local())

    async def _remote(self) -> None:
        with await self._door.remote_turn():
            await self._stay()

    async def _local(self) -> None:
        turn = await self._door.own_turn(0.0)
        with opened(turn):
            await self._stay()

    async def _stay(self) -> None:
        self.is_inside = True
        try:
            await self._end.wait()
        finally:
            self.is_inside = False

    async def end(self) -> None:
        self._end.set()
        await asyncio.wait([self.task])

    async def cancel(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


def opened(turn: Turn | str) -> Turn:
    """Inside, by a turn that has come."""
    assert isinstance(turn, Turn)
    return turn


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(4):
        await asyncio.sleep(0)


async def jobs(door: Door, number: int, *, remote: bool) -> list[Job]:
    started = [Job(door, remote=remote) for _ in range(number)]
    await settle()
    return started


async def end_all(*groups: list[Job]) -> None:
    for job in [job for group in groups for job in group]:
        await job.cancel()


@pytest.mark.parametrize(
    ("slots", "reserve", "enter"), [(1, 1, 1), (2, 1, 1), (4, 1, 3), (4, 0, 4), (4, 9, 1), (4, 2, 2)]
)
async def test_remote_work_never_exceeds_its_share(slots: int, reserve: int, enter: int) -> None:
    door = door_of(slots, reserve=reserve)

    remote = await jobs(door, slots + 1, remote=True)

    assert enter == door.load.remote_running == sum(job.is_inside for job in remote)
    assert slots + 1 - enter == door.load.waiting
    await end_all(remote)


async def test_an_engine_that_names_no_slots_gets_all_of_our_own_at_once() -> None:
    """However many others wait: nobody knows how many it starts, so nothing is held back from it."""
    door = door_of(2)
    remote = await jobs(door, 4, remote=True)

    local = await jobs(door, 3, remote=False)

    assert [True] * 3 == [job.is_inside for job in local]
    await end_all(remote, local)


async def test_a_free_slot_goes_to_our_own_waiting_work_first() -> None:
    door = door_of(2, reserve=0)
    local = await jobs(door, 3, remote=False)
    remote = await jobs(door, 1, remote=True)

    await local[0].end()
    await settle()
    assert not remote[0].is_inside  # two local jobs still fill both slots
    await local[1].end()
    await settle()

    assert remote[0].is_inside
    await end_all(local, remote)


async def test_turns_come_in_the_order_of_asking() -> None:
    door = door_of(1)
    remote = await jobs(door, 3, remote=True)

    entered = []
    for _ in range(3):
        entered.append([job.is_inside for job in remote])
        await remote[len(entered) - 1].end()
        await settle()

    assert [[True, False, False], [False, True, False], [False, False, True]] == entered


async def test_the_door_tells_when_it_closes_and_when_it_opens() -> None:
    """At once, and nothing else: who starts, ends or waits meanwhile is the next pulse's news."""
    heard: list[str] = []
    door = Door(
        IdleEngine(ready(1)),
        AdmissionConfig(),
        lambda: 0.0,
        lambda: 1.0,
        lambda: heard.append(door.admission),  # type: ignore[arg-type]
    )

    remote = await jobs(door, 2, remote=True)
    assert [] == heard
    remote += await jobs(door, 1, remote=True)
    assert ["closed"] == heard
    await remote[0].end()
    await settle()

    assert ["closed", "soft"] == heard
    await end_all(remote)


FULL = {"is_slots_known": True, "others": 4}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({**FULL}, {**FULL, "others": 0}),  # other programs' jobs ended
        ({**FULL}, {**FULL, "slots": 16}),  # it has, or the owner gives it, more slots
        ({**FULL, "problem": "it died"}, {"is_slots_known": True}),  # it came back
        ({**FULL, "models": ()}, {"is_slots_known": True}),  # it serves a model again
        ({**FULL}, {"is_slots_known": False, "others": 0}),  # another engine, which tells no slots
    ],
    ids=["other jobs ended", "more slots", "back", "a model again", "another engine"],
)
async def test_a_door_that_opens_tells_everybody_who_waits_whatever_opened_it(
    before: dict[str, object], after: dict[str, object]
) -> None:
    """Who waits here enters; other peers, who keep their requests, hear of it."""
    heard: list[str] = []
    engine = IdleEngine(ready(4, **{**FULL, "others": 0}))
    door = Door(engine, AdmissionConfig(), lambda: 0.0, lambda: 1.0, lambda: heard.append(door.admission))  # type: ignore[arg-type]
    engine.state = replace(ready(4), **FULL)
    waiting = await jobs(door, 2, remote=True)
    assert not any(job.is_inside for job in waiting)
    engine.state = replace(ready(4), **{"others": 4, **before})
    door.admit_waiting()
    if before.get("problem") or "models" in before:
        assert ["closed"] == heard

    engine.state = replace(ready(4), **after)
    door.admit_waiting()
    await settle()

    assert all(job.is_inside for job in waiting)
    assert heard in ([], ["closed", door.admission])
    await end_all(waiting)


async def test_a_closed_door_is_a_429_with_the_time_to_come_back() -> None:
    """One runs, two wait: the limit. E[S] is 4 s, and one place is wanted."""
    door = door_of(1)
    remote = await jobs(door, 3, remote=True)
    assert "closed" == door.admission

    with pytest.raises(UpstreamError) as caught:
        await door.remote_turn()

    assert (429, "busy", 4) == (caught.value.status, caught.value.code, caught.value.retry_after_s)
    assert 2 == door.load.waiting
    await end_all(remote)


async def test_the_queue_is_bounded_where_the_owner_s_slot_is_free() -> None:
    """Remote work may not have the reserved slot, so it must not queue for it without end either."""
    door = door_of(4, reserve=1)
    remote = await jobs(door, 3 + 8, remote=True)
    assert (3, 8) == (door.load.running, door.load.waiting)

    assert "closed" == door.admission
    local = await jobs(door, 1, remote=False)
    assert local[0].is_inside
    await end_all(remote, local)


async def test_without_an_engine_the_door_is_closed() -> None:
    door = Door(IdleEngine(EngineState()), AdmissionConfig(), lambda: 0.0, lambda: 1.0)  # type: ignore[arg-type]

    assert "closed" == door.admission == door.pulse(ME).admission
    with pytest.raises(UpstreamError) as caught:
        await door.remote_turn()
    assert 429 == caught.value.status


async def test_who_gives_up_waiting_leaves_the_queue() -> None:
    door = door_of(1)
    remote = await jobs(door, 3, remote=True)

    await remote[1].cancel()
    assert 1 == door.load.waiting
    await remote[0].end()
    await settle()

    assert [False, False, True] == [job.is_inside for job in remote]
    await end_all(remote)
    assert (0, 0) == (door.load.running, door.load.waiting)


async def test_a_turn_granted_to_somebody_who_is_leaving_is_given_back() -> None:
    """Cancelled in the very moment between the grant and waking up."""
    door = door_of(1, others=1)
    remote = await jobs(door, 2, remote=True)
    door.engine.state = ready(1)  # type: ignore[misc]

    door.admit_waiting()
    assert 1 == door.load.remote_running
    await remote[0].cancel()
    await settle()

    assert [False, True] == [job.is_inside for job in remote]
    await end_all(remote)
    assert 0 == door.load.remote_running


async def test_all_leaving_at_once_leave_nothing_behind() -> None:
    """A slot that becomes free meanwhile is not granted to one who is on his way out."""
    door = door_of(1)
    remote = await jobs(door, 3, remote=True)

    for job in remote:
        job.task.cancel()
    await asyncio.wait([job.task for job in remote])

    assert [True] * 3 == [job.task.cancelled() for job in remote]
    assert (0, 0) == (door.load.running, door.load.waiting)
    assert (await jobs(door, 1, remote=True))[0].is_inside


STEPS = st.lists(
    st.tuples(st.sampled_from(["local", "remote", "end", "cancel", "cancel without waiting"]), st.integers(0, 9)),
    max_size=40,
)


@settings(deadline=None)
@given(slots=st.integers(1, 4), reserve=st.integers(0, 2), steps=STEPS)
async def test_whatever_happens_the_door_keeps_its_laws(slots: int, reserve: int, steps: list[tuple[str, int]]) -> None:
    """The share is kept, no slot is lost or invented, no waiter is forgotten while there is room."""
    door = door_of(slots, reserve=reserve)
    all_jobs: list[Job] = []
    for step, which in steps:
        there = [job for job in all_jobs if not job.task.done()]
        if step in ("local", "remote"):
            all_jobs.append(Job(door, remote=step == "remote"))
        elif there:
            job = there[which % len(there)]
            if step == "end":
                job._end.set()
            else:
                job.task.cancel()
        if step != "cancel without waiting":
            await settle()
            load = door.load
            assert load.remote_running <= remote_slots(slots, reserve)
            assert sum(job.is_inside for job in all_jobs if not job.task.done()) == load.ours
            waits = any(not turn.is_own for turn in door._line)
            assert not waits or load.remote_running == remote_slots(slots, reserve) or load.running == slots

    for job in all_jobs:
        job.task.cancel()
    await asyncio.gather(*(job.task for job in all_jobs), return_exceptions=True)

    assert (0, 0) == (door.load.running, door.load.waiting)
    closed = [job for job in all_jobs if job.task.done() and not job.task.cancelled() and job.task.exception()]
    assert {429} >= {job.task.exception().status for job in closed}  # type: ignore[union-attr]


async def test_pulse_counters_add_up() -> None:
    """busy_ms counts slot-time: two jobs at once for 3 s are 6 s; a queue is no work; t_ms counts from the start."""
    now = [100.0]
    door = door_of(2, reserve=0, now=now)
    one, two, three = (*await jobs(door, 2, remote=True), *await jobs(door, 1, remote=False))
    now[0] += 3.0
    await one.end()
    now[0] += 1.0
    await two.end()
    await three.cancel()
    now[0] += 10.0
    door.count_tokens(7, 4)

    pulse = door.pulse(ME)

    assert (3, 3) == (pulse.arrivals, pulse.completions)  # who was cancelled had its slot, too
    assert (8_000, 14_000) == (pulse.busy_ms, pulse.t_ms)
    assert (7, 4) == (pulse.tokens_in, pulse.tokens_out)
    assert (0, 0, 2, "open") == (pulse.running, pulse.waiting, pulse.slots, pulse.admission)


async def test_jobs_that_are_hung_up_on_leave_too() -> None:
    """E[S] is the slot-time of a job however it ends: of three jobs of 2 s each two are cancelled, and it stays 2 s."""
    now = [0.0]
    door = door_of(3, reserve=0, now=now)
    whole, own, remote = (*await jobs(door, 2, remote=False), *await jobs(door, 1, remote=True))
    now[0] += 2.0
    await whole.end()
    await own.cancel()
    await remote.cancel()

    pulse = door.pulse(ME)

    assert 2_000 == pulse.busy_ms / pulse.completions


async def test_a_job_that_fails_is_no_completion() -> None:
    """An engine that fails at once must not look fast."""
    door = door_of(1)
    with pytest.raises(OSError), await door.remote_turn():
        raise OSError

    assert (1, 0) == (door.pulse(ME).arrivals, door.pulse(ME).completions)


async def test_counters_never_run_backwards() -> None:
    now = [0.0]
    door = door_of(2, now=now)
    pulses = [door.pulse(ME)]
    for number in range(6):
        started = await jobs(door, 2, remote=bool(number % 2))
        now[0] += 0.5
        await started[0].end()
        await started[1].cancel()
        pulses.append(door.pulse(ME))

    for name in ("arrivals", "completions", "busy_ms", "t_ms", "tokens_in", "tokens_out"):
        values = [getattr(pulse, name) for pulse in pulses]
        assert sorted(values) == values


async def test_a_pulse_in_the_middle_of_a_job_books_it_until_now() -> None:
    now = [0.0]
    door = door_of(2, now=now)
    async with AsyncExitStack() as inside:
        inside.enter_context(await door.remote_turn())
        now[0] = 2.0

        assert 2_000 == door.pulse(ME).busy_ms
    assert 2_000 == door.pulse(ME).busy_ms


@pytest.mark.parametrize(("others", "load"), [(0, (1, 0)), (4, (5, 0)), (7, (8, 0)), (10, (8, 3))])
async def test_load_is_what_we_count_and_what_others_have_there(others: int, load: tuple[int, int]) -> None:
    door = door_of(8, others=others)
    with opened(await door.own_turn(0.0)):
        assert load == (door.load.running, door.load.waiting)


async def test_others_at_a_full_engine_keep_remote_work_out() -> None:
    """Until the next look at it: `admit_waiting` is called after each."""
    door = door_of(2, others=2)
    remote = await jobs(door, 1, remote=True)
    assert not remote[0].is_inside

    door.engine.state = ready(2)  # type: ignore[misc]
    door.admit_waiting()
    await settle()

    assert remote[0].is_inside
    await end_all(remote)


# --- our own line at the door ---


class Waiter:
    """A request of our own in line; it takes its turn and stays inside, or goes where `offer` says when it looks."""

    def __init__(self, door: Door, since: float) -> None:
        self.offer: str | None = None
        self.went: str | None = None
        self.looked, self.is_inside = 0, False
        self._door, self._since, self._end = door, since, asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        turn = await self._door.own_turn(self._since, self._look)
        if isinstance(turn, str):
            self.went = turn
            return
        with opened(turn):
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

    newcomer = await jobs(door, 1, remote=False)

    assert [not waits] == [job.is_inside for job in newcomer]
    await end_all(inside, newcomer)


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

    with opened(await stays):
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


async def test_who_asks_in_a_spare_moment_is_in_no_count() -> None:
    door = door_of(1)

    async with door.spare_turn():
        assert (0, 0, False) == (door.load.running, door.pulse(ME).arrivals, door.has_served)
        assert "open" == door.admission


@pytest.mark.parametrize("remote", [False, True])
async def test_whoever_comes_ends_a_spare_turn_and_begins_at_once(remote: bool) -> None:
    door = door_of(1)

    with pytest.raises(UpstreamError) as caught:
        async with door.spare_turn():
            job = Job(door, remote=remote)
            await asyncio.Event().wait()

    await settle()
    assert ("wanted", True) == (caught.value.code, job.is_inside)
    await job.end()


async def test_nobody_has_a_spare_turn_while_somebody_is_here_or_has_one() -> None:
    door = door_of(1)
    job = Job(door, remote=False)
    await asyncio.sleep(0)
    with pytest.raises(UpstreamError, match="wants the engine"):
        async with door.spare_turn():
            raise AssertionError("the job is inside")
    await job.end()

    async with door.spare_turn():
        with pytest.raises(UpstreamError, match="wants the engine"):
            async with door.spare_turn():
                raise AssertionError("one at a time")


async def test_what_fails_in_a_spare_turn_is_no_request_that_came() -> None:
    with pytest.raises(TimeoutError):
        async with door_of(1).spare_turn():
            raise TimeoutError


async def test_quiet_begins_when_the_last_request_leaves() -> None:
    now = [100.0]
    door = door_of(1, now=now)
    now[0] = 110.0
    since_start = door.quiet_s
    job = Job(door, remote=False)
    await asyncio.sleep(0)
    now[0] = 120.0
    inside = door.quiet_s
    await job.end()
    now[0] = 127.0

    assert (10.0, 0.0, 7.0) == (since_start, inside, door.quiet_s)


# --- the owner lets others have nothing ---


async def test_what_others_have_inside_is_finished_and_who_waits_is_turned_away_at_once() -> None:
    """Own requests go on as always; the pulse says closed, and who asks next is told when to come back."""
    why, told = [""], list[str]()
    door = Door(
        IdleEngine(ready(2)), AdmissionConfig(), lambda: 0.0, lambda: 4.0,  # type: ignore[arg-type]
        lambda: told.append(door.admission), kept_shut=lambda: why[0],
    )  # fmt: skip
    inside, waiting = Job(door, remote=True), Job(door, remote=True)
    await settle()
    assert (True, False) == (inside.is_inside, waiting.is_inside)

    why[0] = "you paused it"
    door.admit_waiting()
    await settle()
    own = Job(door, remote=False)
    await settle()

    assert isinstance(waiting.task.exception(), UpstreamError) and not inside.task.done()
    assert own.is_inside and ["closed"] == told
    assert "closed" == door.pulse(ME).admission
    with pytest.raises(UpstreamError) as caught, await door.remote_turn():
        raise AssertionError("nobody is let in")
    assert (429, "busy", "this peer is busy") == (caught.value.status, caught.value.code, str(caught.value))
    assert (caught.value.retry_after_s or 0) >= KEPT_SHUT_S

    await inside.end()
    why[0] = ""
    door.admit_waiting()
    again = Job(door, remote=True)
    await settle()

    assert inside.task.exception() is None and again.is_inside
    assert ["closed", "open"] == told
    assert (2, 0) == (door.load.running, door.load.waiting)
    await own.end()
    await again.end()


async def test_who_is_turned_away_and_hangs_up_leaves_no_place_behind() -> None:
    why = [""]
    door = Door(IdleEngine(ready(1)), AdmissionConfig(), lambda: 0.0, lambda: 4.0, kept_shut=lambda: why[0])  # type: ignore[arg-type]
    own, waiting = Job(door, remote=False), Job(door, remote=True)
    await settle()

    why[0] = "you paused it"
    door.admit_waiting()
    await waiting.cancel()
    await own.end()

    assert (0, 0) == (door.load.running, door.load.waiting)


async def test_who_has_had_less_takes_a_place_in_a_full_line() -> None:
    """All places are the flood's: its last request hears that this peer is busy, the other's waits in its stead."""
    door = door_of(slots=1)
    inside = await door.remote_turn("flood")
    waiting = [asyncio.create_task(enter(door, "flood")), asyncio.create_task(enter(door, "third"))]
    await asyncio.sleep(0)
    pushed = asyncio.create_task(enter(door, "third"))
    await asyncio.sleep(0)
    with pytest.raises(UpstreamError, match="busy"):
        await pushed  # a third request, and the line is full: `third` has one of its own there, and none gives way

    other = asyncio.create_task(enter(door, "other"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert [True, False, False] == [waiting[0].done(), waiting[1].done(), other.done()]
    with pytest.raises(UpstreamError, match="busy"):
        await waiting[0]
    assert 1 == door.load.running and 2 == door.load.waiting
    door.leave(inside)
    await asyncio.gather(waiting[1], other)


async def test_a_door_is_soft_while_somebody_has_several_places_in_line() -> None:
    """Others hear `closed` only where asking is in vain for whoever has nothing there yet."""
    door = door_of(slots=2)
    tasks = [asyncio.create_task(enter(door, peer, asyncio.Event())) for peer in "aaabc"]
    await asyncio.sleep(0)

    assert "soft" == door.admission
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    tasks = [asyncio.create_task(enter(door, peer, asyncio.Event())) for peer in "abcde"]
    await asyncio.sleep(0)
    assert "closed" == door.admission
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def enter(door: Door, peer: str, stays: asyncio.Event | None = None) -> None:
    with await door.remote_turn(peer):
        if stays:
            await stays.wait()
