"""A burst of requests begins in its order, a few in each turn of the event loop."""

import asyncio

from gateway.server.turns import AT_ONCE, Turns


async def test_a_burst_begins_in_its_order_and_a_few_in_each_turn() -> None:
    turns, begun, seen = Turns[int](), list[int](), list[int]()
    for number in range(3 * AT_ONCE + 1):
        turns.begin(begun.append, number)
    while len(begun) < 3 * AT_ONCE + 1:
        seen.append(len(begun))
        await asyncio.sleep(0)
        if len(seen) == 2:  # one that comes later goes behind those that wait
            turns.begin(begun.append, -1)

    assert [AT_ONCE, 2 * AT_ONCE, 3 * AT_ONCE] == seen
    await asyncio.sleep(0)
    assert [*range(3 * AT_ONCE + 1), -1] == begun


async def test_one_after_the_other_begins_at_once() -> None:
    turns, begun = Turns[int](), list[int]()
    for number in range(3 * AT_ONCE):
        turns.begin(begun.append, number)
        assert number == begun[-1]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
