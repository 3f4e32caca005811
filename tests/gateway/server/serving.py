"""A server of ours on loopback, in front of an app that the test gives."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway.server.bounds import Bounds
from gateway.server.edge import AsgiApp
from gateway.server.listeners import Server, bind, server
from gateway.server.places import PlacesConfig
from gateway.server.turns import Meet

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
BOUNDS = Bounds(head_bytes=1024, first_head_s=5.0, body_s=60.0, linger_s=0.01)
PLACES = PlacesConfig(in_all=16, for_strangers=12, for_a_site=8, for_a_peer=8)


class Met:
    """An app of ours, which is given exchanges."""

    def __init__(self, meet: Meet) -> None:
        self.meet = meet


@dataclass
class Served:
    """A server that runs, and where."""

    web: Server
    port: int

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 16)

    async def say(self, text: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection on which `text` was sent, and read by the server."""
        reader, writer = await self.connect()
        writer.write(text)
        await writer.drain()
        await asyncio.sleep(0.02)
        return reader, writer

    def pass_time(self, seconds: float) -> None:
        """The server looks at the clock as if so much time had passed since its connections last did something."""
        self.web.check(asyncio.get_running_loop().time() + seconds)


@asynccontextmanager
async def serving(
    app: AsgiApp | Met, bounds: Bounds = BOUNDS, places: PlacesConfig = PLACES, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Served]:
    web = server(app, places, bounds, tls)
    with bind("127.0.0.1", 0, "--port") as listener:
        running = asyncio.create_task(web.serve(sockets=[listener]))
        try:
            yield Served(web, listener.getsockname()[1])
        finally:
            running.cancel()
            await asyncio.wait([running])
            for connection in tuple(web.server_state.connections):
                connection.transport.abort()  # type: ignore[union-attr]
            await asyncio.sleep(0)


async def said(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the connection ends."""
    told = b""
    async with asyncio.timeout(5):
        try:
            while more := await reader.read(65536):
                told += more
        except ConnectionError:
            pass
    return told


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Reads the whole body, and answers how long it was."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    await answer(send, b"%d" % size)


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    """Answers without a look at the body."""
    await answer(send, b"no")


async def answer(send: Any, body: bytes) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})
