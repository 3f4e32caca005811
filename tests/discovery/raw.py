"""A server on a raw socket, and what asks it over our own connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from discovery.answer import Answer
from discovery.connections import Connections

Say = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


class Engine:
    """A server on a raw socket: `say` answers each request; counts connections and keeps what it was asked."""

    def __init__(self, say: Say) -> None:
        self.connections, self.requests, self.open = 0, list[bytes](), 0
        self.reads_bodies = True
        self._say = say

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                self.requests.append(head + await reader.readexactly(length if self.reads_bodies else 0))
                await self._say(reader, writer)
                if not self.reads_bodies:
                    await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


@contextlib.asynccontextmanager
async def engine(say: Say | bytes, keep_s: float = 5.0) -> AsyncIterator[tuple[Engine, Connections]]:
    async def write(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(say, bytes)
        writer.write(say)

    served = Engine(write if isinstance(say, bytes) else say)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connections = Connections(f"http://127.0.0.1:{port}", connect_s=2, keep_s=keep_s)
    try:
        yield served, connections
    finally:
        connections.close()
        server.close()
        async with asyncio.timeout(5):
            while served.open:
                await asyncio.sleep(0.005)


async def ask(connections: Connections, keep: bool = True, within_s: float = 2.0) -> Answer:
    return await connections.post(
        "/v1/chat", {"x-a": "b\r\nx-c: d"}, (b"bo", memoryview(b"dy")), keep=keep, within_s=within_s
    )


async def read(answer: Answer) -> bytes:
    pieces = b""
    while piece := await answer.piece(2):
        pieces += piece
    answer.release()
    return pieces
