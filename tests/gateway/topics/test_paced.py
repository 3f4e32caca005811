"""A burst of new texts is read over several turns of the event loop."""

import asyncio

from gateway.topics.paced import Paced


async def test_few_go_on_in_a_turn_in_the_order_in_which_they_came() -> None:
    paced, gone = Paced(2), list[int]()

    async def read(number: int) -> None:
        await paced.turn()
        gone.append(number)

    reading = [asyncio.create_task(read(number)) for number in range(7)]
    by_turn = list[int]()
    while len(gone) < len(reading):
        before = len(gone)
        await asyncio.sleep(0)
        by_turn.append(len(gone) - before)

    assert [*range(7)] == gone
    assert 2 == max(by_turn)
    assert 0 == len(paced)


async def test_who_gave_up_holds_up_nobody() -> None:
    paced = Paced(1)
    first, second, third = (asyncio.create_task(paced.turn()) for _ in range(3))
    await asyncio.sleep(0)
    assert 2 == len(paced)

    second.cancel()
    await asyncio.wait_for(third, 1.0)

    assert first.done() and second.cancelled()
