"""Kept connections to one server, an engine or a peer: on which of them a request is posted, and how long they wait.

aiohttp's client would cost several times as much a request, for sessions, cookies, redirects and traces that nobody
needs here (docs/results/gateway.md).
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from discovery.answer import Answer, ConnectionBroken, NothingCame
from discovery.buffered import Buffered
from discovery.connection import Connection, Head, Pieces
from discovery.heads import Heads, KnownHeads


@dataclass(frozen=True, slots=True)
class Shared:
    """What the connections to several servers have in common."""

    opened: set[Connection] = field(default_factory=set)  # while they are open
    heads: Heads[Head] = field(default_factory=KnownHeads)  # of answers: as many of all servers as of one


class Connections:
    """Connections to the server at `url` (http or https, host and port). An idle one is closed after `keep_s`."""

    def __init__(
        self,
        url: str,
        *,
        connect_s: float,
        keep_s: float,
        on_dial: Callable[[asyncio.Transport], None] | None = None,
        secure: ssl.SSLContext | None = None,
        server_name: str | None = None,
        shared: Shared | None = None,
    ) -> None:
        """`on_dial` is called on each new connection before anything is sent, and may raise ConnectionBroken.

        `secure` and `server_name`: how TLS is spoken and for whom it asks, if otherwise than with a server of the web.
        `shared`: with other servers.
        """
        parts = urlsplit(url)
        self._secure = secure or (ssl.create_default_context() if parts.scheme == "https" else None)
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._secure else 80)
        self.authority = parts.netloc.rpartition("@")[2]
        self._connect_s, self._keep_s, self._on_dial, self._server_name = connect_s, keep_s, on_dial, server_name
        self._idle: list[Connection] = []  # in the order in which they became so
        # when the first of them has been idle for long enough, or earlier
        self._look: asyncio.TimerHandle | None = None
        shared = shared or Shared()
        self._opened, self.heads = shared.opened, shared.heads

    async def post(self, path: str, headers: Mapping[str, str], body: Pieces, *, keep: bool, within_s: float) -> Answer:
        """Post `body`, and return the answer once its headers have come, `within_s`.

        `keep` False: on a connection of its own, which is closed afterwards. Where the server closes a kept connection
        before it sends anything, the request is sent once more on a fresh one.
        Raises ConnectionBroken, OSError, TimeoutError.
        """
        return await self.send(self.lines(path, headers, keep=keep), body, keep=keep, within_s=within_s)

    async def send(self, lines: bytes, body: Pieces, *, keep: bool, within_s: float) -> Answer:
        """As `post`, by `lines` (see there) that were made for the same `keep`."""
        until = asyncio.get_running_loop().time() + within_s
        if keep and self._idle:
            try:
                return await self._idle.pop().ask(lines, body).begun(until)
            except NothingCame:
                pass
        return await (await self.dial()).ask(lines, body).begun(until)

    def lines(self, path: str, headers: Mapping[str, str], *, keep: bool = True, method: str = "POST") -> bytes:
        """What each request to `path` with these headers begins with, its body's length not yet said."""
        closing = b"" if keep else b"connection: close\r\n"
        return f"{method} {path} HTTP/1.1\r\nhost: {self.authority}\r\n".encode() + header_lines(headers) + closing

    def kept(self) -> Connection | None:
        """A connection that was kept, to ask on; None where there is none."""
        return self._idle.pop() if self._idle else None

    def made(self, connection: Connection) -> None:
        """A connection of ours is open."""
        self._opened.add(connection)

    def keep(self, connection: Connection) -> None:
        """Take back a connection that has become idle."""
        connection.idle_since = connection.loop.time()
        self._idle.append(connection)
        if self._look is None:
            self._look = connection.loop.call_later(self._keep_s, self._close_old)

    def lose(self, connection: Connection) -> None:
        """A connection was closed, which may be idle."""
        self._opened.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """Close the idle connections."""
        if self._look is not None:
            self._look.cancel()
            self._look = None
        while self._idle:
            self._idle.pop().close()

    def _close_old(self) -> None:
        """Close what has been idle for long enough, and look again when the next of them will have been."""
        loop, self._look = asyncio.get_running_loop(), None
        while self._idle and (left_s := self._idle[0].idle_since + self._keep_s - loop.time()) <= 0:
            self._idle.pop(0).close()
        if self._idle:
            self._look = loop.call_later(left_s, self._close_old)

    async def dial(self) -> Connection:
        """A fresh connection, to ask on. Raises ConnectionBroken, OSError."""
        connection = Connection(self)
        try:
            async with asyncio.timeout(self._connect_s):
                transport, _ = await asyncio.get_running_loop().create_connection(
                    lambda: Buffered(connection) if self._secure else connection, self._host, self._port,
                    ssl=self._secure, server_hostname=self._server_name,
                    ssl_handshake_timeout=self._connect_s if self._secure else None,
                )  # fmt: skip
        except BaseException as error:
            connection.forget()
            if isinstance(error, TimeoutError):
                raise ConnectionBroken(f"no connection within {self._connect_s:g} s") from error
            raise
        if self._on_dial:
            try:
                self._on_dial(transport)
            except ConnectionBroken:
                connection.close()
                raise
        return connection


def header_lines(headers: Mapping[str, str]) -> bytes:
    """The lines of a head with these headers. What cannot be printed, and might end a line, is left out."""
    if not headers:
        return b""
    if not "".join(headers.values()).isprintable():
        headers = {name: _printable(value) for name, value in headers.items()}
    return ("\r\n".join(map(": ".join, headers.items())) + "\r\n").encode("latin-1", "replace")


def _printable(value: str) -> str:
    return "".join(character for character in value if character.isprintable())
