"""One request to an engine, and its answer while it is open. Knows nothing of which engine, nor of its models."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from types import TracebackType
from typing import Protocol

import msgspec

from discovery.answer import ConnectionBroken, Sink
from gateway.upstream import REPLY_LIMIT_BYTES, Patience, UpstreamError
from gateway.wire.bodies import OPTIONAL, leaving_out, says_not_known, without
from gateway.wire.codec import Pieces
from gateway.wire.events import DONE, Event, EventSplitter, OversizedEvent
from gateway.wire.streams.pour import Pour

_REFUSED = (400, 422)  # statuses of a body with a field that the engine does not know
REFUSALS = 3  # of optional fields, after each of which a request is asked once more: many engines name the first alone
NOT_BEGUN = (ConnectionBroken, OSError, TimeoutError)
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


class Answering:
    """An answer that has begun (gateway.upstream.Reply), once `begun` was told."""

    status: int
    _answer: Began
    _said: bytes | None = None  # the whole body, where it has been read

    def __init__(self, url: str, *, stream: bool, patience: Patience) -> None:
        """`url`: of the engine. `stream`: events are asked for."""
        self._url, self._stream, self._patience = url, stream, patience

    def begun(self, answer: Began) -> None:
        """Its head has come."""
        self._answer, self.status = answer, answer.status

    @property
    def content_type(self) -> str:
        return self._answer.headers.get("content-type", "")

    @property
    def retry_after(self) -> str | None:
        return self._answer.headers.get("retry-after")

    @property
    def is_stream(self) -> bool:
        """Where events are asked for, a body of no particular type is taken for them."""
        kind = self._answer.headers.get("content-type", "")
        return (not kind or kind.startswith(_ANY_EVENTS)) if self._stream else kind.startswith(_EVENTS)

    async def read(self) -> bytes:
        if self._said is not None:
            return self._said
        if (whole := self._answer.whole()) is not None:
            return whole
        try:
            clock = asyncio.get_running_loop().time
            until, pieces, size = clock() + self._patience.whole_s, list[bytes](), 0
            while piece := await self._answer.piece(until - clock()):
                pieces.append(piece)
                size += len(piece)
                if size > REPLY_LIMIT_BYTES:
                    raise UpstreamError(f"the engine's reply is over {REPLY_LIMIT_BYTES} bytes", code="reply_too_large")
            return b"".join(pieces)
        except TimeoutError as error:
            raise UpstreamError(f"the engine at {self._url} stalled", code="engine_timeout") from error
        except ConnectionBroken as error:
            raise self._cut_short(error) from error

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes; `patience.whole_s` for the first piece, `idle_s` between two. Raises UpstreamError."""
        wait_s = self._patience.whole_s
        try:
            while piece := await self._answer.piece(wait_s):
                wait_s = self._patience.idle_s
                yield piece
        except TimeoutError as error:
            raise UpstreamError(f"the engine at {self._url} stalled", code="engine_timeout") from error
        except ConnectionBroken as error:
            raise self._cut_short(error) from error

    async def events(self) -> AsyncIterator[Event]:
        async for events in self.reads():
            for event in events:
                yield event

    async def reads(self, pour: Pour | None = None) -> AsyncIterator[list[Event]]:
        """See gateway.upstream.reads. Raises UpstreamError."""
        splitter, wait_s, is_complete = EventSplitter(with_comments=True), self._patience.first_event_s, False
        last = deque[bytes](maxlen=2)  # events or reads of them: the last may tell the usage, the one before the end
        sink: Pour | None = None  # once there was an event, and between two
        if pour is not None:
            pour.tell(last.append)
        try:
            while True:
                piece = await self._answer.piece(wait_s, sink)
                if sink is not None:
                    sink.tell_on()
                elif pour is not None and splitter.is_between and pour.take(piece):
                    sink, wait_s = pour, self._patience.idle_s
                    continue
                if not piece:
                    if not is_complete and not _has_finished(last):
                        raise self._cut_short(None)
                    if not is_complete:
                        yield [Event(DONE, b"[DONE]")]  # it was left out; the answer is whole
                    return
                came = list[Event]()
                for event in splitter.feed(piece):
                    came.append(event)
                    if not event.is_comment:
                        wait_s, is_complete = self._patience.idle_s, is_complete or event.ends_stream
                        last.append(event.raw)
                        if event.is_done:
                            break
                sink = pour if splitter.is_between and wait_s == self._patience.idle_s else None
                if came:
                    yield came
                    if came[-1].is_done:
                        self._answer.release(at_its_end=True)
                        return
        except TimeoutError as error:
            message = f"the engine at {self._url} sent nothing for {wait_s:g} s"
            raise UpstreamError(message, code="engine_timeout") from error
        except OversizedEvent as error:
            raise UpstreamError(f"the engine at {self._url} sent {error}", code="bad_stream") from error
        except ConnectionBroken as error:
            raise self._cut_short(error) from error

    def _cut_short(self, error: Exception | None) -> UpstreamError:
        reason = f" ({error or type(error).__name__})" if error else ""
        return UpstreamError(f"the engine at {self._url} ended its answer too early{reason}", code="stream_cut_short")


class Asked(Answering):
    """A context: entering it asks, and leaving it hangs up, which makes the engine stop generating.

    Entered it is the answer that has begun (gateway.upstream.Reply). Entering raises UpstreamError.
    """

    _hands: Hands | None = None

    def __init__(
        self,
        engine: Asking,
        endpoint: str,
        body: Pieces,
        headers: Mapping[str, str],
        *,
        stream: bool,
        patience: Patience,
    ) -> None:
        """`stream`: events are asked for, so that a body of no particular type is taken for them."""
        self._url, self._stream, self._patience = engine.url, stream, patience
        self._engine, self._endpoint, self._body, self._headers = engine, endpoint, body, headers

    def lend(self, hands: Hands) -> None:
        """Have it asked by these hands, which may pass the answer on by themselves."""
        self._hands = hands

    async def __aenter__(self) -> "Asked":
        engine, endpoint, body = self._engine, self._endpoint, self._body
        engine.in_flight += 1
        try:
            if endpoint in engine.refused:
                body, _ = without(body, engine.refused[endpoint])
            self.begun(await engine.begin(endpoint, body, self._headers, self._within_s, self._hands))
            if self.status != 200:
                await self._judge(body)
            if self._answer.headers.get("content-encoding", "identity") != "identity":  # a bomb, perhaps
                self._answer.release()
                raise UpstreamError(f"the engine at {engine.url} compresses its answers", code="bad_encoding")
        except NOT_BEGUN as error:
            engine.in_flight -= 1
            raise engine.not_begun(error, self._within_s) from error
        except BaseException:
            engine.in_flight -= 1
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.in_flight -= 1
        self._answer.release()  # closes the connection where the answer was not read to its end

    @property
    def _within_s(self) -> float:
        return self._patience.first_event_s if self._stream else self._patience.whole_s

    async def _judge(self, body: Pieces) -> None:
        """See what can be done about an answer that is none."""
        if self.status in _REFUSED and self._endpoint in OPTIONAL:
            await self._ask_for_less(body)
        if self.status == 404:
            self._engine.knows_not_model()

    async def _ask_for_less(self, body: Pieces) -> None:
        """Ask once more without the optional fields that its refusal names, and again where it names others."""
        refused = frozenset[str]()
        for _ in range(REFUSALS):
            try:
                self._said = await self.read()
            except BaseException:
                self._answer.release()
                raise
            body, named = leaving_out(self._endpoint, body, self._said)
            if not named:
                return
            refused |= named if says_not_known(self._said) else frozenset()
            self._answer.release()
            self._said = None
            self.begun(await self._engine.begin(self._endpoint, body, self._headers, self._within_s, self._hands))
            if self.status not in _REFUSED:
                break
        if refused and self.status == 200:  # it did help: the next request is asked without them at once
            known = self._engine.refused.get(self._endpoint, frozenset())
            self._engine.refused[self._endpoint] = known | refused


def _has_finished(last: Iterable[bytes]) -> bool:
    """Whether one of the last two of these events says that a choice is finished, and so not cut."""
    return any(event.finishes for event in EventSplitter().feed(b"".join(last))[-2:])
