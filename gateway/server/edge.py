"""The edge of an ASGI server: a bounded body, a client that may leave, and one to write to.

Raw ASGI, since every request pays for each layer of a framework (docs/decisions.md#shape).
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from io import BytesIO
from typing import Any, Protocol

from gateway.server.exchange import Exchange, exchange_of, read_fields
from gateway.wire.errors import InvalidRequest
from gateway.wire.text import header_text, one_line

Scope = Mapping[str, Any]
DISCARD_FACTOR = 4  # a body over the limit is read this far and dropped: many listen only when they have sent it


class Receive(Protocol):
    def __call__(self) -> Awaitable[Mapping[str, Any]]: ...


class Send(Protocol):
    async def __call__(self, message: dict[str, Any], /) -> None: ...


AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]  # (scope, receive, send), as every ASGI framework makes them


_UNBUFFERED = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class ClientGone(Exception):
    """The client closed its connection before its body was complete."""


def headers_of(scope: Scope) -> Mapping[str, str]:
    """Header names are lower case in ASGI; the values of repeated ones are joined by commas (RFC 9110, section 5.3)."""
    exchange = exchange_of(scope)
    return read_fields(scope["headers"]) if exchange is None else exchange.headers


async def read_body(
    scope: Scope,
    receive: Receive,
    limit_bytes: int,
    taken: Callable[[bytes], None] = lambda piece: None,
    remedy: str = "send less, or raise client.body_limit_bytes",
) -> bytes:
    """The whole body, in the buffer that it was read into; `taken` is given each piece.

    Raises InvalidRequest (413), which names the `remedy`, and ClientGone.
    """
    exchange = exchange_of(scope)
    if exchange is not None and (came := exchange.body(limit_bytes)) is not None:
        taken(came)
        return came
    body, seen = BytesIO(), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        seen += len(message.get("body", b""))
        if seen <= limit_bytes:
            body.write(message.get("body", b""))
            taken(message.get("body", b""))
        elif not message.get("more_body") or seen > DISCARD_FACTOR * limit_bytes:
            raise InvalidRequest(f"the body is over {limit_bytes} bytes; {remedy}", status=413, code="body_too_large")
        else:
            body = BytesIO()  # nobody will read what came
        if not message.get("more_body"):
            return body.getvalue()


class Watched(Protocol):
    """What says when a client hangs up."""

    task: asyncio.Task[Any]
    was_cancelled: bool  # the task, for that

    def watch(self, is_on: bool) -> None:
        """Have the task cancelled once the client hangs up, or soon if it has; False: no longer."""
        ...


async def until_gone(work: Coroutine[Any, Any, None], scope: Scope, receive: Receive) -> None:
    """Run `work`; cancel it when the client hangs up, in whichever phase of the answer that is.

    With a server that is not ours, a second task asks `receive` whether it has.
    """
    watched: Watched = exchange_of(scope) or _Asking(receive)
    watched.watch(True)
    try:
        await work
    except asyncio.CancelledError:
        if not watched.was_cancelled or watched.task.uncancel():  # somebody else wants it to end, too
            raise
    finally:
        watched.watch(False)


class _Asking:
    """Watches a client by asking for more than its body."""

    def __init__(self, receive: Receive) -> None:
        task = asyncio.current_task()
        assert task, "a coroutine runs in a task"
        self.task, self.was_cancelled = task, False
        self._receive = receive
        self._asking: asyncio.Task[None] | None = None

    def watch(self, is_on: bool) -> None:
        if self._asking is not None:
            self._asking.cancel()
        self._asking = asyncio.create_task(self._until_gone()) if is_on else None

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.was_cancelled = self.task.cancel()


def client_of(scope: Scope, send: Send, extra_headers: Mapping[str, str], request_id: str = "") -> "AsgiClient":
    """The client of a request, to write to."""
    exchange = exchange_of(scope)
    if exchange is None:
        return AsgiClient(send, extra_headers, request_id)
    return _DirectClient(exchange, extra_headers, request_id)


class AsgiClient:
    """The client of one request, to write to (see gateway.serving.relaying.Client)."""

    def __init__(self, send: Send, extra_headers: Mapping[str, str], request_id: str = "") -> None:
        self.request_id = request_id
        self.has_started = self.is_complete = False
        self.sent = 0  # pieces of the body so far
        self._send, self._extra = send, extra_headers

    async def start(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        self.has_started = True
        fields = self._fields(content_type, headers)
        written = [(name.encode(), value.encode()) for name, value in fields.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": written})

    async def send(self, body: bytes, *, more: bool, count: int = 1) -> None:
        self.sent += count
        self.is_complete = not more
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    def push(self, events: bytes, count: int) -> bool:
        """Write so many events of a body that has begun, if that needs no waiting; False: nothing was written."""
        return False

    async def comment(self, said: bytes) -> None:
        """Bytes in a stream that has begun, which are no piece of its body."""
        await self._send({"type": "http.response.body", "body": said, "more_body": True})

    async def answer(
        self, status: int, content_type: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """A whole answer in one piece."""
        await self.start(status, content_type, {"content-length": str(len(body)), **(headers or {})})
        await self.send(body, more=False)

    async def pass_on(self, message: dict[str, Any]) -> None:
        """What another ASGI app sends, with our extra headers."""
        if message["type"] == "http.response.start":
            self.has_started = True
            extra = [(name.encode(), value.encode()) for name, value in _on_their_lines(self._extra).items()]
            message = {**message, "headers": [*message["headers"], *extra]}
        await self._send(message)

    def _fields(self, content_type: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The header lines of an answer."""
        return _on_their_lines({"content-type": content_type, **_UNBUFFERED, **self._extra, **headers})


class _DirectClient(AsgiClient):
    """The client of one exchange on a connection of ours: no messages, and a head goes out with what follows it."""

    def __init__(self, exchange: Exchange, extra_headers: Mapping[str, str], request_id: str) -> None:
        super().__init__(exchange.send, extra_headers, request_id)
        self._exchange = exchange

    async def start(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        self.has_started = True
        fields = self._fields(content_type, headers)
        lines = "".join([f"{name}: {value}\r\n" for name, value in fields.items()]).encode()
        length = fields.get("content-length")
        self._exchange.begin(status, lines, None if length is None else int(length))

    async def send(self, body: bytes, *, more: bool, count: int = 1) -> None:
        self.sent += count
        self.is_complete = not more
        if self._exchange.must_wait:
            await self._exchange.drained()
        self._exchange.write(body, more=more)

    def push(self, events: bytes, count: int) -> bool:
        if not self._exchange.push(events):
            return False
        self.sent += count
        return True

    async def comment(self, said: bytes) -> None:
        if self._exchange.must_wait:
            await self._exchange.drained()
        self._exchange.write(said, more=True)


def _on_their_lines(fields: Mapping[str, str]) -> Mapping[str, str]:
    """Header fields; a name that somebody else chose (a peer's, a model's) must not break out of its line."""
    values = "".join(fields.values())
    if values.isascii() and values.isprintable():
        return fields
    return {name: header_text(one_line(value)) for name, value in fields.items()}
