"""A request whose connection a worker has, as the owner's app sees it: an Exchange like any other, behind messages.

Knows nothing of processes; `say` sends a message to the worker.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from discovery.answer import ConnectionBroken, Sink
from gateway.engines.answering import Began
from gateway.engines.asked import Manner, Way
from gateway.server.exchange import Exchange
from gateway.server.fields import Head
from gateway.serving.relaying import Loan, Relay, Terms
from gateway.upstream import Patience, UpstreamError
from gateway.wire.codec import Pieces
from gateway.workers.frames import (
    Ask,
    Begin,
    Broke,
    Came,
    Failed,
    Frame,
    GiveUp,
    Heard,
    Held,
    LeaveOff,
    Passed,
    Piece,
    Read,
    Took,
    Write,
)

UNTAKEN_BYTES = 1 << 18  # of an answer that its worker has not told to be taken; then the app waits
LEAVE_OFF_S = 1.0  # s for a worker to say how far an answer came that is left off


class _Flow:
    """What an Exchange slows down when nobody reads its body: a worker sends no piece that is not asked for."""

    write_paused = read_paused = False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class _Carrier:
    """Where a connection would be."""

    flow: Any = _Flow()
    transport: Any = None  # nothing is written but by messages

    def __init__(self, came: Came, over: Callable[[int], None]) -> None:
        self.loop = asyncio.get_running_loop()
        self.server, self.client, self.scheme = came.server, came.client, "http"
        self._number, self._over = came.number, over

    def answered(self, exchange: Exchange) -> None:
        self._over(self._number)


class FarExchange(Exchange):
    """See the module. `over` is called once it needs no more messages."""

    # What is so until something happens.
    _is_asked = False  # for a piece of the body
    _untaken = 0  # bytes
    _caught_up: asyncio.Event | None = None
    _hands: "FarHands | None" = None
    _tried: list[Heard | Held | Broke | Passed] | None = None  # what came of it that its worker asked by an order

    def __init__(self, came: Came, head: Head, say: Callable[[Frame], None], over: Callable[[int], None]) -> None:
        super().__init__(_Carrier(came, over), head, came.anew, came.body)
        self._number, self._say = came.number, say
        self._awaits_word = False  # its worker says that itself, when a piece is asked for
        self.came, self.let_in, self._has_begun = came.body, came.let_in, came.has_started
        if came.has_tried:
            self._tried = []

    def hear(self, frame: Frame) -> None:
        """A message of its worker."""
        match frame:
            case Passed() | Held() | Broke() | Heard() if self._tried is not None:
                self._tried.append(frame)
            case Passed() | Held() | Broke():
                if self._hands is not None:
                    self._hands.hear(frame)
            case Heard():
                if self._hands is not None:
                    self._hands.heard(frame.events)
            case Piece():
                self._is_asked = False
                if frame.body:
                    self.take(frame.body)
                if frame.is_last:
                    self.took_all()
            case Took():
                self._untaken -= frame.size
                if self._caught_up is not None and not self.must_wait:
                    self._caught_up.set()

    def lose(self) -> None:
        if self._hands is not None:
            self._hands.lose()
        self._hands = None  # it leads back here
        super().lose()
        if self._caught_up is not None:
            self._caught_up.set()

    async def receive(self) -> Any:
        if not (self._is_whole or self._pieces or self._is_asked or self.is_gone or self.is_complete):
            self._is_asked = True
            self._say(Read(self._number))
        return await super().receive()

    @property
    def must_wait(self) -> bool:
        return self._untaken > UNTAKEN_BYTES and not self.is_gone

    async def drained(self) -> None:
        while self.must_wait:
            self._caught_up = asyncio.Event()
            await self._caught_up.wait()

    def took_up(self) -> bool:
        """Whether what came of it by an order was heard now, as if it had just been asked."""
        if (tried := self._tried) is None:
            return False
        self._tried, self._has_begun = None, False
        for frame in tried:
            self.hear(frame)
        return True

    def begin(self, status: int, lines: bytes, length: int | None) -> None:
        if self._has_begun:  # by an order, and who answers now has not taken that up
            self.has_started = True
        if self.has_started:
            raise RuntimeError("the answer has begun already")
        self.has_started = True
        self._say(Begin(self._number, status, lines, length, self.keeps_alive))

    def _put(self, piece: bytes, more: bool) -> None:
        self._untaken += len(piece)
        if piece or not more:
            self._say(Write(self._number, piece, more))

    def write_whole(self, status: int, lines: bytes, body: bytes) -> None:
        self.begin(status, lines, len(body))
        self.write(body, more=False)

    def end(self) -> None:
        self._hands = None  # it leads back here
        super().end()

    def hang_up(self) -> None:
        if not self.is_gone:
            self._say(GiveUp(self._number))

    def give_up(self) -> None:
        if self.has_started:
            self.hang_up()
            self.end()
        else:
            super().give_up()

    def hands(self) -> "FarHands":
        """Its worker, to ask an engine for it."""
        self._hands = FarHands(self, self._number, self._say)
        return self._hands


class FarHands:
    """A worker, as it asks an engine for a request whose connection it has (gateway.serving.relaying.Hands)."""

    _terms: tuple[Terms, Patience, Mapping[str, str]]
    _relay: Relay

    # What is so until something happens.
    has_passed = is_asking = is_open = False
    keepalive: tuple[float, Mapping[str, str]] | None = None
    _coming: asyncio.Future[Held | Broke | Passed] | None = None

    def __init__(self, exchange: FarExchange, number: int, say: Callable[[Frame], None]) -> None:
        self._exchange, self._number, self._say = exchange, number, say

    def take(self, terms: Terms, patience: Patience, headers: Mapping[str, str], relay: Relay) -> None:
        self._terms, self._relay = (terms, patience, headers), relay

    async def send(self, way: Way, lines: bytes, body: Pieces, *, keep: bool, within_s: float) -> Began:
        """See gateway.engines.asked.Hands. Raises UpstreamError too: of an answer that broke off."""
        self._coming, self.is_asking = asyncio.get_running_loop().create_future(), True
        if not self._exchange.took_up():
            self._say(Ask(self._number, Manner(way, lines, keep), self._spared(body), within_s, self._loan()))
        try:
            return self._answer(await self._coming)
        except asyncio.CancelledError:
            if not self._exchange.is_gone:
                await self._leave_off()
            raise
        finally:
            self.is_asking, self._coming = False, None

    def hear(self, frame: Held | Broke | Passed) -> None:
        """How it went."""
        self.is_open = frame.is_open
        if frame.is_open:
            self._exchange.has_started = True
        if isinstance(frame, Passed):
            self._relay.was_passed_on(frame.first_event_at, frame.said, frame.seen)
            exchange = self._exchange
            exchange.add_sent(frame.sent)
            exchange.has_started = exchange.has_started or frame.has_started
            if frame.is_over:
                exchange.end()
        if self._coming is not None and not self._coming.done():
            self._coming.set_result(frame)

    def lose(self) -> None:
        """No word comes any more. If none came of an answer, it may have begun all the same: only the worker knew."""
        if self._coming is not None and not self._coming.done() and self._relay.first_event_at is None:
            self._relay.first_event_at = self._relay.clock()  # at the latest

    def heard(self, events: bytes) -> None:
        """Whole events that the client was sent."""
        if self._relay.heard is not None:
            self._relay.heard.add(events)

    async def _leave_off(self) -> None:
        """Have the worker pass nothing on any more, and hear how far it came."""
        self._coming = asyncio.get_running_loop().create_future()
        self._say(LeaveOff(self._number))
        await asyncio.wait((self._coming,), timeout=LEAVE_OFF_S)

    def _answer(self, frame: Held | Broke | Passed) -> Began:
        if isinstance(frame, Broke):
            raise raised(frame)
        if isinstance(frame, Held):
            return Whole(frame.status, frame.headers, frame.body)
        if frame.failed is not None:
            raise upstream_error(frame.failed)
        self.has_passed = True
        return Whole(200, {}, b"")

    def _loan(self) -> Loan:
        terms, patience, headers = self._terms
        interval_s, waiting = self.keepalive or (None, {})
        return Loan(
            terms, patience, headers, self._exchange.extra, self._exchange.request_id, self._relay.heard is not None,
            interval_s, waiting,
        )  # fmt: skip

    def _spared(self, body: Pieces) -> tuple[bytes | int, ...]:
        """The pieces, and in the place of the first the length of what the worker has of it: mostly all of the body."""
        came, first = self._exchange.came, body[0]
        if came is not None and (first is came or (isinstance(first, memoryview) and came.startswith(first))):
            return (len(first), *map(bytes, body[1:]))
        return tuple(map(bytes, body))


class Whole:
    """An answer that is here as a whole (gateway.engines.asked.Began)."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self._body = status, headers, body

    def whole(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def piece(self, within_s: float, sink: Sink | None = None) -> bytes:
        return self.whole()

    def release(self, *, at_its_end: bool = False) -> None: ...


_BROKEN = {"time": TimeoutError, "connection": ConnectionBroken}


def broken(number: int, error: TimeoutError | ConnectionBroken | OSError, *, is_open: bool) -> Broke:
    """What kept an engine from being asked, as a message."""
    if isinstance(error, TimeoutError | ConnectionBroken):
        return Broke(number, "time" if isinstance(error, TimeoutError) else "connection", str(error), None, is_open)
    return Broke(number, "system", error.strerror or str(error), error.errno, is_open)


def raised(frame: Broke) -> Exception:
    """The same, to be raised."""
    kind = _BROKEN.get(frame.kind)
    if kind is not None:
        return kind(frame.message)
    return OSError(frame.errno, frame.message) if frame.errno is not None else OSError(frame.message)


def failed(error: UpstreamError) -> Failed:
    """An error of whoever answered, as a message."""
    return Failed(
        error.message, error.status, error.code, error.retry_after_s, error.by_engine, error.is_unsuited, error.said
    )


def upstream_error(said: Failed) -> UpstreamError:
    """The same, to be raised."""
    return UpstreamError(
        said.message, status=said.status, code=said.code, retry_after_s=said.retry_after_s,
        by_engine=said.by_engine, is_unsuited=said.is_unsuited, said=said.said,
    )  # fmt: skip
