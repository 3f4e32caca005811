"""What a door counts: the jobs that came and ended, the load of its engine, and how long nobody came."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.gateway.capacity.jobs import ME, Job, door_of, jobs, ready


async def test_pulse_counters_add_up() -> None:
    """busy_ms counts slot-time: two jobs at once for 3 s are 6 s; a queue is no work; t_ms counts from the start."""
    now = [100.0]
    door = door_of(2, reserve=0, now=now)
    one, two, three = (*await jobs(door, 2, remote=True), *await jobs(door, 1, remote=False))
    now[0] += 3.0
    one.usage = 7, 4
    await one.end()
    now[0] += 1.0
    await two.end()
    await three.cancel()
    now[0] += 10.0

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


async def test_slots_that_an_engine_loses_meanwhile_take_nothing_from_what_was_worked() -> None:
    """Three jobs of our own for 2 s of three slots, then for 2 s of one slot, and two of them for 1 s more."""
    now = [0.0]
    door = door_of(3, reserve=0, now=now, is_slots_known=True)
    turns = [await door.own_turn(0.0) for _ in range(3)]
    now[0] = 2.0
    door.engine.state = ready(1)  # type: ignore[misc]
    fewer = door.pulse(ME).busy_ms
    now[0] = 4.0
    door.leave(turns[0])
    now[0] = 5.0

    assert (6_000, 9_000) == (fewer, door.pulse(ME).busy_ms)


@pytest.mark.parametrize(("others", "load"), [(0, (1, 0)), (4, (5, 0)), (7, (8, 0)), (10, (8, 3))])
async def test_load_is_what_we_count_and_what_others_have_there(others: int, load: tuple[int, int]) -> None:
    door = door_of(8, others=others)
    with await door.own_turn(0.0):
        assert load == (door.load.running, door.load.waiting)


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
