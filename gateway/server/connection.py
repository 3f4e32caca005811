"""One connection of a listener: the answers to what is read from it (reading.py), and how long it may take.

Most servers wait without end for the rest of a head or a body, and for whoever should read their answer. Here a head or
a body that comes too slowly is refused (408), and an answer that nobody reads is ended. What one request costs beside
is in gateway/server/exchange.py.

The clock is looked at about once a second (`check`), so that a request pays for no timer.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from discovery.heads import Heads, KnownHeads
from gateway.server.bounds import Bounds
from gateway.server.exchange import STATUS_LINES, Exchange
from gateway.server.fields import Head
from gateway.server.flow import FlowControl, address
from gateway.server.places import Place
from gateway.server.reading import Reading
from gateway.server.turns import Meet, Turns
from gateway.wire.errors import endpoint_of, whole_error

log = logging.getLogger(__name__)

KEEPALIVE_S = 75  # longer than what pooled clients keep, so that they close first and never meet a closed connection


@dataclass(slots=True)
class ServerState:
    """What a server has open: its connections, the requests that are under way on them, and the heads that it knows."""

    connections: set["Connection"] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    heads: Heads[Head] = field(default_factory=KnownHeads)


class Connection(Reading):
    """See the module. Requests are answered one after the other, in the order in which they came."""

    def __init__(
        self,
        meet: Meet,
        server_state: ServerState,
        bounds: Bounds,
        place: Place,
        vouch: Callable[[Place, str], bool],
        left: Callable[[Place], None],
        turns: Turns,
        caller: str | None = None,
    ) -> None:
        """`caller`: the address that it comes from, where a relay is between and told it; its port is 0 then."""
        super().__init__(server_state.heads, bounds, place)
        self._meet, self._connections, self._tasks = meet, server_state.connections, server_state.tasks
        self._vouch, self._left, self._caller, self._turns = vouch, left, caller, turns
        self._closing_since: float | None = None
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

    def connection_made(self, transport: Any) -> None:
        self.transport, self.flow = transport, FlowControl(transport)
        self.server, self.client = address(transport, "sockname"), address(transport, "peername")
        if self._caller is not None:
            self.client = self._caller, 0
        self.scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        self._connections.add(self)
        self._place.idle_since = now = self.loop.time()
        self.begin_reading(now + self._bounds.first_head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._left(self._place)
        self._connections.discard(self)
        self.end_reading()
        self.flow.resume_writing()
        if self._closing is not None:  # it leads back here
            self._closing.cancel()

    # --- what goes out ---

    def answer(self, exchange: Exchange) -> None:
        self._answering = exchange
        self._turns.begin(exchange, self._meet, self._tasks)

    def answered(self, exchange: Exchange) -> None:
        """The last of an answer was written."""
        self._answering = None
        if not exchange.keeps_alive:
            if exchange is self._reading and self._body is not None:  # closed at once, it would be reset
                self.flow.resume_reading()
                self.hang_up_soon(reads_on=True)
            else:
                self.transport.close()
        if self.transport.is_closing() or self._is_refused:  # no other answer is begun
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self._waiting:
            self.answer(self._waiting.popleft())
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
                self.refuse(408, "the request's head did not come in time")
            else:  # it never said anything
                self.transport.close()
        elif self._body is not None and self._body.is_slow(now, self._bounds, waits_for_us=self.flow.read_paused):
            self.refuse(408, "the request's body comes too slowly")
        elif self.flow.is_unread(now, self._bounds.unread_s):
            log.info("answer_not_read from=%s", self._place.site)
            self.transport.abort()
        elif self._place.idle_since is not None and now - self._place.idle_since > KEEPALIVE_S:
            self.transport.close()

    def pause_writing(self) -> None:
        self.flow.pause_writing(self.loop.time())

    def resume_writing(self) -> None:
        self.flow.resume_writing()

    # --- how it ends ---

    def refuse(self, status: int, message: str) -> None:
        """Answer, unless the request under way has been answered, or its answer has begun, and hang up."""
        if self.transport.is_closing():
            return
        refused = self._reading if self._body is not None else None  # None: its head has not come
        under_way = self._answering or refused
        if under_way is None or not under_way.has_started:  # one before it gets no answer any more
            path = "" if refused is None else refused.path
            status, body = whole_error(endpoint_of(path), "", status=status, message=message, code="malformed")
            head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            self.transport.write(STATUS_LINES[status] + head + body)
            if self._answering is not None:
                self._answering.lose()
        self.hang_up_soon()

    def hang_up_soon(self, *, reads_on: bool = False) -> None:
        """Close when the client has had the time to read our answer. Until then what comes is not read, or dropped."""
        self._is_refused, self._is_between = True, False
        if not reads_on and not self.transport.is_closing():
            self.transport.pause_reading()
        if self._closing is None:
            self._closing = self.loop.call_later(self._bounds.linger_s, self.transport.close)


def collect(connection: socket.socket, size: int) -> None:
    """Let the system collect about so many bytes of this connection before they are read."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
