"""What comes over TLS, read into one buffer of the process.

For a plain protocol the event loop makes an object of 256 KiB at each look for more, twice a message, and mostly for
some hundred bytes.
"""

import asyncio

_BUFFER = memoryview(bytearray(1 << 16))  # one event loop reads, and what it has read is taken at once


class Buffered(asyncio.BufferedProtocol):
    """Stands between TLS and the protocol that is `inside`."""

    def __init__(self, inside: asyncio.Protocol) -> None:
        self._inside = inside

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
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """So many came."""
        self._inside.data_received(bytes(_BUFFER[:nbytes]))
