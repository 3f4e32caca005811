"""What a worker does with requests: it hands them to its owner, and carries out what the owner says."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from discovery.connections import Connections
from gateway.client.entrance.callers import Entrance
from gateway.engines.asked import Way
from gateway.engines.engine_api import connections_to
from gateway.server.edge import until_gone
from gateway.server.exchange import Exchange
from gateway.wire.codec import Pieces
from gateway.wire.errors import endpoint_of, error_event, whole_error
from gateway.wire.request import encode_request
from gateway.wire.tokens import Counted, Meter, Seen, asking_for_usage
from gateway.workers.asking import Asking, EventsTold, Keeping, NotPassed
from gateway.workers.frames import (
    Ask,
    Begin,
    CallBack,
    Came,
    Frame,
    FromOwner,
    GiveUp,
    Gone,
    LeaveOff,
    Order,
    Passed,
    Piece,
    Read,
    Took,
    Write,
)
from gateway.workers.heads import Telling, Told
from gateway.workers.reading import Found, let_in
from gateway.workers.taking import Taken, Taking

# Of a body that is handed over with its head; more of it, and what is not there yet, comes piece by piece.
WHOLE_BYTES = 1 << 20
TAKEN_BYTES = 1 << 16  # of what the owner wrote, until it is told that the client took them
ENDED = "this peer has ended: ask again when it runs, or another peer"


class Carrying:
    """A worker's app (gateway.server.turns.meeting). `say` sends a message to its owner."""

    def __init__(self, say: Callable[[Frame], None], is_owner_behind: Callable[[], bool] = lambda: False) -> None:
        """`is_owner_behind`: whether the owner has still to take much of what was said."""
        self._say = say
        self._under_way = dict[int, _Carried]()
        self._last = 0  # number of a request
        self._engines, self._heads = dict[Way, Connections](), Telling()
        self._taking = Taking(say, is_owner_behind)
        self._entrance: Entrance | None = None  # by which requests are let in; None: none is
        self._whole_bytes = WHOLE_BYTES

    def let_in_by(self, entrance: Entrance, body_limit_bytes: int) -> None:
        """Requests are let in and read from now on; with longer bodies none is."""
        self._entrance, self._whole_bytes = entrance, min(WHOLE_BYTES, body_limit_bytes)

    async def meet(self, exchange: Exchange) -> None:
        """Have the owner answer a request."""
        self._last += 1
        carried = self._under_way[self._last] = _Carried(
            self._last, exchange, exchange.body(self._whole_bytes), self._say, self._connections
        )
        try:
            await until_gone(carried.carry(self._entrance, self._heads, self._taking), exchange)
        finally:
            del self._under_way[carried.number]

    def hear(self, frame: FromOwner) -> None:
        """What the owner says of a request, or of standing orders."""
        if isinstance(frame, Order):
            self._taking.stand(frame)
            return
        if isinstance(frame, CallBack):
            self._taking.call_back(frame)
            return
        carried = self._under_way.get(frame.number)
        if carried is not None:
            carried.hear(frame)

    def end(self) -> None:
        """The owner is gone: what is under way is broken off."""
        for carried in self._under_way.values():
            carried.exchange.task.cancel()

    def close(self) -> None:
        """Close the connections to engines that are kept; all is answered, and told."""
        self._taking.tell()
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
        body: bytes | None,
        say: Callable[[Frame], None],
        connections: Callable[[Way], Connections],
    ) -> None:
        self.number, self.exchange = number, exchange
        self._say, self._connections = say, connections
        self._body = body  # where all of it is there
        self._orders = deque[FromOwner]()
        self._ordered: asyncio.Future[None] | None = None
        self._taken = 0  # bytes of what the owner wrote, that it was not told of
        self._is_asking = self._leaves_off = False
        self._asking: Asking | None = None  # by which its answer passes

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

    async def carry(self, entrance: Entrance | None, heads: Telling, taking: Taking) -> None:
        """Answer it by a standing order; else hand it over, and do what the owner says until it is answered."""
        exchange, body = self.exchange, self._body
        found = None if entrance is None or body is None else let_in(entrance, exchange, body)
        is_handed_over = False
        try:
            tried = None
            if found is not None and (taken := taking.take(found)) is not None:
                tried = await self._by_order(taken, taking)
                if tried is None:
                    return
            is_handed_over = True
            self._hand_over(heads.tell(exchange.head), found, tried)
            while not exchange.is_complete:
                await self._do(await self._next())
        except asyncio.CancelledError:
            if not exchange.was_cancelled:  # the owner is gone
                self._break_off()
            raise
        finally:
            if is_handed_over and not exchange.is_complete:
                self._say(Gone(self.number))

    def _hand_over(self, head: Told | int, found: Found | None, tried: "_Tried | None") -> None:
        exchange = self.exchange
        carrier, read = exchange.connection, None if found is None else found.let_in
        is_plain = found is not None and found.is_plain
        came = Came(self.number, head, exchange.anew, carrier.server, carrier.client, self._body, read, is_plain)
        if tried is not None:
            came.has_tried, came.has_started = True, exchange.has_started
        self._say(came)
        if tried is not None:
            if tried.heard is not None:
                tried.heard.tell(self.number, self._say)
            self._say(tried.outcome)

    async def _by_order(self, taken: Taken, taking: Taking) -> "_Tried | None":
        """Ask an engine for it, and pass the answer on: None. Else what came instead, which the owner has to judge."""
        exchange, order, request = self.exchange, taken.order, taken.request
        heard = Keeping() if request.stream else None
        asking = self._asking = Asking(self.number, exchange, taken.loan, meter := Meter(request), heard)
        manner, within_s = order.manner, order.patience.begins_within_s(request.stream)
        outcome: NotPassed | None = None
        try:
            body = encode_request(asking_for_usage(request), order.leave.engine_model)
            outcome = await asking.ask(self._connections(manner.way), manner, body, within_s)
        finally:
            if outcome is None:
                is_whole = exchange.is_complete
                taking.went(taken, "ok" if is_whole else "cancelled", asking.relay.first_event_at, meter.tokens)
            else:
                taking.went(taken, None, None, (0, 0))
        return None if outcome is None else _Tried(outcome, heard)

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
        """Ask an engine for it as the owner says, who hears in any case how it went."""
        exchange, loan = self.exchange, ask.loan
        heard = EventsTold(self.number, self._say) if loan.hears else None
        asking = self._asking = Asking(self.number, exchange, loan, Counted(), heard)
        outcome: NotPassed | None = None
        self._is_asking = True
        try:
            body = self._whole(ask.body)
            outcome = await asking.ask(self._connections(ask.manner.way), ask.manner, body, ask.within_s)
        except asyncio.CancelledError:
            if exchange.was_cancelled or not self._leaves_off:
                raise
            exchange.task.uncancel()
        finally:
            self._is_asking = self._leaves_off = False
            if heard is not None and not exchange.is_complete:
                heard.tell()
            self._say(asking.passed() if outcome is None else outcome)

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
        if exchange.has_started and self._asking is not None and (loan := self._asking.loan).terms.stream:
            event = error_event(endpoint, loan.request_id, 1, message=ENDED, code="stopping", said=None)
            exchange.write(event, more=False)
            return
        if exchange.has_started:
            exchange.give_up()
            return
        status, body = whole_error(endpoint, "", status=503, message=ENDED, code="stopping")
        exchange.begin(status, b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body), len(body))
        exchange.write(body, more=False)


class _Tried(NamedTuple):
    """What came of a request that was asked by an order, and what its client was sent."""

    outcome: NotPassed
    heard: Keeping | None
