"""The edge of an ASGI server: a bounded body, a client that may leave, and one to write to.

Raw ASGI, since every request pays for each layer of a framework (docs/decisions.md#shape).
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from io import BytesIO
from typing import Any, Protocol

from gateway.wire.errors import InvalidRequest
from gateway.wire.text import header_text, one_line

Scope = Mapping[str, Any]
DISCARD_FACTOR = (
    4  # a body over the limit is read this far and dropped: many clients listen only when they have sent it
)


class Receive(Protocol):
    def __call__(self) -> Awaitable[Mapping[str, Any]]: ...


class Send(Protocol):
    async def __call__(self, message: dict[str, Any], /) -> None: ...


AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]  # (scope, receive, send), as every ASGI framework makes them


class ClientGone(Exception):
    """The client closed its connection before its body was complete."""


def headers_of(scope: Scope) -> dict[str, str]:
    """Header names are lower case in ASGI; the values of repeated ones are joined by commas (RFC 9110, section 5.3)."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


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
    """A connection that says when its client hangs up."""

    def watch(self, gone: Callable[[], None] | None) -> None:
        """Have `gone` called once the client hangs up, or soon if it has; None: nobody is to be told any more."""
        ...


async def until_gone(work: Coroutine[Any, Any, None], receive: Receive, connection: Watched | None = None) -> None:
    """Run `work`; cancel it when the client hangs up, in whichever phase of the answer that is.

    The `connection` says when; where there is none, as with a server that is not ours, a second task asks `receive`.
    """
    job, is_gone, is_over = asyncio.current_task(), False, False
    assert job, "a coroutine runs in a task"

    def hang_up() -> None:
        nonlocal is_gone
        if not is_over:
            is_gone = True
            job.cancel()

    watch = connection or _Asking(receive)
    watch.watch(hang_up)
    try:
        await work
    except asyncio.CancelledError:
        if not is_gone or job.uncancel():  # somebody else wants it to end, too
            raise
    finally:
        is_over = True
        watch.watch(None)


class _Asking:
    """Watches a connection by asking for more of it than the body."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task: asyncio.Task[None] | None = None

    def watch(self, gone: Callable[[], None] | None) -> None:
        if self._task is not None:
            self._task.cancel()
        self._task = None if gone is None else asyncio.create_task(self._until_gone(gone))

    async def _until_gone(self, gone: Callable[[], None]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        gone()


class AsgiClient:
    """The client of one request, to write to (see gateway.serving.forward.Client)."""

    def __init__(self, send: Send, extra_headers: Mapping[str, str], request_id: str = "") -> None:
        self.request_id = request_id
        self.has_started = self.is_complete = False
        self.sent = 0  # pieces of the body so far
        self.writes: Callable[[bytes], bool] | None = None  # writes a piece of a body at once, or says that it cannot
        self._send, self._extra = send, extra_headers

    async def start(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        self.has_started = True
        lines = {"content-type": content_type, "cache-control": "no-cache", "x-accel-buffering": "no"}
        lines.update(self._extra)
        lines.update(headers)
        await self._send({"type": "http.response.start", "status": status, "headers": _encode(lines)})

    async def send(self, body: bytes, *, more: bool) -> None:
        self.sent += 1
        self.is_complete = not more
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    def push(self, events: bytes, count: int) -> bool:
        """Write so many events of a body that has begun, if that needs no waiting; False: nothing was written."""
        if self.writes is None or not self.writes(events):
            return False
        self.sent += count
        return True

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
            message = {**message, "headers": [*message["headers"], *_encode(self._extra)]}
        await self._send(message)


def _encode(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Header lines; a name that somebody else chose (a peer's, a model's) must not break out of its line."""
    return [
        (k.encode("latin-1"), (v if v.isascii() and v.isprintable() else header_text(one_line(v))).encode())
        for k, v in headers.items()
    ]
