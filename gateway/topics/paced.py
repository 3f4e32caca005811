"""How many texts are read in one turn of the event loop, so that a burst of new ones does not stand before all else."""

import asyncio
from collections import deque


class Paced:
    """Lets `at_once` go on in each turn of the event loop, in the order in which they came."""

    def __init__(self, at_once: int) -> None:
        self._at_once, self._gone = at_once, 0  # in this turn
        self._waiting = deque[asyncio.Future[None]]()

    def __len__(self) -> int:
        """How many wait for one of the next turns."""
        return len(self._waiting)

    async def turn(self) -> None:
        """Return now or in one of the next turns."""
        if self._waiting or self._gone == self._at_once:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        else:
            self._go()

    def _go(self) -> None:
        if self._gone == 0:
            asyncio.get_running_loop().call_soon(self._next)
        self._gone += 1

    def _next(self) -> None:
        self._gone = 0
        while self._waiting and self._gone < self._at_once:
            waiting = self._waiting.popleft()
            if not waiting.done():  # else who waited was cancelled
                self._go()
                waiting.set_result(None)
