"""A spare turn at the door: while nobody wants the engine, and no longer."""

import asyncio

import pytest

from gateway.upstream import UpstreamError
from tests.gateway.capacity.jobs import ME, Job, door_of, settle


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
