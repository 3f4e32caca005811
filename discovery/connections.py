"""Kept HTTP/1.1 connections to one server, an engine or a peer: post a body, read the answer piece by piece.

aiohttp's client would cost several times as much a request, for sessions, cookies, redirects and traces that nobody
needs here (docs/results/gateway.md). httptools parses, as on the serving side. Knows nothing of what is asked.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import cast
from urllib.parse import urlsplit

import httptools

from discovery.uploads import acknowledged_bytes

SLICE_BYTES = 1 << 18  # of a large body: TLS encrypts so much in a moment, and others have their turn
HEAD_LIMIT_BYTES = 1 << 16  # of an answer's status line and headers
BUFFER_LIMIT_BYTES = 1 << 18  # of an answer's body that its reader has not taken; beyond it the server has to wait
LINGER_S = 0.05  # s for the end mark of a chunked body after its last event; then the connection is closed


Pieces = tuple[bytes | memoryview, ...]  # of one body, to be sent one after the other


class ConnectionBroken(Exception):
    """The server closed the connection, or sent bytes that are not HTTP, before its answer was complete."""


class NothingCame(ConnectionBroken):
    """The connection ended before it sent anything: one that was kept may have been closed before it was asked on."""


class NotHttp(ConnectionBroken):
    """What came is no HTTP."""


class CutShort(ConnectionBroken):
    """The connection ended after the head of an answer, and before its body's end."""


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
        opened: "set[Connection] | None" = None,
    ) -> None:
        """`on_dial` is called on each new connection before anything is sent, and may raise ConnectionBroken.

        `secure` and `server_name`: how TLS is spoken and for whom it asks, if otherwise than with a server of the web.
        `opened`: a set that holds the connections while they are open.
        """
        parts = urlsplit(url)
        self._secure = secure or (ssl.create_default_context() if parts.scheme == "https" else None)
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._secure else 80)
        self.authority = parts.netloc.rpartition("@")[2]
        self._connect_s, self._keep_s, self._on_dial, self._server_name = connect_s, keep_s, on_dial, server_name
        self._idle: list[Connection] = []
        self._opened: set[Connection] = set() if opened is None else opened

    async def post(
        self, path: str, headers: Mapping[str, str], body: Pieces, *, keep: bool, within_s: float
    ) -> "Answer":
        """Post `body`, and return the answer once its headers have come, `within_s`.

        `keep` False: on a connection of its own, which is closed afterwards. Where the server closes a kept connection
        before it sends anything, the request is sent once more on a fresh one.
        Raises ConnectionBroken, OSError, TimeoutError.
        """
        head = self.head(path, headers if keep else {**headers, "connection": "close"}, body)
        until = asyncio.get_running_loop().time() + within_s
        if keep and (kept := self.kept()) is not None:
            with suppress(NothingCame):
                return await kept.ask(head, body).begun(until)
        return await (await self.dial()).ask(head, body).begun(until)

    def head(self, path: str, headers: Mapping[str, str], body: Pieces) -> bytes:
        """The head of a request to post `body`. What cannot be printed, and might end a line, is left out."""
        lines = [f"POST {path} HTTP/1.1", f"host: {self.authority}", f"content-length: {sum(map(len, body))}"]
        lines += [f"{name}: {value if value.isprintable() else _printable(value)}" for name, value in headers.items()]
        return "\r\n".join([*lines, "\r\n"]).encode("latin-1", "replace")

    def kept(self) -> "Connection | None":
        """A connection that was kept, to ask on; None where there is none."""
        return self._idle.pop() if self._idle else None

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    async def dial(self) -> "Connection":
        """A fresh connection, to ask on. Raises ConnectionBroken, OSError."""
        try:
            async with asyncio.timeout(self._connect_s):
                transport, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._idle, self._keep_s, self._opened), self._host, self._port,
                    ssl=self._secure, server_hostname=self._server_name,
                )  # fmt: skip
        except TimeoutError as error:
            raise ConnectionBroken(f"no connection within {self._connect_s:g} s") from error
        if self._on_dial:
            try:
                self._on_dial(transport)
            except ConnectionBroken:
                connection.close()
                raise
        return connection


class Answer:
    """One answer, filled by its connection while it comes, and read by whoever asked. Header names: lower case."""

    def __init__(self, connection: "Connection") -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.has_bytes = self.has_head = self.is_complete = self.is_released = False
        self.error: ConnectionBroken | None = None
        self.ended: Callable[[], None] | None = None  # called once it is released
        self.seal: Callable[[bytes], bytes] | None = None  # of a request in a session: see Session.sealer
        self.connection = connection
        self._pieces = list[bytes]()
        self._untaken_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._until = 0.0  # when the reader who waits gives up
        self._within_s = 0.0  # how long after a piece he waits for the next
        self._timer: asyncio.TimerHandle | None = None  # that is due then, or earlier: a stream waits for each piece
        self._takes: Callable[[bytes], bool] | None = None

    def __enter__(self) -> "Answer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @property
    def is_too_much(self) -> bool:
        """Whether so much of the body is not yet read that the server has to wait."""
        return self._untaken_bytes > BUFFER_LIMIT_BYTES

    @property
    def taken_bytes(self) -> int:
        """How much of the request the server has taken: see Connection.count_taken."""
        return self.connection.taken_bytes()

    async def begun(self, until: float) -> "Answer":
        """Wait for status and headers; returns itself. Where it raises, the connection is closed.

        `until` is the event loop's time. Raises ConnectionBroken, TimeoutError.
        """
        self._until = until
        try:
            while not self.has_head:
                if self.error:
                    raise self.error
                await self._news()
        except BaseException:
            self.release()
            raise
        return self

    async def piece(self, within_s: float) -> bytes:
        """The bytes of the body that came since the last call, at least one; empty at the body's end.

        Raises ConnectionBroken, TimeoutError.
        """
        if not self._pieces:
            self._within_s, self._until = within_s, self._loop.time() + within_s
            while not self._pieces:
                if self.is_complete:
                    return b""
                if self.error:
                    raise self.error
                await self._news()
        taken = self._untaken()
        self.connection.go_on()
        return taken

    def pour(self, takes: Callable[[bytes], bool]) -> None:
        """Offer what comes to `takes` first, as it is read: what it takes (True), no call of `piece` returns.

        It is offered only while somebody waits for a piece, who therefore has all before it, and waits on behind it.
        """
        self._takes = takes

    async def read(self, limit_bytes: int, within_s: float) -> bytes:
        """The whole body, or somewhat more than `limit_bytes` of a longer one.

        Raises ConnectionBroken, TimeoutError.
        """
        body, until = bytearray(), self._loop.time() + within_s
        while len(body) <= limit_bytes and (piece := await self.piece(until - self._loop.time())):
            body += piece
        return bytes(body)

    def release(self, *, at_its_end: bool = False) -> None:
        """End this answer. If it was read to its end, its connection is kept; else the connection is closed.

        `at_its_end`: all but the end mark was read, for which the connection waits LINGER_S.
        """
        if not self.is_released:
            self.is_released = True
            if self._timer is not None:
                self._timer.cancel()
            self.connection.released(at_its_end)
            if self.ended is not None:
                self.ended()

    def add(self, piece: bytes) -> None:
        """Take a piece of the body from the connection."""
        self._pieces.append(piece)
        self._untaken_bytes += len(piece)

    def wake(self) -> None:
        """The answer has changed: pour what came, or wake the reader."""
        if self._waiter is None or self._waiter.done():
            return
        if self._takes is not None and self._pieces and not self.is_complete:
            offered = self._untaken()
            if self._takes(offered):
                self._until = self._loop.time() + self._within_s
                return
            self.add(offered)
        self._waiter.set_result(None)

    def _untaken(self) -> bytes:
        pieces, self._pieces, self._untaken_bytes = self._pieces, [], 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _news(self) -> None:
        self._waiter = self._loop.create_future()
        if self._timer is None or self._timer.when() > self._until:
            self._set_timer()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._until, self._give_up)

    def _give_up(self) -> None:
        """Time is up for who waits; or it was for an earlier piece, and more has come since."""
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._until:
            self._set_timer()
        else:
            self._waiter.set_exception(TimeoutError())


class Connection(asyncio.Protocol):
    """One connection, with one answer at a time. Between two answers it is in the list `idle`."""

    def __init__(self, idle: "list[Connection]", keep_s: float, opened: "set[Connection]") -> None:
        self._idle, self._keep_s, self._opened = idle, keep_s, opened
        self.session: object = None  # what whoever asks keeps for this connection
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._answer: Answer | None = None  # None while idle
        self._head_bytes = 0
        self._is_framed = self._is_kept = self._is_held = False
        self._unsent: Iterator[memoryview] | None = None  # what is left of a large request
        self._is_full = False  # so much was sent that the server has to read first
        self._sent_bytes = self._acknowledged_before = 0  # of the request
        self._timer: asyncio.TimerHandle | None = None  # ends an idle or lingering connection

    def ask(self, head: bytes, body: Pieces) -> Answer:
        """Send a request; its answer fills as it comes."""
        self._stop_timer()
        self._head_bytes = 0
        self._answer = Answer(self)
        if (size := sum(map(len, body))) <= SLICE_BYTES:
            self._sent_bytes = size
            self._transport.writelines([head, *body])
        else:
            self._sent_bytes = 0
            self._transport.write(head)
            self._unsent = _slices(body)
            self._send_on()
        return self._answer

    def count_taken(self) -> None:
        """Have `taken_bytes` count from now: call it before a request is sent."""
        self._acknowledged_before = self._acknowledged()

    def taken_bytes(self) -> int:
        """How much of the request the other side has taken: what it acknowledged, where the system tells (Linux).

        Elsewhere what our own system took over, which may be seconds ahead.
        """
        if self._transport.is_closing():
            return 0
        if acknowledged := self._acknowledged():
            return acknowledged - self._acknowledged_before
        return self._sent_bytes - self._transport.get_write_buffer_size()

    def _acknowledged(self) -> int:
        return acknowledged_bytes(self._transport.get_extra_info("socket"))

    def _send_on(self) -> None:
        """Send a slice of a large body, and the next when others have had their turn: TLS encrypts it here and now."""
        if self._transport.is_closing():
            return
        piece = next(self._unsent, None) if self._unsent else None
        if piece is None:
            self._unsent = None
        else:
            self._transport.write(piece)
            self._sent_bytes += len(piece)
            if not self._is_full:
                asyncio.get_running_loop().call_soon(self._send_on)

    def go_on(self) -> None:
        """Read on: the reader has taken what had come."""
        if self._is_held:
            self._is_held = False
            self._transport.resume_reading()

    def released(self, at_its_end: bool) -> None:
        """The present answer has ended for its reader: keep the connection, linger, or close it."""
        if self._answer and self._answer.is_complete:
            self._rest()
        elif at_its_end and not self._transport.is_closing():
            self._timer = asyncio.get_running_loop().call_later(LINGER_S, self._transport.abort)
        else:
            self._transport.abort()

    def close(self) -> None:
        """Close the connection."""
        self._stop_timer()
        self._transport.close()

    def abort(self) -> None:
        """Close the connection without waiting for the other side."""
        self._stop_timer()
        self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods but not the base class
        self._opened.add(self)

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        if self._unsent is not None:
            self._send_on()

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:  # the server sends bytes although nothing was asked
            self._transport.abort()
            return
        answer.has_bytes = True
        self._head_bytes += 0 if answer.has_head else len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            answer.error = NotHttp(f"it does not speak HTTP: {error}")
            self._transport.abort()
        if not answer.has_head and self._head_bytes > HEAD_LIMIT_BYTES:
            answer.error = ConnectionBroken(f"its headers are over {HEAD_LIMIT_BYTES} bytes")
            self._transport.abort()
        elif answer.is_too_much and not self._is_held:
            self._is_held = True
            self._transport.pause_reading()
        answer.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._opened.discard(self)
        if self in self._idle:
            self._idle.remove(self)
        if answer := self._answer:
            if answer.has_head and not self._is_framed and exc is None:
                answer.is_complete = True  # a body without a length ends with its connection (RFC 9112, section 6.3)
            if answer.error is None:
                broken = CutShort if answer.has_head else ConnectionBroken if answer.has_bytes else NothingCame
                answer.error = broken(str(exc or "it closed the connection"))
                answer.error.__cause__ = exc
            answer.wake()

    # What the parser calls.

    def on_message_begin(self) -> None:
        if not self._answer or self._answer.is_complete:
            raise ConnectionBroken("it answered twice")

    def on_header(self, name: bytes, value: bytes) -> None:
        assert self._answer, "data_received parses only while somebody waits"
        self._answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        assert self._answer, "data_received parses only while somebody waits"
        headers, status = self._answer.headers, self._parser.get_status_code()
        if status < 200:  # informational; the answer comes after it
            headers.clear()
            return
        self._answer.status, self._answer.has_head = status, True
        self._is_framed = "content-length" in headers or "transfer-encoding" in headers
        self._is_kept = self._parser.should_keep_alive()

    def on_body(self, piece: bytes) -> None:
        assert self._answer, "data_received parses only while somebody waits"
        self._answer.add(piece)

    def on_message_complete(self) -> None:
        if self._answer and self._answer.has_head:
            self._answer.is_complete = True
            if self._answer.is_released:  # the connection was lingering for this end mark
                self._rest()

    def _rest(self) -> None:
        """Become idle, or close where the server does not keep the connection."""
        self._stop_timer()
        self._answer = None
        self.go_on()
        if self._is_kept and self._unsent is None and not self._transport.is_closing():
            self._idle.append(self)
            self._timer = asyncio.get_running_loop().call_later(self._keep_s, self._transport.close)
        else:
            self._transport.close()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


def _slices(body: Pieces) -> Iterator[memoryview]:
    for piece in body:
        view = memoryview(piece)
        for begin in range(0, len(view), SLICE_BYTES):
            yield view[begin : begin + SLICE_BYTES]


def _printable(value: str) -> str:
    return "".join(character for character in value if character.isprintable())
