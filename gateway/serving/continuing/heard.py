"""A stream as its client was sent it, read only where somebody has to know what it said (P).

Most answers never break off: reading each of their events would cost as much as all else that is done with it.
"""

from gateway.serving.continuing.begun import begun
from gateway.serving.continuing.said import Said
from gateway.wire.events import EventSplitter
from gateway.wire.request import Request

UNREAD_BYTES = 1 << 18  # of events that are kept as they were sent; with more of them they are read


class Heard:
    """What the client of one stream was sent so far: `add` it, and ask `said` what it says once that matters."""

    def __init__(self, request: Request) -> None:
        self._request: Request | None = request  # until it is known whether its answer may go on elsewhere
        self._unread, self._unread_bytes = list[bytes](), 0
        self._splitter = EventSplitter()
        self._said: Said | None = None

    def add(self, events: bytes) -> None:
        """Whole events that the client is sent, the last one of a stream (`[DONE]`) not among them."""
        self._unread.append(events)
        self._unread_bytes += len(events)
        if self._unread_bytes > UNREAD_BYTES:
            self._read()

    @property
    def said(self) -> Said | None:
        """What it says; None where nobody else can go on with an answer to such a request."""
        self._read()
        return self._said

    def _read(self) -> None:
        if self._request is not None:
            self._said, self._request = begun(self._request), None
        unread, self._unread, self._unread_bytes = self._unread, [], 0
        if self._said is not None:
            for event in self._splitter.feed(b"".join(unread)):
                self._said.hear(event.data)
