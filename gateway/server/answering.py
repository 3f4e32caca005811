"""The client of one request, to write to: over the messages of ASGI, whichever server is behind them."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gateway.server.fields import on_their_lines

NOTHING: Mapping[str, str] = {}
_UNBUFFERED = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class Send(Protocol):
    async def __call__(self, message: dict[str, Any], /) -> None: ...


class Poured(Protocol):
    """What passes by an outlet (gateway/wire/streams/pour.py)."""

    @property
    def count(self) -> int:
        """How many events have."""
        ...


class AsgiClient:
    """See gateway.serving.relaying.Client. An exchange on a connection of ours is one, too (exchange.py)."""

    # What is so until something happens.
    request_id = ""
    has_started = is_complete = False
    _sent = 0  # pieces of the body so far
    extra: Mapping[str, str] = NOTHING  # header fields of every answer

    def __init__(self, send: Send, extra: Mapping[str, str], request_id: str = "") -> None:
        self.request_id, self.extra = request_id, extra
        self.send_message = send

    @property
    def sent(self) -> int:
        """Pieces of the body so far."""
        return self._sent

    async def start(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        self.has_started = True
        fields = on_their_lines(self.fields(content_type, headers))
        written = [(name.encode(), value.encode()) for name, value in fields.items()]
        await self.send_message({"type": "http.response.start", "status": status, "headers": written})

    async def send(self, body: bytes, *, more: bool, count: int = 1) -> None:
        self._sent += count
        self.is_complete = not more
        await self.send_message({"type": "http.response.body", "body": body, "more_body": more})

    def outlet(
        self, pour: Poured, content_type: str = "", headers: Mapping[str, str] = NOTHING
    ) -> Callable[[bytes], bool] | None:
        """What writes at once (see Client): nothing."""
        return None

    async def comment(self, said: bytes) -> None:
        """Bytes in a stream that has begun, which are no piece of its body."""
        await self.send_message({"type": "http.response.body", "body": said, "more_body": True})

    async def answer(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str] = NOTHING) -> None:
        """A whole answer in one piece."""
        await self.start(status, content_type, {"content-length": str(len(body)), **headers})
        await self.send(body, more=False)

    async def pass_on(self, message: dict[str, Any]) -> None:
        """What another ASGI app sends, with our extra headers."""
        begins = message["type"] == "http.response.start"
        if begins:
            extra = [(name.encode(), value.encode()) for name, value in on_their_lines(self.extra).items()]
            message = {**message, "headers": [*message["headers"], *extra]}
        await self.send_message(message)
        self.has_started = self.has_started or begins

    def fields(self, content_type: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The header fields of an answer."""
        return {"content-type": content_type, **_UNBUFFERED, **self.extra, **headers}
