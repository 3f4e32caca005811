"""A burst of requests begins in its order, a few in each turn of the event loop."""

import asyncio
from typing import cast

from gateway.server.exchange import Exchange
from gateway.server.turns import AT_ONCE, STREAMS_AT_ONCE, Turns


class Numbered:
    """What Turns needs of an exchange."""

    task: asyncio.Task[None]
    is_complete = True

    def __init__(self, number: int, was_poured: bool) -> None:
        self.number, self.was_poured = number, was_poured


class Begun:
    """Begins requests by number, and notes which were met."""

    def __init__(self) -> None:
        self.turns, self.met, self.under_way = Turns(), list[int](), set[asyncio.Task[None]]()

    def begin(self, number: int, *, was_poured: bool = False) -> None:
        self.turns.begin(cast(Exchange, Numbered(number, was_poured)), self._meet, self.under_way)

    async def _meet(self, exchange: Exchange) -> None:
        self.met.append(cast(Numbered, exchange).number)


async def test_a_burst_begins_in_its_order_and_a_few_in_each_turn() -> None:
    begun, seen = Begun(), list[int]()
    for number in range(3 * AT_ONCE + 1):
        begun.begin(number)
    while len(begun.met) < 3 * AT_ONCE + 1:
        await asyncio.sleep(0)
        seen.append(len(begun.met))
        if len(seen) == 2:  # one that comes later goes behind those that wait
            begun.begin(-1)
    await asyncio.sleep(0)

    assert [AT_ONCE, 2 * AT_ONCE, 3 * AT_ONCE] == seen[:3]
    assert ([*range(3 * AT_ONCE + 1), -1], set()) == (begun.met, begun.under_way)


async def test_fewer_begin_in_a_turn_behind_a_stream_and_as_many_as_ever_behind_another_answer() -> None:
    begun, seen = Begun(), list[int]()
    for was_poured in (True, False):
        begun.begin(-1, was_poured=was_poured)
        await asyncio.sleep(0)
        begun.met.clear()
        for number in range(3 * AT_ONCE):
            begun.begin(number, was_poured=was_poured)
        await asyncio.sleep(0)
        seen.append(len(begun.met))
        while len(begun.met) < 3 * AT_ONCE:
            await asyncio.sleep(0)
        assert [*range(3 * AT_ONCE)] == begun.met

    assert [STREAMS_AT_ONCE, AT_ONCE] == seen


async def test_one_after_the_other_begins_at_once() -> None:
    begun = Begun()
    for number in range(3 * AT_ONCE):
        begun.begin(number)
        assert 1 == len(begun.under_way)
        await asyncio.sleep(0)
        assert number == begun.met[-1]
        await asyncio.sleep(0)
