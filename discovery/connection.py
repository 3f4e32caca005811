"""One HTTP/1.1 connection to a server, an engine or a peer: asks on it, one request at a time, and fills their answers.

httptools parses, as on the serving side, but for an answer that comes in one piece behind a head that came before
(heads.py), as most answers of a busy engine do: of that the parser, which stands where a message begins, sees nothing.
What is complete is its reader's alone: the connection is given back before he has a look.

Knows nothing of what is asked, nor of other connections.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from math import inf
from operator import methodcaller
from typing import NamedTuple, Protocol, cast

import httptools

from discovery.answer import Answer, ConnectionBroken, CutShort, NothingCame, NotHttp
from discovery.heads import Heads
from discovery.uploads import acknowledged_bytes

SLICE_BYTES = 1 << 18  # of a large body: TLS encrypts so much in a moment, and others have their turn
HEAD_LIMIT_BYTES = 1 << 16  # of an answer's status line and headers, and of what stands between pieces of its body
BUFFER_LIMIT_BYTES = 1 << 18  # of an answer's body that its reader has not taken; beyond it the server has to wait
LINGER_S = 0.05  # s for the end mark of a chunked body after its last event; then the connection is closed


_TEXT = methodcaller("decode", "latin-1")
Pieces = tuple[bytes | memoryview, ...]  # of one body, to be sent one after the other


class Head(NamedTuple):
    """What the head of an answer says. Answers share it whose heads are equal."""

    status: int
    headers: Mapping[str, str]


class Owner(Protocol):
    """Who keeps connections between two answers, and the heads that came on them."""

    heads: Heads[Head]

    def made(self, connection: "Connection") -> None:
        """It is open."""
        ...

    def keep(self, connection: "Connection") -> None:
        """It is idle, and may be asked on again."""
        ...

    def lose(self, connection: "Connection") -> None:
        """It was closed, idle or not."""
        ...


class Connection(asyncio.Protocol):
    """One connection, with one answer at a time. Between two answers its owner keeps it."""

    def __init__(self, owner: Owner) -> None:
        self._owner, self.idle_since = owner, 0.0
        self.session: object = None  # what whoever asks keeps for this connection
        self.loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser: httptools.HttpResponseParser
        self._answer: Answer | None = None  # None while idle
        self.takes: Callable[[bytes], bool] | None = None  # takes a piece of the body, or does not: see Sink
        self._lines: dict[bytes, bytes] = {}  # of the head, and then of trailers, which nobody reads
        self._came: list[bytes] = []  # of the body, in what is being parsed
        # The parser calls these, often, without a step of Python's interpreter.
        self.on_header, self.on_body = self._lines.__setitem__, self._came.append
        self._is_fresh = False  # nothing of the present answer has come
        self._unparsed = 0  # bytes since the last piece of a body: of a head, of trailers, of chunk sizes
        self._is_kept = self._is_held = False
        self._unsent: Iterator[memoryview] | None = None  # what is left of a large request
        self._is_full = False  # so much was sent that the server has to read first
        self._sent_bytes = self._acknowledged_before = 0  # of the request
        # One timer for all waits, which is mostly due too early and looks then when it should be: most waits end soon.
        self._look: asyncio.TimerHandle | None = None
        self.looks_at = inf  # when it is due
        self._lingering: asyncio.TimerHandle | None = None  # ends the connection

    def ask(self, lines: bytes, body: Pieces) -> Answer:
        """Send a request; its answer fills as it comes. `lines`: of its head, but for the length of a body."""
        answer = self._answer = Answer(self)
        self._is_fresh, self._unparsed = True, 0
        self._sent_bytes = size = sum(map(len, body))
        ends = b"content-length: %d\r\n\r\n" % size if body else b"\r\n"
        if size <= SLICE_BYTES:
            self._transport.write(b"".join((lines, ends, *body)))
        else:
            self._sent_bytes = 0
            self._transport.write(lines + ends)
            self._unsent = _slices(body)
            self._send_on()
        return answer

    def count_taken(self) -> None:
        """Have `taken_bytes` count from now."""
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
                self.loop.call_soon(self._send_on)

    def look_at(self, at: float) -> None:
        """Have the answer's `check` called then, by the event loop's time, or earlier."""
        if at < self.looks_at:
            if self._look is not None:
                self._look.cancel()
            self._look, self.looks_at = self.loop.call_at(at, self._check), at

    def _check(self) -> None:
        self._look, self.looks_at = None, inf
        if self._answer is not None:
            self._answer.check(self.loop.time())

    def go_on(self) -> None:
        """Read on: the reader has taken what had come."""
        if self._is_held:
            self._is_held = False
            self._transport.resume_reading()

    def left(self, at_its_end: bool) -> None:
        """The present answer has ended for its reader, but is not complete: linger for its end, or close."""
        if at_its_end and not self._transport.is_closing():
            self._lingering = self.loop.call_later(LINGER_S, self._transport.abort)
        else:
            self._transport.abort()

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def abort(self) -> None:
        """Close the connection without waiting for the other side."""
        self._transport.abort()

    def forget(self) -> None:
        """Its dial was given up. uvloop closes a connection that has just come about then, and tells it nothing."""
        if transport := vars(self).pop("_transport", None):
            self._owner.lose(self)
            transport.set_protocol(asyncio.Protocol())  # elsewhere more may be told, which nobody needs to hear
            vars(self).pop("_parser", None)  # it leads back here, as the transport did

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods but not the base class
        self._parser = httptools.HttpResponseParser(self)  # it leads back here: a dial that fails leaves none
        self._owner.made(self)

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
        is_first = self._is_fresh
        if is_first and self._is_known(answer, data):
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            answer.error = NotHttp(f"it does not speak HTTP: {error}")
            self._transport.abort()
        if came := self._came:
            piece = came.pop() if len(came) == 1 else self._joined()
            self._unparsed = 0
            if (takes := self.takes) and takes(piece):
                return
            if is_first and answer.is_complete:
                self._learn(answer, data, piece)
            answer.pieces.append(piece)
            answer.untaken_bytes += len(piece)
            if answer.untaken_bytes > BUFFER_LIMIT_BYTES and not self._is_held:
                self._is_held = True
                self._transport.pause_reading()
        else:
            self._unparsed += len(data)
            if self._unparsed > HEAD_LIMIT_BYTES:
                answer.error = ConnectionBroken(f"its headers are over {HEAD_LIMIT_BYTES} bytes")
                self._transport.abort()
        self.takes = None  # the reader has something to read first
        if answer.is_complete:
            self._rest()
        answer.wake()

    def _is_known(self, answer: Answer, data: bytes) -> bool:
        """Whether the first that came of an answer is all of it, and its head is known; then it needs no parser."""
        self._is_fresh = False
        known = self._owner.heads.find(data)
        if known is None or len(known[3]) != known[2]:
            self._lines.clear()
            return False
        (answer.status, headers), anew, _, body = known
        answer.headers = headers if anew is None else {**headers, **anew}
        answer.has_head = answer.is_complete = self._is_kept = True
        answer.pieces.append(body)
        self._rest()
        answer.wake()
        return True

    def _learn(self, answer: Answer, data: bytes, body: bytes) -> None:
        """Have the head of an answer remembered, behind which just its body came, as its length tells."""
        lines, ends, behind = data.partition(b"\r\n\r\n")
        if self._is_kept and answer.error is None and behind == body:
            self._owner.heads.learn(lines + ends, Head(answer.status, answer.headers))

    def _joined(self) -> bytes:
        came = b"".join(self._came)
        self._came.clear()
        return came

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._look, self._lingering):
            if timer is not None:
                timer.cancel()
        self._owner.lose(self)
        if answer := self._answer:
            is_framed = "content-length" in answer.headers or "transfer-encoding" in answer.headers
            if answer.has_head and not is_framed and exc is None:
                answer.is_complete = True  # a body without a length ends with its connection (RFC 9112, section 6.3)
            if answer.error is None:
                broken = CutShort if answer.has_head else ConnectionBroken if self._unparsed else NothingCame
                answer.error = broken(str(exc or "it closed the connection"))
                answer.error.__cause__ = exc
            answer.wake()
        self._answer = None  # it leads back here, and so does the parser: whoever asked would stay in memory with both
        del self._parser

    # What the parser calls.

    def on_message_begin(self) -> None:
        if not self._answer or self._answer.is_complete:
            raise ConnectionBroken("it answered twice")

    def on_headers_complete(self) -> None:
        answer, lines, status = self._answer, self._lines, self._parser.get_status_code()
        assert answer, "data_received parses only while somebody waits"
        if status < 200:  # informational; the answer comes after it
            lines.clear()
            return
        answer.headers = dict(zip(map(str.lower, map(_TEXT, lines)), map(_TEXT, lines.values()), strict=True))
        answer.status, answer.has_head, self._is_kept = status, True, self._parser.should_keep_alive()

    def on_message_complete(self) -> None:
        if self._answer and self._answer.has_head:
            self._answer.is_complete, self.takes = True, None  # somebody has to see the end

    def _rest(self) -> None:
        """The present answer is complete: become idle, or close where the server keeps no connection."""
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        self._answer = None
        if self._is_held:
            self.go_on()
        if self._is_kept and self._unsent is None and not self._transport.is_closing():
            self._owner.keep(self)
        else:
            self._transport.close()


def _slices(body: Pieces) -> Iterator[memoryview]:
    for piece in body:
        view = memoryview(piece)
        for begin in range(0, len(view), SLICE_BYTES):
            yield view[begin : begin + SLICE_BYTES]
