"""Room for so many at once: who finds none waits, first come, first served.

asyncio's semaphore does the same for several times as much, which each request to a peer would pay three times.
"""

import asyncio
from collections import deque


class Room:
    """See the module. Whoever takes a place, at once or by waiting, gives it back by `leave`."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting = deque[asyncio.Future[None]]()

    @property
    def is_full(self) -> bool:
        """Whether who comes now has to wait."""
        return not self._free

    def take(self) -> bool:
        """Whether there is a place at once, which is taken then."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def enter(self) -> None:
        """Take a place, and wait for it where there is none."""
        if self.take():
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it got one in the same moment
                self.leave()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def leave(self) -> None:
        """Give a place back, to whoever has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
