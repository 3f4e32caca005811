"""What a worker does with requests: it hands them to its owner, and carries out what the owner says."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from discovery.answer import Answer, ConnectionBroken
from discovery.connections import Connections
from gateway.client.entrance.callers import Entrance
from gateway.engines.asked import Answering, Way
from gateway.engines.engine_api import connections_to
from gateway.server.edge import until_gone
from gateway.server.exchange import Exchange
from gateway.serving.alive import KeptAlive
from gateway.serving.relaying import Client, Loan, Relay
from gateway.upstream import REPLY_LIMIT_BYTES, UpstreamError
from gateway.wire.codec import Pieces
from gateway.wire.errors import endpoint_of, error_event, whole_error
from gateway.wire.tokens import Counted, Seen
from gateway.workers.far import broken, failed
from gateway.workers.frames import (
    Ask,
    Begin,
    Broke,
    Came,
    Frame,
    FromOwner,
    GiveUp,
    Gone,
    Heard,
    Held,
    LeaveOff,
    Passed,
    Piece,
    Read,
    Took,
    Write,
)
from gateway.workers.heads import Telling
from gateway.workers.reading import let_in

# Of a body that is handed over with its head; more of it, and what is not there yet, comes piece by piece.
WHOLE_BYTES = 1 << 20
TAKEN_BYTES = 1 << 16  # of what the owner wrote, until it is told that the client took them
HEARD_BYTES = 1 << 16  # of what a stream's client was sent, until the owner is told
ENDED = "this peer has ended: ask again when it runs, or another peer"


class Carrying:
    """A worker's app (gateway.server.turns.meeting). `say` sends a message to its owner."""

    def __init__(self, say: Callable[[Frame], None]) -> None:
        self._say = say
        self._under_way = dict[int, _Carried]()
        self._last = 0  # number of a request
        self._engines, self._heads = dict[Way, Connections](), Telling()
        self.entrance: Entrance | None = None  # by which requests are let in; None: none is

    async def meet(self, exchange: Exchange) -> None:
        """Have the owner answer a request."""
        self._last += 1
        carried = self._under_way[self._last] = _Carried(self._last, exchange, self._say, self._connections)
        try:
            await until_gone(carried.carry(self.entrance, self._heads), exchange)
        finally:
            del self._under_way[carried.number]

    def hear(self, frame: FromOwner) -> None:
        """What the owner says of a request."""
        carried = self._under_way.get(frame.number)
        if carried is not None:
            carried.hear(frame)

    def end(self) -> None:
        """The owner is gone: what is under way is broken off."""
        for carried in self._under_way.values():
            carried.exchange.task.cancel()

    def close(self) -> None:
        """Close the connections to engines that are kept."""
        for connections in self._engines.values():
            connections.close()

    def _connections(self, way: Way) -> Connections:
        connections = self._engines.get(way)
        if connections is None:
            connections = self._engines[way] = connections_to(way.url, way.found_at)
        return connections


class _Carried:
    """One request, until it is answered."""

    def __init__(
        self,
        number: int,
        exchange: Exchange,
        say: Callable[[Frame], None],
        connections: Callable[[Way], Connections],
    ) -> None:
        self.number, self.exchange = number, exchange
        self._say, self._connections = say, connections
        self._body: bytes | None = None
        self._orders = deque[FromOwner]()
        self._ordered: asyncio.Future[None] | None = None
        self._taken = 0  # bytes of what the owner wrote, that it was not told of
        self._is_asking = self._leaves_off = False
        self._asked: Loan | None = None  # on which its answer passes

    def hear(self, frame: FromOwner) -> None:
        """What the owner says of it, to be done in its order."""
        if isinstance(frame, LeaveOff):
            self._leave_off()
            return
        if isinstance(frame, GiveUp):
            self.exchange.hang_up()
            return
        self._orders.append(frame)
        if self._ordered is not None and not self._ordered.done():
            self._ordered.set_result(None)

    def _leave_off(self) -> None:
        """Pass nothing on any more of what is asked, or do not even ask; what was told of it meanwhile stands."""
        if self._is_asking:
            self._leaves_off = True
            self.exchange.task.cancel()
        elif self._orders and isinstance(self._orders[-1], Ask):  # behind what its client has still to take
            self._orders.pop()
            has_started = self.exchange.has_started
            self._say(Passed(self.number, None, None, Seen(), 0, has_started, False, False, None))

    async def carry(self, entrance: Entrance | None, heads: Telling) -> None:
        """Hand it over, and do what the owner says until it is answered."""
        exchange = self.exchange
        self._body = body = exchange.body(WHOLE_BYTES)
        read = None if entrance is None or body is None else let_in(entrance, exchange, body)
        carrier, head = exchange.connection, heads.tell(exchange.head)
        self._say(Came(self.number, head, exchange.anew, carrier.server, carrier.client, body, read))
        try:
            while not exchange.is_complete:
                await self._do(await self._next())
        except asyncio.CancelledError:
            if not exchange.was_cancelled:  # the owner is gone
                self._break_off()
            raise
        finally:
            if not exchange.is_complete:
                self._say(Gone(self.number))

    async def _next(self) -> FromOwner:
        while not self._orders:
            self._ordered = asyncio.get_running_loop().create_future()
            await self._ordered
        return self._orders.popleft()

    async def _do(self, order: FromOwner) -> None:
        exchange = self.exchange
        match order:
            case Ask():
                await self._ask(order)
            case Begin():
                exchange.keeps_alive = exchange.keeps_alive and order.keeps_alive
                exchange.begin(order.status, order.lines, order.length)
            case Write():
                exchange.write(order.piece, more=order.more)
                if exchange.must_wait and order.more:
                    await exchange.drained()
                self._taken += len(order.piece)
                if self._taken > TAKEN_BYTES and order.more:
                    self._say(Took(self.number, self._taken))
                    self._taken = 0
            case Read():
                message = await exchange.receive()
                if message["type"] == "http.request":
                    self._say(Piece(self.number, message["body"], not message["more_body"]))

    async def _ask(self, ask: Ask) -> None:
        loan, exchange = ask.loan, self.exchange
        self._asked, self._is_asking = loan, True
        client: Client = exchange
        exchange.extra, exchange.request_id, before = loan.extra, loan.request_id, exchange.sent
        kept = None
        if loan.keepalive_s is not None:
            client = kept = KeptAlive(client, loan.terms.endpoint, loan.waiting, loan.keepalive_s)
        heard = _Heard(self.number, self._say) if loan.hears else None
        relay = Relay(loan.terms, Counted(), time.monotonic, heard)
        outcome: Held | Broke | Passed | None = None
        error: UpstreamError | None = None
        try:
            outcome = await self._pass_on(ask, relay, client)
        except UpstreamError as caught:
            error = caught.with_traceback(None)
        except asyncio.CancelledError:
            if exchange.was_cancelled or not self._leaves_off:
                raise
            exchange.task.uncancel()
        finally:
            self._is_asking = self._leaves_off = False
            if kept is not None:
                kept.close()
            if heard is not None and not exchange.is_complete:
                heard.tell()
            is_open = exchange.has_started and not client.has_started
            if outcome is None:
                counted = relay.counted
                outcome = Passed(
                    self.number, relay.first_event_at, counted.said, counted.seen, exchange.sent - before,
                    client.has_started, exchange.is_complete, is_open, None if error is None else failed(error),
                )  # fmt: skip
            outcome.is_open = is_open
            self._say(outcome)

    async def _pass_on(self, ask: Ask, relay: Relay, client: Client) -> Held | Broke | None:
        """Ask, and pass a good answer on: None. Raises UpstreamError where that breaks off."""
        loan, answer = ask.loan, None
        try:
            answer = await self._connections(ask.way).send(
                ask.lines, self._whole(ask.body), keep=ask.keep, within_s=ask.within_s
            )
            if answer.status != 200 or answer.headers.get("content-encoding", "identity") != "identity":
                return await self._held(answer, loan)
        except (TimeoutError, ConnectionBroken, OSError) as error:
            return broken(self.number, error, is_open=False)
        else:
            reply = Answering(ask.way.url, loan.terms.stream, loan.patience, answer, answer.status)
            await relay.pass_on(reply, client, loan.headers)
            return None
        finally:
            if answer is not None:
                answer.release()

    async def _held(self, answer: Answer, loan: Loan) -> Held:
        """An answer that the owner has to judge."""
        body = answer.whole()
        if body is None:
            body = await answer.read(REPLY_LIMIT_BYTES, loan.patience.whole_s)
        return Held(self.number, answer.status, answer.headers, body, False)

    def _whole(self, body: tuple[bytes | int, ...]) -> Pieces:
        came = memoryview(self._body or b"")
        return tuple(came[:piece] if isinstance(piece, int) else piece for piece in body)

    def _break_off(self) -> None:
        """Tell the client that no more comes, as far as it is known how."""
        exchange = self.exchange
        if exchange.is_complete or exchange.is_gone:
            return
        endpoint = endpoint_of(exchange.path)
        exchange.keeps_alive = False
        if exchange.has_started and self._asked is not None and self._asked.terms.stream:
            event = error_event(endpoint, self._asked.request_id, 1, message=ENDED, code="stopping", said=None)
            exchange.write(event, more=False)
            return
        if exchange.has_started:
            exchange.give_up()
            return
        status, body = whole_error(endpoint, "", status=503, message=ENDED, code="stopping")
        exchange.begin(status, b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body), len(body))
        exchange.write(body, more=False)


class _Heard:
    """What a stream's client was sent, told to the owner now and then (gateway.serving.relaying.Hears)."""

    def __init__(self, number: int, say: Callable[[Frame], None]) -> None:
        self._number, self._say = number, say
        self._events, self._size = list[bytes](), 0

    def add(self, events: bytes) -> None:
        self._events.append(events)
        self._size += len(events)
        if self._size > HEARD_BYTES:
            self.tell()

    def tell(self) -> None:
        """Tell all that was not told yet."""
        if self._events:
            self._say(Heard(self._number, b"".join(self._events)))
            self._events, self._size = [], 0
