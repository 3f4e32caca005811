"""One request to an engine, and its answer while it is open. Knows nothing of which engine, nor of its models."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Mapping
from types import TracebackType
from typing import Protocol

import msgspec

from discovery.answer import ConnectionBroken, Sink
from gateway.upstream import REPLY_LIMIT_BYTES, Patience, UpstreamError
from gateway.wire.bodies import OPTIONAL, leaving_out, says_not_known, without
from gateway.wire.codec import Pieces
from gateway.wire.errors import is_no_answer
from gateway.wire.events import DONE, Event, EventSplitter, OversizedEvent
from gateway.wire.streams.pour import Pour

_REFUSED = (400, 422)  # statuses of a body with a field that the engine does not know
REFUSALS = 3  # of optional fields, after each of which a request is asked once more: many engines name the first alone
NOT_BEGUN = (ConnectionBroken, OSError, TimeoutError)
_NONE = frozenset[str]()
_EVENTS = "text/event-stream"
_ANY_EVENTS = (_EVENTS, "text/plain", "application/octet-stream")  # what servers call a stream of events


class Began(Protocol):
    """An answer whose head has come (discovery.answer.Answer)."""

    status: int
    headers: Mapping[str, str]

    def whole(self) -> bytes | None:
        """The body, where all of it has come."""
        ...

    async def piece(self, within_s: float, sink: Sink | None = None) -> bytes:
        """What came of the body since, less what the sink took; empty at its end.

        Raises ConnectionBroken, TimeoutError.
        """
        ...

    def release(self, *, at_its_end: bool = False) -> None:
        """End it."""
        ...


class Way(msgspec.Struct, frozen=True, array_like=True):
    """How an engine is reached. `found_at`: the port where it was found, if it was not named."""

    url: str
    found_at: int = 0


class Manner(msgspec.Struct, frozen=True, array_like=True):
    """How an engine is sent all requests of one endpoint that have no headers of their own (Connections.send)."""

    way: Way
    lines: bytes
    keep: bool


class Hands(Protocol):
    """Another process of this peer, which asks in our place, and may pass the answer on by itself."""

    async def send(self, way: Way, lines: bytes, body: Pieces, *, keep: bool, within_s: float) -> Began:
        """As Connections.send. An answer that was passed on has no body left."""
        ...


class Asking(Protocol):
    """The engine that is asked."""

    url: str
    in_flight: int  # requests that are open at it
    refused: dict[str, frozenset[str]]  # by endpoint: optional fields that it does not know

    def begin(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], within_s: float, hands: Hands | None
    ) -> Awaitable[Began]:
        """Send a request, by these hands or ours; the answer is there once its head has come. Raises one of NOT_BEGUN.

        Hands raise UpstreamError, too.
        """
        ...

    def not_begun(self, error: Exception, within_s: float) -> UpstreamError:
        """What is told of a request for which `begin` raised this."""
        ...

    def knows_not_model(self) -> None:
        """It answered that it does not know the model."""
        ...


class Answering(msgspec.Struct, eq=False):
    """An answer that has begun (gateway.upstream.Reply). `url`: of the engine. `stream`: events were asked for."""

    url: str
    stream: bool
    patience: Patience
    answer: Began
    status: int
    said: bytes | None = None  # the whole body, where it has been read

    @property
    def content_type(self) -> str:
        return self.answer.headers.get("content-type", "")

    @property
    def retry_after(self) -> str | None:
        return self.answer.headers.get("retry-after")

    @property
    def is_stream(self) -> bool:
        """Where events are asked for, a body of no particular type is taken for them."""
        kind = self.answer.headers.get("content-type", "")
        return (not kind or kind.startswith(_ANY_EVENTS)) if self.stream else kind.startswith(_EVENTS)

    async def read(self) -> bytes:
        if self.said is not None:
            return self.said
        if (whole := self.answer.whole()) is not None:
            return whole
        try:
            clock = asyncio.get_running_loop().time
            until, pieces, size = clock() + self.patience.whole_s, list[bytes](), 0
            while piece := await self.answer.piece(until - clock()):
                pieces.append(piece)
                size += len(piece)
                if size > REPLY_LIMIT_BYTES:
                    raise UpstreamError(f"the engine's reply is over {REPLY_LIMIT_BYTES} bytes", code="reply_too_large")
            return b"".join(pieces)
        except TimeoutError as error:
            raise UpstreamError(f"the engine at {self.url} stalled", code="engine_timeout") from error
        except ConnectionBroken as error:
            raise self._cut_short(error) from error

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes; `patience.whole_s` for the first piece, `idle_s` between two. Raises UpstreamError."""
        wait_s = self.patience.whole_s
        try:
            while piece := await self.answer.piece(wait_s):
                wait_s = self.patience.idle_s
                yield piece
        except TimeoutError as error:
            raise UpstreamError(f"the engine at {self.url} stalled", code="engine_timeout") from error
        except ConnectionBroken as error:
            raise self._cut_short(error) from error

    async def events(self) -> AsyncIterator[Event]:
        async for events in self.reads():
            for event in events:
                yield event

    async def reads(self, pour: Pour | None = None) -> AsyncIterator[list[Event]]:
        """See gateway.upstream.reads. Raises UpstreamError."""
        splitter, wait_s = EventSplitter(with_comments=True), self.patience.first_event_s
        last = deque[bytes](maxlen=2)  # events, or some that passed: of the last two one may say that it is finished
        has_ended = False  # an event told the end, whatever comes behind it
        sink: Pour | None = None  # once there was an event, and between two
        if pour is not None:
            pour.tell(lambda events, count: last.append(events))
        try:
            while True:
                piece = await self.answer.piece(wait_s, sink)
                if sink is not None:
                    sink.tell_on()
                elif pour is not None and splitter.is_between and pour.take(piece):
                    sink, wait_s = pour, self.patience.idle_s
                    continue
                if not piece:
                    if not has_ended:
                        if not any(event.finishes for event in EventSplitter().feed(b"".join(last))[-2:]):
                            raise self._cut_short(None)
                        yield [Event(DONE, b"[DONE]")]  # it was left out; the answer is whole
                    return
                came = list[Event]()
                for event in splitter.feed(piece):
                    came.append(event)
                    if event.data:  # no comment
                        wait_s = self.patience.idle_s
                        last.append(event.raw)
                        has_ended = has_ended or event.ends_stream
                        if event.is_done:
                            break
                sink = pour if splitter.is_between and wait_s == self.patience.idle_s else None
                if came:
                    yield came
                    if came[-1].is_done:
                        self.answer.release(at_its_end=True)
                        return
        except TimeoutError as error:
            message = f"the engine at {self.url} sent nothing for {wait_s:g} s"
            raise UpstreamError(message, code="engine_timeout") from error
        except OversizedEvent as error:
            raise UpstreamError(f"the engine at {self.url} sent {error}", code="bad_stream") from error
        except ConnectionBroken as error:
            raise self._cut_short(error) from error

    def _cut_short(self, error: Exception | None) -> UpstreamError:
        reason = f" ({error or type(error).__name__})" if error else ""
        return UpstreamError(f"the engine at {self.url} ended its answer too early{reason}", code="stream_cut_short")


class Asked(msgspec.Struct, eq=False):
    """A context: entering it asks, and leaving it hangs up, which makes the engine stop generating.

    Entered it gives the answer that has begun. Entering raises UpstreamError. `stream`: events are asked for, so that
    a body of no particular type is taken for them.
    """

    engine: Asking
    endpoint: str
    body: Pieces
    headers: Mapping[str, str]
    stream: bool
    patience: Patience
    _hands: Hands | None = None
    _reply: Answering | None = None
    # What came of `at_once`, where that did not end it.
    _came: Began | None = None
    _said: bytes | None = None  # its body, where it was read
    _failed: Exception | None = None

    async def at_once(self) -> bytes | None:
        """See gateway.upstream.at_once."""
        engine = self.engine
        if engine.refused:
            return None
        engine.in_flight += 1
        try:
            answer = await engine.begin(self.endpoint, self.body, self.headers, self.patience.whole_s, None)
        except NOT_BEGUN as error:
            self._failed = error.with_traceback(None)  # it leads back here
            return None
        finally:
            engine.in_flight -= 1
        body, headers = None, answer.headers
        if answer.status == 200 and not headers.get("content-type", "").startswith(_EVENTS):
            if "content-encoding" not in headers:
                body = answer.whole()
            if body is not None and not is_no_answer(body):
                answer.release()
                return body
        self._came, self._said = answer, body
        return None

    def lend(self, hands: Hands) -> None:
        """Have it asked by these hands, which may pass the answer on by themselves."""
        self._hands = hands

    async def __aenter__(self) -> Answering:
        engine, body, patience = self.engine, self.body, self.patience
        within_s = patience.first_event_s if self.stream else patience.whole_s
        if self._failed is not None:
            raise engine.not_begun(self._failed, within_s) from self._failed
        engine.in_flight += 1
        try:
            if (answer := self._came) is None:
                if engine.refused:
                    body, _ = without(body, engine.refused.get(self.endpoint, _NONE))
                answer = await engine.begin(self.endpoint, body, self.headers, within_s, self._hands)
            reply = self._reply = Answering(engine.url, self.stream, patience, answer, answer.status, self._said)
            if answer.status != 200:
                reply = await self._judge(reply, body, within_s)
            if reply.answer.headers.get("content-encoding", "identity") != "identity":  # a bomb, perhaps
                reply.answer.release()
                raise UpstreamError(f"the engine at {engine.url} compresses its answers", code="bad_encoding")
        except NOT_BEGUN as error:
            engine.in_flight -= 1
            raise engine.not_begun(error, within_s) from error
        except BaseException:
            engine.in_flight -= 1
            raise
        return reply

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.engine.in_flight -= 1
        if self._reply is not None:
            self._reply.answer.release()  # closes the connection where the answer was not read to its end

    async def _judge(self, reply: Answering, body: Pieces, within_s: float) -> Answering:
        """See what can be done about an answer that is none: it, or the one that came instead."""
        if reply.status in _REFUSED and self.endpoint in OPTIONAL:
            reply = self._reply = await self._ask_for_less(reply, body, within_s)
        if reply.status == 404:
            self.engine.knows_not_model()
        return reply

    async def _ask_for_less(self, reply: Answering, body: Pieces, within_s: float) -> Answering:
        """Ask once more without the optional fields that its refusal names, and again where it names others."""
        engine, endpoint, refused = self.engine, self.endpoint, _NONE
        for _ in range(REFUSALS):
            try:
                reply.said = await reply.read()
            except BaseException:
                reply.answer.release()
                raise
            body, named = leaving_out(endpoint, body, reply.said)
            if not named:
                return reply
            refused |= named if says_not_known(reply.said) else _NONE
            reply.answer.release()
            answer = await engine.begin(endpoint, body, self.headers, within_s, self._hands)
            reply = Answering(engine.url, self.stream, self.patience, answer, answer.status)
            if reply.status not in _REFUSED:
                break
        if refused and reply.status == 200:  # it did help: the next request is asked without them at once
            engine.refused[endpoint] = engine.refused.get(endpoint, _NONE) | refused
        return reply
