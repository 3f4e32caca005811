"""What comes over TLS, read into one buffer of an event loop.

For a plain protocol the event loop makes an object of 256 KiB at each look for more, twice a message, and mostly for
some hundred bytes.
"""

import asyncio
import threading


class _Place(threading.local):
    """Where the event loop of a thread reads to. What it has read is taken before it reads again."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(1 << 16))


_PLACE = _Place()


class Buffered(asyncio.BufferedProtocol):
    """Stands between TLS and the protocol that is `inside`."""

    def __init__(self, inside: asyncio.Protocol) -> None:
        self._inside, self._buffer = inside, _PLACE.buffer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inside.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._inside.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inside.pause_writing()

    def resume_writing(self) -> None:
        self._inside.resume_writing()

    def eof_received(self) -> bool | None:
        return self._inside.eof_received()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So many came."""
        self._inside.data_received(bytes(self._buffer[:nbytes]))
