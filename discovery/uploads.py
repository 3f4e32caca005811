"""A request's body on its way: watched, since silence counts from the last byte taken.

8 MiB take longer over a slow link than we wait for a silent peer: as long as it takes bytes, it is not silent.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

LEAST_BYTES_PER_S = 16 << 10  # on the average, as the protocol asks of who sends: a peer cannot keep us by dripping
LOOKS = 8  # at how far a body is, in the time of one silence


@asynccontextmanager
async def while_it_moves(taken_bytes: Callable[[], int], silence_s: float) -> AsyncIterator[None]:
    """Raises TimeoutError once nothing more was taken for `silence_s`, or too little on the average."""
    async with asyncio.timeout(silence_s) as limit:
        looking = _Look(limit, taken_bytes, silence_s)
        try:
            yield
        finally:
            looking.timer.cancel()


class _Look:
    """Looks again and again how much was taken, and moves the limit."""

    def __init__(self, limit: asyncio.Timeout, taken_bytes: Callable[[], int], silence_s: float) -> None:
        self._limit, self._taken_bytes, self._silence_s = limit, taken_bytes, silence_s
        self._loop, self._taken = asyncio.get_running_loop(), taken_bytes()
        self._began = self._loop.time()
        self.timer = self._loop.call_later(silence_s / LOOKS, self._look)

    def _look(self) -> None:
        before, self._taken = self._taken, self._taken_bytes()
        if self._taken > before and not self._limit.expired():
            earned = self._began + self._taken / LEAST_BYTES_PER_S
            self._limit.reschedule(min(self._loop.time(), earned) + self._silence_s)
        self.timer = self._loop.call_later(self._silence_s / LOOKS, self._look)


def acknowledged_bytes(connection: socket.socket) -> int:
    """How many bytes the other side of a TCP connection has taken, where the system tells (Linux); else 0."""
    try:
        state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 128)
        return int(struct.unpack_from("Q", state, 120)[0])
    except (AttributeError, OSError, struct.error):
        return 0
