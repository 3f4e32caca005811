"""Another peer as an upstream: delegate one request; hop/reply.py reads its answer.

Knows nothing of who was chosen or why.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Generic, TypeVar

from discovery.answer import Answer, ConnectionBroken
from discovery.exchanges import PeerUnreachable
from discovery.records import PeerId
from discovery.request_auth import Refused, hashed, read_refusal
from gateway.peering.allowance import WIDEST, Allowance
from gateway.peering.frames import FIRST_SIGN_S, SILENCE_S, loaded_in
from gateway.peering.hop.reply import PeerReply
from gateway.telemetry.otel import TRACEPARENT
from gateway.trust.tab import Sums
from gateway.upstream import Patience, UpstreamError
from gateway.wire.codec import LARGE_BYTES, Pieces

REFUSAL_LIMIT_BYTES = 4096
BUSY_CODES = frozenset({"peer_refused", "peer_too_many_requests"})  # codes of errors that pass by themselves
DELEGATE_PATH = "/peer/1/delegate"
OpenStream = Callable[..., Awaitable[Answer]]  # see Transport.open_stream
Kind = TypeVar("Kind", bound=PeerReply)


class PeerUpstream:
    """One peer's agent as an Upstream (gateway/upstream.py); `body` is already a delegation (privacy/fields.py)."""

    loading: float | None = None  # how much of the model is loaded, 0 to 1, while its engine loads it

    def __init__(
        self,
        peer: PeerId,
        name: str,
        open_stream: OpenStream,
        failed: Callable[[PeerId, str], None],
        allowed: Allowance = WIDEST,
        silence_s: float = SILENCE_S,
        got: Callable[[PeerId, Sums], None] = lambda peer, sums: None,
        sent: Callable[[PeerId, int, float], None] = lambda peer, size_bytes, took_s: None,
    ) -> None:
        """`failed(peer, reason)` is called when the peer itself did not answer, not when its engine did not.

        `allowed`: how much its answer may be. `got(peer, sums)` is called with what a whole answer came to,
        `sent(peer, size_bytes, took_s)` when a large body has arrived there.
        """
        self.open_stream, self._failed, self._got, self.sent = open_stream, failed, got, sent
        self.peer, self.name, self.allowed, self.silence_s = peer, name, allowed, silence_s

    def open(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], *, stream: bool, patience: Patience
    ) -> "Asking[PeerReply]":
        """Delegate; leaving the context hangs up, which cancels at the peer. Entering it raises UpstreamError."""
        traced = {TRACEPARENT: headers[TRACEPARENT]} if TRACEPARENT in headers else None
        return Asking(self, DELEGATE_PATH, body, patience, PeerReply, stream=stream, headers=traced)

    def waits(self, signs: bytes) -> None:
        """It said that it is there, and nothing else."""
        self.loading = loaded_in(signs)

    def settled(self, sums: Sums) -> None:
        """A whole answer came, and came to this."""
        self._got(self.peer, sums)

    async def turned_away(self, answer: Answer) -> UpstreamError:
        """It answered, but would not begin: we are not approved there, or it is of another version."""
        body = b""
        with suppress(TimeoutError, ConnectionBroken, OSError):
            body = await answer.read(REFUSAL_LIMIT_BYTES, self.silence_s)
        said = read_refusal(body)
        message = said.message or f"it answered {answer.status}"
        return UpstreamError(f"{self.name}: {message}", status=503, code=f"peer_{said.code or 'turned_away'}")

    def gone(self, reason: str) -> UpstreamError:
        """The peer itself is silent, not its engine: it is suspected, and the request goes elsewhere."""
        self._failed(self.peer, reason)
        return UpstreamError(f"peer {self.name} does not answer: {reason}", code="peer_unreachable")


class Asking(Generic[Kind]):
    """A context with a peer's answer, while that is open; entering it asks, and raises UpstreamError."""

    _reply: Kind | None = None

    def __init__(
        self,
        of: PeerUpstream,
        path: str,
        body: Pieces,
        patience: Patience,
        kind: type[Kind],
        *,
        stream: bool,
        headers: Mapping[str, str] | None,
    ) -> None:
        """The answer is of this `kind`, to what is posted to `path` with `headers`."""
        self._of, self._path, self._body, self._patience = of, path, body, patience
        self._kind, self._stream, self._headers = kind, stream, headers

    async def __aenter__(self) -> Kind:
        of, body = self._of, self._body
        size = sum(map(len, body))
        asked = await asyncio.to_thread(hashed, *body) if size > LARGE_BYTES else hashed(b"".join(body))
        try:
            answer = await of.open_stream(
                of.peer, self._path, asked, self._headers, answer_s=of.silence_s, session="opened"
            )
        except PeerUnreachable as error:
            raise of.gone(error.reason) from error
        except Refused as error:
            raise UpstreamError(f"{of.name}: {error}", status=503, code=f"peer_{error.code}") from error
        try:
            if answer.status != 200:
                raise await of.turned_away(answer)
            if size > LARGE_BYTES:  # its head says that it has the body, and comes with the first sign of life
                took_s = asyncio.get_running_loop().time() - answer.asked_at - FIRST_SIGN_S
                of.sent(of.peer, size, took_s)
            reply = self._reply = self._kind(of, answer, asked, self._patience)
            if not reply.is_here():
                await reply.begin(self._stream)
        except BaseException:
            answer.release()
            raise
        return reply

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._reply is not None, "it was entered"
        self._reply.release()
