"""The edge of an ASGI server: a bounded body, a client that may leave, and one to write to.

Raw ASGI, since every request pays for each layer of a framework (docs/decisions.md#shape).
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from io import BytesIO
from typing import Any, Protocol

from gateway.server.answering import AsgiClient, Send
from gateway.server.exchange import Exchange, exchange_of
from gateway.server.fields import read_fields
from gateway.wire.errors import InvalidRequest

Scope = Mapping[str, Any]
DISCARD_FACTOR = 4  # a body over the limit is read this far and dropped: many listen only when they have sent it


class Receive(Protocol):
    def __call__(self) -> Awaitable[Mapping[str, Any]]: ...


AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]  # (scope, receive, send), as every ASGI framework makes them
SEND_LESS = "send less, or raise client.body_limit_bytes"


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
    remedy: str = SEND_LESS,
) -> bytes:
    """The whole body, in the buffer that it was read into; `taken` is given each piece.

    Raises InvalidRequest (413), which names the `remedy`, and ClientGone.
    """
    exchange = exchange_of(scope)
    if exchange is not None and (came := exchange.body(limit_bytes)) is not None:
        taken(came)
        return came
    return await read_pieces(receive, limit_bytes, taken, remedy)


async def read_pieces(
    receive: Receive, limit_bytes: int, taken: Callable[[bytes], None] = lambda piece: None, remedy: str = SEND_LESS
) -> bytes:
    """As `read_body`, of a body that has not come yet."""
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


async def until_gone(work: Coroutine[Any, Any, None], watched: Watched) -> None:
    """Run `work`; cancel it when the client hangs up, in whichever phase of the answer that is."""
    watched.watch(True)
    try:
        await work
    except asyncio.CancelledError:
        if not watched.was_cancelled or watched.task.uncancel():  # somebody else wants it to end, too
            raise
    finally:
        watched.watch(False)


class Asking:
    """Watches a client by asking for more than its body, in a second task."""

    task: asyncio.Task[Any]
    was_cancelled = False
    _asking: asyncio.Task[None] | None = None

    def __init__(self, receive: Receive) -> None:
        self.receive = receive

    def watch(self, is_on: bool) -> None:
        if self._asking is not None:
            self._asking.cancel()
        self._asking = asyncio.create_task(self._until_gone()) if is_on else None
        if is_on and (task := asyncio.current_task()):
            self.task = task

    async def _until_gone(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self.was_cancelled = self.task.cancel()


def watched_of(scope: Scope, receive: Receive) -> Watched:
    """What says when the client of this request hangs up."""
    return exchange_of(scope) or Asking(receive)


class Messages(AsgiClient, Asking):
    """One request of a server that is not ours: to our apps what an Exchange is, by ASGI's messages alone."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        AsgiClient.__init__(self, send, {})
        Asking.__init__(self, receive)
        self.method, self.path, self.version = scope["method"], scope["path"], scope["http_version"]
        self.headers = read_fields(scope["headers"])
        self.ip = scope["client"][0] if scope.get("client") else ""
        self._scope = scope

    def scope(self) -> Scope:
        return self._scope

    def body(self, limit_bytes: int) -> None:
        """It is read by `read_pieces`."""

    def hang_up(self) -> None:
        """Nothing in ASGI does."""


Incoming = Exchange | Messages


def incoming_of(scope: Scope, receive: Receive, send: Send) -> Incoming:
    """A request, as our apps take it."""
    return exchange_of(scope) or Messages(scope, receive, send)


def client_of(scope: Scope, send: Send, extra_headers: Mapping[str, str], request_id: str = "") -> AsgiClient:
    """The client of a request, to write to."""
    exchange = exchange_of(scope)
    if exchange is None:
        return AsgiClient(send, extra_headers, request_id)
    exchange.extra, exchange.request_id = extra_headers, request_id
    return exchange
