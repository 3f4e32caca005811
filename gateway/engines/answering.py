"""An engine's answer while it is open: whole, piece by piece or event by event. Knows nothing of what was asked."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

import msgspec

from discovery.answer import ConnectionBroken, Sink
from gateway.upstream import REPLY_LIMIT_BYTES, Patience, UpstreamError
from gateway.wire.events import DONE, Event, EventSplitter, OversizedEvent
from gateway.wire.streams.pour import Pour

EVENTS = "text/event-stream"
_ANY_EVENTS = (EVENTS, "text/plain", "application/octet-stream")  # what servers call a stream of events


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
        return (not kind or kind.startswith(_ANY_EVENTS)) if self.stream else kind.startswith(EVENTS)

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
