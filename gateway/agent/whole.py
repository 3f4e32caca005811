"""An answer that is there, as a reply that is read in one piece or event by event."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from gateway.upstream import UpstreamError
from gateway.wire.codec import UNREADABLE
from gateway.wire.errors import message_in
from gateway.wire.events import Event, EventSplitter
from gateway.wire.forms.streamed import as_events


@dataclass
class Whole:
    """See gateway.upstream.Reply."""

    status: int
    body: bytes
    retry_after: str | None = None
    content_type: str = "application/json"
    is_stream: bool = False

    async def read(self) -> bytes:
        return self.body

    async def events(self) -> AsyncIterator[Event]:
        for event in events_in(self.body):
            yield event


def answered(body: bytes, *, stream: bool) -> Whole:
    """An answer of chat, in the way in which it was asked for."""
    if not stream:
        return Whole(200, body)
    return Whole(200, body, content_type="text/event-stream", is_stream=True)


def events_in(body: bytes) -> list[Event]:
    """A whole answer as the events of a stream. Raises UpstreamError where it is none."""
    try:
        events = as_events(body, include_usage=True)
    except UNREADABLE as error:
        raise UpstreamError(message_in(body), code="no_answer", by_engine=True) from error
    return EventSplitter().feed(b"".join(events))
