"""How a worker asks an engine for one request, and passes a good answer on to the client that it has."""

import time
import zlib
from collections.abc import Callable

from discovery.answer import Answer, ConnectionBroken
from discovery.connections import Connections
from gateway.engines.answering import Answering
from gateway.engines.asked import Manner
from gateway.server.exchange import Exchange
from gateway.serving.alive import KeptAlive
from gateway.serving.relaying import Client, Hears, Loan, Relay
from gateway.upstream import REPLY_LIMIT_BYTES, UpstreamError
from gateway.wire.codec import Pieces
from gateway.wire.tokens import Counted
from gateway.workers.far import broken, failed
from gateway.workers.frames import Broke, Frame, Heard, Held, Passed

HEARD_BYTES = 1 << 16  # of what a stream's client was sent, until the owner is told, or it is packed

NotPassed = Held | Broke | Passed  # what the owner has to judge


class Asking:
    """One request, of this number. `counted` counts its answer; `heard` gets what a stream's client is sent."""

    def __init__(self, number: int, exchange: Exchange, loan: Loan, counted: Counted, heard: Hears | None) -> None:
        self.loan, self._number, self._exchange, self._before = loan, number, exchange, exchange.sent
        self._client: Client = exchange
        self.relay = Relay(loan.terms, counted, time.monotonic, heard)

    async def ask(self, connections: Connections, manner: Manner, body: Pieces, within_s: float) -> NotPassed | None:
        """Ask, and pass a good answer on: None. Or what came instead."""
        exchange, loan = self._exchange, self.loan
        exchange.extra, exchange.request_id = loan.extra, loan.request_id
        answer, kept = None, None
        if loan.keepalive_s is not None:
            kept = self._client = KeptAlive(exchange, loan.terms.endpoint, loan.waiting, loan.keepalive_s)
        try:
            try:
                answer = await connections.send(manner.lines, body, keep=manner.keep, within_s=within_s)
                if answer.status != 200 or answer.headers.get("content-encoding", "identity") != "identity":
                    return await self._held(answer)
            except (TimeoutError, ConnectionBroken, OSError) as error:
                return broken(self._number, error, is_open=self._is_open)
            reply = Answering(manner.way.url, loan.terms.stream, loan.patience, answer, answer.status)
            await self.relay.pass_on(reply, self._client, loan.headers)
            return None
        except UpstreamError as error:
            return self.passed(error.with_traceback(None))
        finally:
            if answer is not None:
                answer.release()
            if kept is not None:
                kept.close()

    def passed(self, error: UpstreamError | None = None) -> Passed:
        """How far its answer came."""
        relay, exchange, has_started = self.relay, self._exchange, self._client.has_started
        return Passed(
            self._number, relay.first_event_at, relay.counted.said, relay.counted.seen, exchange.sent - self._before,
            has_started, exchange.is_complete, self._is_open, None if error is None else failed(error),
        )  # fmt: skip

    @property
    def _is_open(self) -> bool:
        """Whether the client has a stream by now, in which nobody has answered."""
        return self._exchange.has_started and not self._client.has_started

    async def _held(self, answer: Answer) -> Held:
        """An answer that the owner has to judge."""
        body = answer.whole()
        if body is None:
            body = await answer.read(REPLY_LIMIT_BYTES, self.loan.patience.whole_s)
        return Held(self._number, answer.status, answer.headers, body, self._is_open)


class EventsTold:
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


class Keeping:
    """The same, kept until the owner has to be told all of it, which is rare; long ones are packed meanwhile."""

    def __init__(self) -> None:
        self._events, self._size, self._packed = list[bytes](), 0, list[bytes]()

    def add(self, events: bytes) -> None:
        self._events.append(events)
        self._size += len(events)
        if self._size > HEARD_BYTES:
            self._packed.append(zlib.compress(b"".join(self._events), 1))
            self._events, self._size = [], 0

    def tell(self, number: int, say: Callable[[Frame], None]) -> None:
        """Tell all of it."""
        for packed in self._packed:
            say(Heard(number, zlib.decompress(packed)))
        if self._events:
            say(Heard(number, b"".join(self._events)))
