"""How many requests begin in one turn of the event loop, so that a burst of them does not stand before all else."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

AT_ONCE = 8  # requests


Request = TypeVar("Request")


class Turns(Generic[Request]):
    """Begins requests in the order in which they came, AT_ONCE in each turn of the event loop.

    A loop that has read 64 requests runs all of them before it looks at its sockets again: the first words of those
    that were sent on first, and the next words of all streams under way, would wait until the last one is sent on.
    """

    def __init__(self) -> None:
        self._begun = 0  # in this turn
        self._waiting = deque[tuple[Callable[[Request], None], Request]]()

    def begin(self, work: Callable[[Request], None], request: Request) -> None:
        """Call `work` with the request, now or in one of the next turns."""
        if self._begun == AT_ONCE:
            self._waiting.append((work, request))
            return
        if self._begun == 0:
            asyncio.get_running_loop().call_soon(self._next)
        self._begun += 1
        work(request)

    def _next(self) -> None:
        """The next turn, which those that wait have first."""
        waiting, self._begun = self._waiting, 0
        for _ in range(min(AT_ONCE, len(waiting))):
            self.begin(*waiting.popleft())
