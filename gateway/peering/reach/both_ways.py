"""Copying both ways between two ends, of which each is a connection or a stream in a link."""

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

PIECE_BYTES = 64 << 10
Adopt = Callable[[socket.socket, str], bool]  # takes a connection of a caller at that address, if there is room


class Stream(Protocol):
    """Bytes both ways. What waits raises OSError when the other end is gone."""

    async def read(self, limit: int) -> bytes:
        """What came, at most so many bytes; empty at the end."""
        ...

    async def write(self, piece: bytes) -> None:
        """Returns when there is room for more."""
        ...

    async def finish(self) -> None:
        """Nothing more is written."""
        ...

    async def abort(self) -> None:
        """Nothing more is wanted either way; harmless where all has ended."""
        ...


class Connection:
    """A connection of asyncio's, as a Stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self, limit: int) -> bytes:
        return await self._reader.read(limit)

    async def write(self, piece: bytes) -> None:
        self._writer.write(piece)
        await self._writer.drain()

    async def finish(self) -> None:
        if self._writer.can_write_eof() and not self._writer.is_closing():
            self._writer.write_eof()

    async def abort(self) -> None:
        self._writer.close()


async def served_here(adopt: Adopt, ip: str) -> Connection | None:
    """The far end of a connection that our peer side serves as one of a caller at `ip`; None where it has no room."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    if not adopt(theirs, ip):
        ours.close()
        return None
    # A pair of sockets is TCP on Windows, and else has a family of its own.
    is_unix = ours.family == getattr(socket, "AF_UNIX", None)
    opened = asyncio.open_unix_connection if is_unix else asyncio.open_connection
    return Connection(*await opened(sock=ours, limit=PIECE_BYTES))


async def copy_both_ways(one: Stream, other: Stream, moved: Callable[[int], None] = lambda size: None) -> None:
    """Copy until both have ended, or either breaks off, which is all that the other needs to see.

    `moved` is told the bytes of each piece that was copied; where it raises OSError, copying ends.
    """
    copying = [asyncio.create_task(_copy(*way, moved)) for way in ((one, other), (other, one))]
    try:
        await asyncio.gather(*copying)
    except OSError:
        pass
    finally:
        for task in copying:
            task.cancel()
        await one.abort()
        await other.abort()


async def _copy(source: Stream, sink: Stream, moved: Callable[[int], None]) -> None:
    while piece := await source.read(PIECE_BYTES):
        await sink.write(piece)
        moved(len(piece))
    await sink.finish()
