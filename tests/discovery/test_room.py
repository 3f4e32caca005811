"""Who finds no room waits, first come, first served, and whoever leaves lets the next in."""

import asyncio

from discovery.room import Room


async def waiting(room: Room) -> asyncio.Task[None]:
    task = asyncio.create_task(room.enter())
    await asyncio.sleep(0)
    return task


async def test_there_is_room_for_so_many() -> None:
    room = Room(2)

    assert [True, True, False] == [room.take() for _ in range(3)]
    room.leave()
    assert not room.is_full and room.take()


async def test_who_waits_gets_the_place_of_who_leaves_in_the_order_in_which_they_came() -> None:
    room = Room(1)
    await room.enter()
    first, second = await waiting(room), await waiting(room)

    room.leave()
    assert not room.take()  # it is the first one's already
    await asyncio.wait([first, second], timeout=0.01)

    assert (True, False) == (first.done(), second.done())
    room.leave()
    await second


async def test_who_gives_up_takes_no_place_with_him() -> None:
    """While he waits, and in the moment in which he got one."""
    room = Room(1)
    await room.enter()
    early, late, last = [await waiting(room) for _ in range(3)]

    early.cancel()
    room.leave()  # before he hears of it
    late.cancel()
    await asyncio.wait([early, late])

    async with asyncio.timeout(5):
        await last
    room.leave()
    assert room.take() and not room.take()
