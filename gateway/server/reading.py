"""Requests, out of the bytes of one connection: their heads and bodies, as far as they are within bounds.

A head that came before is not parsed again (discovery/heads.py): the bytes of such a request are counted, and the
parser, which stands at a message's start, stays there. The parser reads all others, and is the reference.

httptools collects a head of any size. Here one over so many bytes is refused, the trailers of a chunked body included
(431). Knows nothing of answers, but that they come one after the other.
"""

import asyncio
from collections import deque
from functools import partial
from typing import Any

import httptools

from discovery.heads import Anew, Heads
from gateway.server.bounds import PIECE_BYTES, TOO_MUCH, Body, Bounds, TooMuch
from gateway.server.exchange import READ_AHEAD_BYTES, Exchange
from gateway.server.fields import Head, size_of, without_offer
from gateway.server.flow import FlowControl
from gateway.server.places import Place

READ_BYTES = 64 << 10  # parsed at once of what follows a head: of a body, its trailers, the next head
PIPELINE_LIMIT = 16  # requests sent before the answer to the first; nobody who means well sends more than one


class Reading(asyncio.Protocol):
    """See the module. A Connection (connection.py) answers what it reads."""

    transport: asyncio.Transport
    flow: FlowControl
    server: tuple[str, int] | None
    client: tuple[str, int] | None
    scheme: str

    def __init__(self, heads: Heads[Head], bounds: Bounds, place: Place) -> None:
        self.loop = asyncio.get_running_loop()
        self._heads, self._bounds, self._place = heads, bounds, place
        self._parser: httptools.HttpRequestParser
        self._url, self._fields = b"", list[tuple[bytes, bytes]]()  # of the head under way
        self._reading: Exchange | None = None  # whose body comes, or came last
        self._answering: Exchange | None = None
        self._waiting = deque[Exchange]()  # for the answers to those before them
        self._is_between = False  # the parser stands where a message begins, and heads are remembered
        self._uncounted = 0  # bytes of a body behind a known head that are still to come
        self._unparsed = 0  # bytes since the last piece of a body: of a head, of trailers, of chunk sizes
        self._head_until: float | None = None  # while a head is awaited or under way
        self._body: Body | None = None  # while one is under way
        self._dropped_bytes = 0  # of what nobody reads any more
        self._is_refused = False

    def answer(self, exchange: Exchange) -> None:
        """Its turn has come: the one before was answered."""
        raise NotImplementedError

    def answered(self, exchange: Exchange) -> None:
        """The last of an answer was written."""
        raise NotImplementedError

    def refuse(self, status: int, message: str) -> None:
        """What came is no request that we take: nothing more is read."""
        raise NotImplementedError

    def hang_up_soon(self) -> None:
        """Nobody wants what comes."""
        raise NotImplementedError

    def begin_reading(self, until: float) -> None:
        """The connection is open; its first head is to come by then."""
        self._parser = _new_parser(self)  # it leads back here: a handshake that fails leaves none
        self._is_between, self._head_until = self._bounds.heads is not None, until

    def end_reading(self) -> None:
        """The connection is lost."""
        for exchange in {self._reading, self._answering}:
            if exchange is not None:
                exchange.lose()
        self._waiting.clear()
        self._reading = self._answering = None  # they lead back here, and so does the parser:
        del self._parser  # without it TLS's buffers are freed at once

    def data_received(self, data: bytes) -> None:
        if self._is_between and self._answering is None and (known := self._heads.find(data)) is not None:
            self._known(*known)
        elif self._is_refused:
            self._dropped_bytes += len(data)
            if self._dropped_bytes > self._bounds.dropped_bytes:
                self.flow.pause_reading()
        elif self._uncounted:
            self._parse(self._count(data))
        else:
            self._parse(data)

    def _known(self, head: Head, anew: Anew | None, size: int, data: bytes) -> None:
        """A request whose head is known; `data` came behind that.

        `anew`: headers whose values are others than the head had. `size`: of its body.
        """
        came = len(data)
        if came < size:
            self._await_body(Exchange(self, head, anew))
            self._uncounted, self._is_between = size, False
            self._count(data)
            return
        self._reading = exchange = Exchange(self, head, anew, data if came == size else data[:size])
        self._dropped_bytes = self._unparsed = 0
        self._head_until = self._place.idle_since = None
        if size > READ_AHEAD_BYTES:
            self.flow.pause_reading()
        self.answer(exchange)
        if came > size:
            self._parse(data[size:])

    def _count(self, data: bytes) -> bytes:
        """Of a body behind a known head; what is no more of it."""
        body, behind = data[: self._uncounted], data[self._uncounted :]
        self._uncounted -= len(body)
        try:
            if body:
                self.on_body(body)
        except TooMuch as error:
            self.refuse(error.status, TOO_MUCH)
            return b""
        if not self._uncounted:
            self._is_between = not self._is_refused
            self._end_body()
        return behind

    def _parse(self, data: bytes) -> None:
        """Have the parser read what came."""
        if data and self._body is None and data != b"\r\n":  # which some clients send after a body
            until = self.loop.time() + self._bounds.head_s
            if self._head_until is None or until < self._head_until:
                self._head_until = until
        while data and not self._is_refused:
            # Lines are counted when all, or all of a piece, were read: what one piece may bring is bounded, too.
            room = READ_BYTES if self._body is not None else self._bounds.head_bytes + 1 - self._unparsed
            is_head = self._is_between and (end := data.find(b"\r\n\r\n", 0, room)) >= 0
            if is_head:  # no further, to see whether the parser takes it for one, too
                room = end + 4
            piece, data = data[:room], data[room:]
            self._unparsed += len(piece)
            try:
                self._parser.feed_data(piece)
            except httptools.HttpParserUpgrade as offer:
                if not self._is_offer():
                    self.refuse(400, "this is no proxy: it opens no tunnels")
                    return
                data = self._read_again() + piece[offer.args[0] :] + data
            except httptools.HttpParserError as error:
                self.refuse(*_refusal(error))
                return
            if is_head and self._body is not None and not self._body.pieces:
                self._learn(piece)
            if self._fields and not self._unparsed:  # lines behind a body's end: counted once, they may come by bytes
                self._unparsed = self._lines_bytes
            if self._unparsed > self._bounds.head_bytes:
                self.refuse(431, f"a request's head is at most {self._bounds.head_bytes} bytes here")

    def _learn(self, lines: bytes) -> None:
        """Have this head, behind which its body is awaited, remembered once its request is not refused.

        Only what is posted: strangers get a page or a sign of life, and could push out what programs send.
        """
        exchange = self._reading
        if exchange is not None and exchange.keeps_alive and exchange.method == "POST":
            exchange.learn = partial(self._heads.learn, lines, exchange.head)

    # --- what the parser calls ---

    def on_message_begin(self) -> None:
        self._is_between = False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        parser = self._parser
        if self._lines_bytes > self._bounds.head_bytes:
            raise TooMuch(431)
        if parser.should_upgrade() and self._is_offer():
            return
        if len(self._waiting) >= PIPELINE_LIMIT:
            raise TooMuch(400)
        head = Head(
            parser.get_method().decode("ascii"), self._url, parser.get_http_version(), self._fields,
            keeps_alive=parser.should_keep_alive(),
        )  # fmt: skip
        self._url, self._fields = b"", []  # trailers are no header lines of it
        self._await_body(Exchange(self, head))

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        assert self._body and self._reading, "its head came"
        self._body.take(len(body))
        if not self._reading.is_complete:
            self._reading.take(body)
            return
        self._dropped_bytes += len(body) + PIECE_BYTES
        if self._dropped_bytes > self._bounds.dropped_bytes:
            self.hang_up_soon()

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade() and self._is_offer():
            return
        assert self._reading, "its head came"
        if self._fields and self._lines_bytes > self._bounds.head_bytes:
            raise TooMuch(431)
        self._fields = []
        self._is_between = self._bounds.heads is not None and self._reading.keeps_alive and not self._is_refused
        self._end_body()

    def _await_body(self, exchange: Exchange) -> None:
        """The head of a request came: answer it, unless another one is being answered."""
        self._unparsed, self._head_until, self._place.idle_since = 0, None, None
        self._body, self._dropped_bytes = Body(self.loop.time()), 0
        self._reading = exchange
        if self._answering is None:
            self.answer(exchange)
        else:
            self.flow.pause_reading()
            self._waiting.append(exchange)

    def _end_body(self) -> None:
        """The last of a request came. From one answer to the next request a connection is idle, if one never comes."""
        assert self._reading, "its head came"
        self._unparsed, self._body = 0, None
        self._reading.took_all()
        if self._reading.is_complete and self._answering is None:
            self._place.idle_since = self.loop.time()

    def _is_offer(self) -> bool:
        """Whether this head offers another protocol, after which the parser reads no more."""
        return self._parser.should_upgrade() and self._parser.get_method() != b"CONNECT"

    def _read_again(self) -> bytes:
        """The head that offered another protocol, for a new parser to read without the offer."""
        old = self._parser
        head = without_offer(old.get_method(), self._url, old.get_http_version(), self._fields)
        self._parser, self._unparsed, self._is_between = _new_parser(self), 0, False
        self._url, self._fields = b"", []
        return head

    @property
    def _lines_bytes(self) -> int:
        """Of the head or the trailers under way, as far as their lines are complete."""
        return len(self._url) + size_of(self._fields)


def _refusal(error: httptools.HttpParserError) -> tuple[int, str]:
    """(status, words) for what the parser, or one of our callbacks, does not take."""
    why = error.__context__
    if isinstance(why, TooMuch):
        return why.status, TOO_MUCH
    said = "the path is not ASCII, percent-encode it" if isinstance(why, UnicodeError) else str(error)
    return 400, f"this is no HTTP that we take: {said}"


def _new_parser(reading: Any) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(reading)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # so that a request before it is answered
    return parser
