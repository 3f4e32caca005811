"""What the forwarder needs of whoever answers, our own engine or another peer: a reply, whole or event by event."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from gateway.wire.codec import Pieces
from gateway.wire.events import Event
from gateway.wire.streams.pour import Pour

RETRYABLE = frozenset(  # statuses of an answer where somebody else may do better
    {401, 403, 404, 405, 408, 409, 425, 429, 500, 501, 502, 503, 504, 529}
)
REPLY_LIMIT_BYTES = 64 << 20  # one whole JSON reply; base64 embeddings and long logprobs reach tens of MiB


class UpstreamError(Exception):
    """Whoever should have answered did not: `status` and `code` are what the client is told if nobody else does.

    `by_engine`: the engine is there and answered this request with an error, so that the request may be the cause.
    `is_unsuited`: it said that it cannot take the request, such as a prompt longer than a model's context: another may,
    and this one is no worse for it. `said`: the error object as the engine wrote it, for the client to see.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 502,
        code: str = "upstream_error",
        retry_after_s: float | None = None,
        by_engine: bool = False,
        is_unsuited: bool = False,
        said: bytes | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.code, self.retry_after_s = message, status, code, retry_after_s
        self.by_engine, self.is_unsuited, self.said = by_engine, is_unsuited, said


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the forwarder waits: for a stream's first event, between two, and for an answer in one piece."""

    first_event_s: float
    idle_s: float
    whole_s: float

    def begins_within_s(self, stream: bool) -> float:
        """How long an answer may take to begin, of which a stream was asked for, or not."""
        return self.first_event_s if stream else self.whole_s


class Reply(Protocol):
    """An answer that has begun. Its body is read once: by `read` or by `events`."""

    status: int

    @property
    def content_type(self) -> str: ...

    @property
    def retry_after(self) -> str | None:
        """As the engine sent it."""
        ...

    @property
    def is_stream(self) -> bool: ...

    async def read(self) -> bytes:
        """The whole body. Raises UpstreamError."""
        ...

    def events(self) -> AsyncIterator[Event]:
        """Whole events up to and with `[DONE]`, or to the end of a stream of named ones; comments among them.

        Raises UpstreamError when the stream is cut short or stalls.
        """
        ...


def reads(reply: Reply, pour: Pour | None) -> AsyncIterator[Sequence[Event]]:
    """What `events` of a reply yields, those together that came together, less what passes by the pour.

    That is offered what comes from when it is open, and what has passed is told before more comes out here. Only of a
    reply that has a method `reads`, as our own engine's; of any other each event comes out alone. Raises UpstreamError.
    """
    begin: Callable[..., AsyncIterator[Sequence[Event]]] | None = getattr(reply, "reads", None)
    return _one_by_one(reply) if begin is None else begin(pour)


async def _one_by_one(reply: Reply) -> AsyncIterator[Sequence[Event]]:
    async for event in reply.events():
        yield (event,)


Opened = AbstractAsyncContextManager[Reply]  # who is asked once it is entered; leaving it hangs up


def at_once(opened: Opened) -> Awaitable[bytes | None] | None:
    """Asks without entering, for an answer in one piece: the whole of a good one that is there by then; it has ended.

    It gives None for any other, and where there is none: entering tells what came, and does not ask again. Only of
    what has a method `at_once`, as our own engine's; else None is returned, and nothing was asked.
    """
    ask: Callable[[], Awaitable[bytes | None]] | None = getattr(opened, "at_once", None)
    return None if ask is None else ask()


def from_documents(reply: Reply) -> bool | None:
    """Whether an answer that was read came from a personal agent's documents; None where it is no such agent's.

    Such a reply has an attribute `is_from_documents`, known when the answer has ended.
    """
    said = getattr(reply, "is_from_documents", None)
    return said if isinstance(said, bool) else None


class Passed(Protocol):
    """An answer of an endpoint beside chat, which is passed on as it comes: what our own engine's replies are, too."""

    status: int

    @property
    def content_type(self) -> str: ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body, piece by piece. Raises UpstreamError where it breaks off."""
        ...


class Upstream(Protocol):
    """The local engine, or another peer."""

    def open(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], *, stream: bool, patience: Patience
    ) -> Opened:
        """Ask; leaving the context hangs up. Raises UpstreamError."""
        ...


class Personal(Protocol):
    """A personal agent: what it puts between a request and the engine that answers it."""

    def over(self, engine: Upstream, *, is_own: bool) -> Upstream:
        """The engine as this agent asks it, for one request; `is_own`: of its owner's programs, not of another peer.

        Every call to `engine` happens while the answer of the Upstream that is returned is open: one slot serves them.
        """
        ...
