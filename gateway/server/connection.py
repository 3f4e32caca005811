"""One connection of a listener: an HTTP protocol, with bounds on what it may send and how long it may take.

A head that came before is not parsed again (`_known`, discovery/heads.py): the bytes of such a request are counted, and
the parser, which stands at a message's start, stays there. The parser reads all others, and is the reference.

httptools collects a head of any size, and most servers wait without end for the rest of a head or a body, and for
whoever should read their answer. Here a head over so many bytes is refused, the trailers of a
chunked body included (431). So is a head or a body that comes too slowly (408), and an answer that nobody reads is
ended. What one request costs beside is in gateway/server/exchange.py.

The clock is looked at about once a second (`check`), so that a request pays for no timer.
"""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httptools

from discovery.heads import Anew, Heads, KnownHeads
from gateway.server.exchange import READ_AHEAD_BYTES, STATUS_LINES, Exchange
from gateway.server.fields import Head, size_of, without_offer
from gateway.server.flow import FlowControl, address
from gateway.server.places import Place
from gateway.server.turns import Turns
from gateway.wire.errors import endpoint_of, whole_error

log = logging.getLogger(__name__)

Meet = Callable[[Exchange], Coroutine[Any, Any, None]]  # answers a request
KEEPALIVE_S = 75  # longer than what pooled clients keep, so that they close first and never meet a closed connection
PIECES_FREE, PIECE_BYTES = 10_000, 64  # chunks of a body, and how large those beyond them are on the average, at least
READ_BYTES = 64 << 10  # parsed at once of what follows a head: of a body, its trailers, the next head
_TOO_MUCH = "too many bytes in a head, pieces of a body, or requests at once"
PIPELINE_LIMIT = 16  # requests sent before the answer to the first; nobody who means well sends more than one


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one connection may send, and how long it may take."""

    head_bytes: int
    first_head_s: float  # s from the connection to the end of its first head
    handshake_s: float = 5.0  # s for TLS, to begin and to end
    head_s: float = 5.0  # s from the first byte of a head to its end
    body_bytes_per_s: int = 16 << 10  # on the average of `body_window_s`
    body_window_s: float = 10.0
    body_s: float = 600.0  # s for a whole body
    dropped_bytes: int = 64 << 10  # of a body whose request is answered already; then the connection is closed
    unread_s: float = 10.0  # s in which the reader of an answer takes nothing of it
    # What the system collects of a stranger's connection before we read it, and of one that a peer vouches for. Each
    # byte of it may cost three more in the buffers of TLS. None: as it likes.
    unread_bytes: int | None = None
    vouched_unread_bytes: int = 1 << 20
    linger_s: float = 1.0  # s from a refusal to closing: a client that still sends needs them to read it
    # what remembers the heads that came, if requests have heads that come again: see discovery/heads.py
    heads: Callable[[int], Heads[Any]] | None = None


class TooMuch(Exception):
    """A head, a number of requests or of chunks over its limit; `status` is HTTP's."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(slots=True)
class ServerState:
    """What a server has open: its connections, the requests that are under way on them, and the heads that it knows."""

    connections: set["Connection"] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    heads: Heads[Head] = field(default_factory=KnownHeads)


class Connection(asyncio.Protocol):
    """See the module. Requests are answered one after the other, in the order in which they came."""

    transport: asyncio.Transport
    flow: FlowControl
    server: tuple[str, int] | None
    client: tuple[str, int] | None
    scheme: str

    def __init__(
        self,
        meet: Meet,
        server_state: ServerState,
        bounds: Bounds,
        place: Place,
        vouch: Callable[[Place, str], bool],
        left: Callable[[Place], None],
        turns: Turns[Exchange],
        caller: str | None = None,
    ) -> None:
        """`caller`: the address that it comes from, where a relay is between and told it; its port is 0 then."""
        self.loop = asyncio.get_running_loop()
        self._meet, self._connections, self._tasks = meet, server_state.connections, server_state.tasks
        self._heads, self._bounds, self._place, self._vouch = server_state.heads, bounds, place, vouch
        self._left, self._caller = left, caller
        self._turns = turns
        self._parser: httptools.HttpRequestParser
        self._url, self._fields = b"", list[tuple[bytes, bytes]]()  # of the head under way
        self._reading: Exchange | None = None  # whose body comes, or came last
        self._answering: Exchange | None = None
        self._waiting = deque[Exchange]()  # for the answers to those before them
        self._is_between = False  # the parser stands where a message begins, and heads are remembered
        self._uncounted = 0  # bytes of a body behind a known head that are still to come
        self._unparsed = 0  # bytes since the last piece of a body: of a head, of trailers, of chunk sizes
        self._head_until: float | None = None  # while a head is awaited or under way
        self._body_since: float | None = None  # while a body is under way
        self._body_bytes = self._dropped_bytes = self._pieces = 0
        self._window: tuple[float, int] = (0.0, 0)  # when the present window of a body began, and at which byte
        self._closing_since: float | None = None
        self._is_refused = False
        self._closing: asyncio.TimerHandle | None = None
        self.session: object = None  # what whoever answers its requests keeps for it

    def vouch(self, peer: str) -> bool:
        """A peer with rights makes requests on this connection; False: it has as many connections as one may have."""
        is_new = self._place.peer is None
        if not self._vouch(self._place, peer):
            return False
        if is_new and self._bounds.unread_bytes is not None:
            collect(self.transport.get_extra_info("socket"), self._bounds.vouched_unread_bytes)
        return True

    @property
    def vouched_by(self) -> str | None:
        """The peer with rights that made requests on this connection."""
        return self._place.peer

    # --- what comes in ---

    def connection_made(self, transport: Any) -> None:
        self.transport, self.flow = transport, FlowControl(transport)
        self._parser = _new_parser(self)  # it leads back here: a handshake that fails leaves none
        self._is_between = self._bounds.heads is not None
        self.server, self.client = address(transport, "sockname"), address(transport, "peername")
        if self._caller is not None:
            self.client = self._caller, 0
        self.scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        self._connections.add(self)
        now = self.loop.time()
        self._head_until, self._place.idle_since = now + self._bounds.first_head_s, now

    def connection_lost(self, exc: Exception | None) -> None:
        self._left(self._place)
        self._connections.discard(self)
        for exchange in {self._reading, self._answering}:
            if exchange is not None:
                exchange.lose()
        self._waiting.clear()
        self._reading = self._answering = None  # they lead back here; and the parser and the timer, too:
        del self._parser  # without them TLS's buffers are freed at once
        self.flow.resume_writing()
        if self._closing is not None:
            self._closing.cancel()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            self._dropped_bytes += len(data)
            if self._dropped_bytes > self._bounds.dropped_bytes:
                self.flow.pause_reading()
        elif self._uncounted:
            self._parse(self._count(data))
        elif self._is_between and self._answering is None and (known := self._heads.find(data)) is not None:
            if behind := self._known(*known):
                self._parse(behind)
        else:
            self._parse(data)

    def _known(self, head: Head, anew: Anew | None, size: int, data: bytes) -> bytes:
        """A request whose head is known; `data` came behind that: what of it is no more of its body.

        `anew`: headers whose values are others than the head had. `size`: of its body.
        """
        if len(data) < size:
            self._await_body(Exchange(self, head, anew))
            self._uncounted = size
            return self._count(data)
        body, behind = data[:size], data[size:]
        self._reading = exchange = Exchange(self, head, anew, body)
        self._dropped_bytes = self._unparsed = 0
        self._head_until = self._place.idle_since = None
        if size > READ_AHEAD_BYTES:
            self.flow.pause_reading()
        self._answer(exchange)
        return behind

    def _count(self, data: bytes) -> bytes:
        """Of a body behind a known head; what is no more of it."""
        body, behind = data[: self._uncounted], data[self._uncounted :]
        self._uncounted -= len(body)
        try:
            if body:
                self.on_body(body)
        except TooMuch as error:
            self._refuse(error.status, _TOO_MUCH)
            return b""
        if not self._uncounted:
            self._end_body()
        return behind

    def _parse(self, data: bytes) -> None:
        """Have the parser read what came."""
        if data and self._body_since is None and data != b"\r\n":  # which some clients send after a body
            until = self.loop.time() + self._bounds.head_s
            if self._head_until is None or until < self._head_until:
                self._head_until = until
        while data and not self._is_refused:
            # Lines are counted when all, or all of a piece, were read: what one piece may bring is bounded, too.
            room = READ_BYTES if self._body_since is not None else self._bounds.head_bytes + 1 - self._unparsed
            is_head = self._is_between and (end := data.find(b"\r\n\r\n", 0, room)) >= 0
            if is_head:  # no further, to see whether the parser takes it for one, too
                room = end + 4
            piece, data = data[:room], data[room:]
            self._unparsed += len(piece)
            try:
                self._parser.feed_data(piece)
            except httptools.HttpParserUpgrade as offer:
                if not self._is_offer():
                    self._refuse(400, "this is no proxy: it opens no tunnels")
                    return
                data = self._read_again() + piece[offer.args[0] :] + data
            except httptools.HttpParserError as error:
                self._refuse(*_refusal(error))
                return
            if is_head and self._body_since is not None and not self._pieces:
                self._learn(piece)
            if self._fields and not self._unparsed:  # lines behind a body's end: counted once, they may come by bytes
                self._unparsed = self._lines_bytes
            if self._unparsed > self._bounds.head_bytes:
                self._refuse(431, f"a request's head is at most {self._bounds.head_bytes} bytes here")

    def _learn(self, lines: bytes) -> None:
        """Have this head, behind which its body is awaited, remembered once its request is not refused."""
        exchange = self._reading
        if exchange is not None and exchange.keeps_alive:
            exchange.learn = partial(self._heads.learn, lines, exchange.head)

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

    def _await_body(self, exchange: Exchange) -> None:
        """The head of a request came: answer it, unless another one is being answered."""
        now = self.loop.time()
        self._unparsed, self._head_until, self._place.idle_since = 0, None, None
        self._body_since, self._window = now, (now, 0)
        self._body_bytes = self._dropped_bytes = self._pieces = 0
        self._reading = exchange
        if self._answering is None:
            self._answer(exchange)
        else:
            self.flow.pause_reading()
            self._waiting.append(exchange)

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        self._body_bytes += len(body)
        self._pieces += 1
        if self._pieces > PIECES_FREE + self._body_bytes // PIECE_BYTES:
            raise TooMuch(400)
        assert self._reading, "its head came"
        if not self._reading.is_complete:
            self._reading.take(body)
            return
        self._dropped_bytes += len(body) + PIECE_BYTES
        if self._dropped_bytes > self._bounds.dropped_bytes:
            self._hang_up_soon()

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade() and self._is_offer():
            return
        assert self._reading, "its head came"
        if self._fields and self._lines_bytes > self._bounds.head_bytes:
            raise TooMuch(431)
        self._fields = []
        self._is_between = self._bounds.heads is not None and self._reading.keeps_alive
        self._end_body()

    def _end_body(self) -> None:
        """The last of a request came."""
        assert self._reading, "its head came"
        self._unparsed, self._body_since = 0, None
        self._reading.took_all()
        if self._reading.is_complete:
            self._rest()

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

    # --- what goes out ---

    def _answer(self, exchange: Exchange) -> None:
        self._answering = exchange
        self._turns.begin(self._begin, exchange)

    def _begin(self, exchange: Exchange) -> None:
        exchange.task = self.loop.create_task(met(exchange, self._meet, self._tasks))
        self._tasks.add(exchange.task)

    def answered(self, exchange: Exchange) -> None:
        """The last of an answer was written."""
        self._answering = None
        if not exchange.keeps_alive:
            if exchange is self._reading and self._body_since is not None:  # closed at once, it would be reset
                self.flow.resume_reading()
                self._hang_up_soon(reads_on=True)
            else:
                self.transport.close()
        if self.transport.is_closing() or self._is_refused:  # no other answer is begun
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self._waiting:
            self._answer(self._waiting.popleft())
        else:
            self._place.idle_since = self.loop.time()  # to its end, if the next request never comes

    def shutdown(self) -> None:
        """The server is being stopped: end when what was asked is answered."""
        if self._answering is None:
            self.transport.close()
        elif self._reading is not None:
            self._reading.keeps_alive = False

    # --- what takes too long ---

    def check(self, now: float) -> None:
        """End what has taken too long. Called about once a second."""
        if self not in self._connections:  # in its TLS handshake, which has its own limit
            return
        if self.transport.is_closing():
            self._closing_since = self._closing_since or now
            if now - self._closing_since > self._bounds.unread_s:
                self.transport.abort()
        elif self._is_refused:
            pass
        elif self._head_until is not None and now > self._head_until:
            if self._unparsed:
                self._refuse(408, "the request's head did not come in time")
            else:  # it never said anything
                self.transport.close()
        elif self._body_since is not None and self._is_slow(self._body_since, now):
            self._refuse(408, "the request's body comes too slowly")
        elif self.flow.is_unread(now, self._bounds.unread_s):
            log.info("answer_not_read from=%s", self._place.site)
            self.transport.abort()
        elif self._place.idle_since is not None and now - self._place.idle_since > KEEPALIVE_S:
            self.transport.close()

    def pause_writing(self) -> None:
        self.flow.pause_writing(self.loop.time())

    def resume_writing(self) -> None:
        self.flow.resume_writing()

    def _is_slow(self, since: float, now: float) -> bool:
        """Whether a body has been under way for too long, or its last window brought too little."""
        if now - since > self._bounds.body_s:
            return True
        began, had = self._window
        if self.flow.read_paused:  # it waits for us
            self._window = (now, self._body_bytes)
        elif now - began >= self._bounds.body_window_s:
            self._window = (now, self._body_bytes)
            return self._body_bytes - had < self._bounds.body_bytes_per_s * (now - began)
        return False

    # --- how it ends ---

    def _rest(self) -> None:
        """From one answer to the next request a connection is idle: to its end, if it is one that never comes."""
        if self._answering is None:
            self._place.idle_since = self.loop.time()

    def _refuse(self, status: int, message: str) -> None:
        """Answer, unless the request under way has been answered, or its answer has begun, and hang up."""
        if self.transport.is_closing():
            return
        refused = self._reading if self._body_since is not None else None  # None: its head has not come
        under_way = self._answering or refused
        if under_way is None or not under_way.has_started:  # one before it gets no answer any more
            path = "" if refused is None else refused.path
            status, body = whole_error(endpoint_of(path), "", status=status, message=message, code="malformed")
            head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            self.transport.write(STATUS_LINES[status] + head + body)
            if self._answering is not None:
                self._answering.lose()
        self._hang_up_soon()

    def _hang_up_soon(self, *, reads_on: bool = False) -> None:
        """Close when the client has had the time to read our answer. Until then what comes is not read, or dropped."""
        self._is_refused = True
        if not reads_on and not self.transport.is_closing():
            self.transport.pause_reading()
        if self._closing is None:
            self._closing = self.loop.call_later(self._bounds.linger_s, self.transport.close)


def _refusal(error: httptools.HttpParserError) -> tuple[int, str]:
    """(status, words) for what the parser, or one of our callbacks, does not take."""
    why = error.__context__
    if isinstance(why, TooMuch):
        return why.status, _TOO_MUCH
    said = "the path is not ASCII, percent-encode it" if isinstance(why, UnicodeError) else str(error)
    return 400, f"this is no HTTP that we take: {said}"


def collect(connection: socket.socket, size: int) -> None:
    """Let the system collect about so many bytes of this connection before they are read."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def _new_parser(connection: Connection) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(connection)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # so that a request before it is answered
    return parser


def meeting(app: Any) -> Meet:
    """How `app` answers a request: an app of ours meets its exchange (`meet`), any other gets ASGI's messages."""

    def by_messages(exchange: Exchange) -> Coroutine[Any, Any, None]:
        answering: Coroutine[Any, Any, None] = app(exchange.scope(), exchange.receive, exchange.send_message)
        return answering

    meet: Meet = getattr(app, "meet", by_messages)
    return meet


async def met(exchange: Exchange, meet: Meet, under_way: set[asyncio.Task[None]]) -> None:
    """Have a request answered, to its end; its task, which is this one, is then no longer under way."""
    try:
        await meet(exchange)
    except asyncio.CancelledError:  # who serves it cancelled it, and it has told its client
        pass
    except Exception:
        log.exception("bug=app")
    if not exchange.is_complete and not exchange.is_gone:
        log.error("bug=answer_without_end started=%s", exchange.has_started)
        exchange.give_up()
    under_way.discard(exchange.task)
