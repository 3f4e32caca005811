"""What our apps ask of a server: a bounded body, and to be ended when the client leaves.

On a connection of ours a request is an Exchange; of any other ASGI server it is `Messages`, which costs more
(docs/decisions.md#shape).
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from io import BytesIO
from types import SimpleNamespace
from typing import Any, Protocol

from gateway.server.answering import AsgiClient, Send
from gateway.server.exchange import Exchange
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


async def read_pieces(
    receive: Receive, limit_bytes: int, taken: Callable[[bytes], None] = lambda piece: None, remedy: str = SEND_LESS
) -> bytes:
    """A whole body, in the buffer that it was read into; `taken` is given each piece.

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
    """What says when a client hangs up."""

    task: asyncio.Task[Any]
    was_cancelled: bool  # the task, for that

    def watch(self, is_on: bool) -> None:
        """Have the task cancelled once the client hangs up, or soon if it has; False: no longer."""
        ...


def has_left(watched: Watched) -> bool:
    """Whether the task was cancelled since the client hung up, and nobody else wants it to end, too."""
    return watched.was_cancelled and not watched.task.uncancel()


async def until_gone(work: Coroutine[Any, Any, None], watched: Watched) -> None:
    """Run `work`; cancel it when the client hangs up, in whichever phase of the answer that is."""
    watched.watch(True)
    try:
        await work
    except asyncio.CancelledError:
        if not has_left(watched):
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


class Messages(AsgiClient, Asking):
    """One request of a server that is not ours: to our apps what an Exchange is, by ASGI's messages alone."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        AsgiClient.__init__(self, send, {})
        Asking.__init__(self, receive)
        self.method, self.path, self.version = scope["method"], scope["path"], scope["http_version"]
        self.headers = read_fields(scope["headers"])
        self.head = SimpleNamespace(kept=None)  # of this request alone
        self.ip = scope["client"][0] if scope.get("client") else ""
        self._scope = scope

    def scope(self) -> Scope:
        return self._scope

    def body(self, limit_bytes: int) -> None:
        """As Exchange's, of a body that has not come yet: it is read by `read_pieces`."""

    def hang_up(self) -> None:
        """Nothing in ASGI does."""


Incoming = Exchange | Messages
