"""The door to the engine: our own programs first, others' work within its share, and nothing is left behind."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.capacity.rules import remote_slots
from tests.gateway.capacity.jobs import Job, door_of, end_all, jobs, ready, settle


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
