"""Kept HTTP/1.1 connections to one engine: post a body, read the answer piece by piece. Knows nothing of OpenAI.

aiohttp's client would cost several times as much a request, for sessions, cookies, redirects and traces that an engine
does not need (docs/results/gateway.md). httptools parses, as on the serving side.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import cast
from urllib.parse import urlsplit

import httptools

from gateway.wire.codec import LARGE_BYTES, Pieces
from gateway.wire.text import one_line

HEAD_LIMIT_BYTES = 1 << 16  # of an answer's status line and headers
BUFFER_LIMIT_BYTES = 1 << 18  # of an answer's body that its reader has not taken; beyond it the engine has to wait
LINGER_S = 0.05  # s for the end mark of a chunked body after its last event; then the connection is closed


class ConnectionBroken(Exception):
    """The engine closed the connection, or sent bytes that are not HTTP, before its answer was complete."""


class Connections:
    """Connections to the engine at `url` (http or https, host and port). An idle one is closed after `keep_s`."""

    def __init__(self, url: str, *, connect_s: float, keep_s: float, on_dial: Callable[[], None] | None = None) -> None:
        """`on_dial` is called on each new connection before anything is sent, and may raise ConnectionBroken."""
        parts = urlsplit(url)
        self._secure = ssl.create_default_context() if parts.scheme == "https" else None
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._secure else 80)
        self._authority = parts.netloc.rpartition("@")[2]
        self._connect_s, self._keep_s, self._on_dial = connect_s, keep_s, on_dial
        self._idle: list[Connection] = []

    async def post(
        self, path: str, headers: Mapping[str, str], body: Pieces, *, keep: bool, within_s: float
    ) -> "Answer":
        """Post `body`, and return the answer once its headers have come, `within_s`.

        `keep` False: on a connection of its own, which is closed afterwards. Where the engine closes a kept connection
        before it sends anything, the request is sent once more on a fresh one.
        Raises ConnectionBroken, OSError, TimeoutError.
        """
        lines = [f"POST {path} HTTP/1.1", f"host: {self._authority}", f"content-length: {sum(map(len, body))}"]
        lines += [f"{name}: {one_line(value)}" for name, value in headers.items()]
        lines += [] if keep else ["connection: close"]
        head = "\r\n".join([*lines, "\r\n"]).encode("latin-1", "replace")
        until = asyncio.get_running_loop().time() + within_s
        if keep and self._idle:
            answer = self._idle.pop().ask(head, body)
            try:
                return await answer.begun(until)
            except ConnectionBroken:
                if answer.has_bytes:
                    raise
        return await (await self._dial()).ask(head, body).begun(until)

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    async def _dial(self) -> "Connection":
        try:
            async with asyncio.timeout(self._connect_s):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._idle, self._keep_s), self._host, self._port, ssl=self._secure
                )
        except TimeoutError as error:
            raise ConnectionBroken(f"no connection within {self._connect_s:g} s") from error
        if self._on_dial:
            try:
                self._on_dial()
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
        self._connection = connection
        self._pieces = list[bytes]()
        self._untaken_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._until = 0.0  # when the reader who waits gives up
        self._within_s = 0.0  # how long after a piece he waits for the next
        self._timer: asyncio.TimerHandle | None = None  # that is due then, or earlier: a stream waits for each piece
        self._takes: Callable[[bytes], bool] | None = None

    @property
    def is_too_much(self) -> bool:
        """Whether so much of the body is not yet read that the engine has to wait."""
        return self._untaken_bytes > BUFFER_LIMIT_BYTES

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
        self._connection.go_on()
        return taken

    def pour(self, takes: Callable[[bytes], bool]) -> None:
        """Offer what comes to `takes` first, as it is read: what it takes (True), no call of `piece` returns.

        It is offered only while somebody waits for a piece, who therefore has all before it, and waits on behind it.
        """
        self._takes = takes

    def release(self, *, at_its_end: bool = False) -> None:
        """End this answer. If it was read to its end, its connection is kept; else the connection is closed.

        `at_its_end`: all but the end mark was read, for which the connection waits LINGER_S.
        """
        if not self.is_released:
            self.is_released = True
            if self._timer is not None:
                self._timer.cancel()
            self._connection.released(at_its_end)

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

    def __init__(self, idle: "list[Connection]", keep_s: float) -> None:
        self._idle, self._keep_s = idle, keep_s
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._answer: Answer | None = None  # None while idle
        self._head_bytes = 0
        self._is_framed = self._is_kept = self._is_held = False
        self._unsent: Iterator[memoryview] | None = None  # what is left of a large request
        self._is_full = False  # so much was sent that the engine has to read first
        self._timer: asyncio.TimerHandle | None = None  # ends an idle or lingering connection

    def ask(self, head: bytes, body: Pieces) -> Answer:
        """Send a request; its answer fills as it comes."""
        self._stop_timer()
        self._head_bytes = 0
        self._answer = Answer(self)
        if sum(map(len, body)) <= LARGE_BYTES:
            self._transport.writelines([head, *body])
        else:
            self._transport.write(head)
            self._unsent = _slices(body)
            self._send_on()
        return self._answer

    def _send_on(self) -> None:
        """Send a slice of a large body, and the next when others have had their turn: TLS encrypts it here and now."""
        if self._transport.is_closing():
            return
        piece = next(self._unsent, None) if self._unsent else None
        if piece is None:
            self._unsent = None
        else:
            self._transport.write(piece)
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

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods but not the base class

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        if self._unsent is not None:
            self._send_on()

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:  # the engine sends bytes although nothing was asked
            self._transport.abort()
            return
        answer.has_bytes = True
        self._head_bytes += 0 if answer.has_head else len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            answer.error = ConnectionBroken(f"it does not speak HTTP: {error}")
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
        if self in self._idle:
            self._idle.remove(self)
        if answer := self._answer:
            if answer.has_head and not self._is_framed and exc is None:
                answer.is_complete = True  # a body without a length ends with its connection (RFC 9112, section 6.3)
            answer.error = answer.error or ConnectionBroken(str(exc or "it closed the connection"))
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
        """Become idle, or close where the engine does not keep the connection."""
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
        for begin in range(0, len(view), LARGE_BYTES):
            yield view[begin : begin + LARGE_BYTES]
