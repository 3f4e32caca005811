"""One request to an engine, until its answer has begun. Knows nothing of which engine, nor of its models."""

from collections.abc import Awaitable, Mapping
from types import TracebackType
from typing import Protocol

import msgspec

from discovery.answer import ConnectionBroken
from gateway.engines.answering import EVENTS, Answering, Began
from gateway.upstream import Patience, UpstreamError
from gateway.wire.bodies import OPTIONAL, leaving_out, says_not_known, without
from gateway.wire.codec import Pieces
from gateway.wire.errors import is_no_answer

_REFUSED = (400, 422)  # statuses of a body with a field that the engine does not know
REFUSALS = 3  # of optional fields, after each of which a request is asked once more: many engines name the first alone
NOT_BEGUN = (ConnectionBroken, OSError, TimeoutError)
_NONE = frozenset[str]()


class Way(msgspec.Struct, frozen=True, array_like=True):
    """How an engine is reached. `found_at`: the port where it was found, if it was not named."""

    url: str
    found_at: int = 0


class Manner(msgspec.Struct, frozen=True, array_like=True):
    """How an engine is sent all requests of one endpoint that have no headers of their own (Connections.send)."""

    way: Way
    lines: bytes
    keep: bool


class Hands(Protocol):
    """Another process of this peer, which asks in our place, and may pass the answer on by itself."""

    async def send(self, way: Way, lines: bytes, body: Pieces, *, keep: bool, within_s: float) -> Began:
        """As Connections.send. An answer that was passed on has no body left."""
        ...


class Asking(Protocol):
    """The engine that is asked."""

    url: str
    in_flight: int  # requests that are open at it
    refused: dict[str, frozenset[str]]  # by endpoint: optional fields that it does not know

    def begin(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], within_s: float, hands: Hands | None
    ) -> Awaitable[Began]:
        """Send a request, by these hands or ours; the answer is there once its head has come. Raises one of NOT_BEGUN.

        Hands raise UpstreamError, too.
        """
        ...

    def not_begun(self, error: Exception, within_s: float) -> UpstreamError:
        """What is told of a request for which `begin` raised this."""
        ...

    def knows_not_model(self) -> None:
        """It answered that it does not know the model."""
        ...


class Asked(msgspec.Struct, eq=False):
    """A context: entering it asks, and leaving it hangs up, which makes the engine stop generating.

    Entered it gives the answer that has begun. Entering raises UpstreamError. `stream`: events are asked for, so that
    a body of no particular type is taken for them.
    """

    engine: Asking
    endpoint: str
    body: Pieces
    headers: Mapping[str, str]
    stream: bool
    patience: Patience
    _hands: Hands | None = None
    _reply: Answering | None = None
    # What came of `at_once`, where that did not end it.
    _came: Began | None = None
    _said: bytes | None = None  # its body, where it was read
    _failed: Exception | None = None

    async def at_once(self) -> bytes | None:
        """See gateway.upstream.at_once."""
        engine = self.engine
        if engine.refused:
            return None
        engine.in_flight += 1
        try:
            answer = await engine.begin(self.endpoint, self.body, self.headers, self.patience.whole_s, None)
        except NOT_BEGUN as error:
            self._failed = error.with_traceback(None)  # it leads back here
            return None
        finally:
            engine.in_flight -= 1
        body, headers = None, answer.headers
        if answer.status == 200 and not headers.get("content-type", "").startswith(EVENTS):
            if "content-encoding" not in headers:
                body = answer.whole()
            if body is not None and not is_no_answer(body):
                answer.release()
                return body
        self._came, self._said = answer, body
        return None

    def lend(self, hands: Hands) -> None:
        """Have it asked by these hands, which may pass the answer on by themselves."""
        self._hands = hands

    async def __aenter__(self) -> Answering:
        engine, body, patience = self.engine, self.body, self.patience
        within_s = patience.begins_within_s(self.stream)
        if self._failed is not None:
            raise engine.not_begun(self._failed, within_s) from self._failed
        engine.in_flight += 1
        try:
            if (answer := self._came) is None:
                if engine.refused:
                    body, _ = without(body, engine.refused.get(self.endpoint, _NONE))
                answer = await engine.begin(self.endpoint, body, self.headers, within_s, self._hands)
            reply = self._reply = Answering(engine.url, self.stream, patience, answer, answer.status, self._said)
            if answer.status != 200:
                reply = await self._judge(reply, body, within_s)
            if reply.answer.headers.get("content-encoding", "identity") != "identity":  # a bomb, perhaps
                reply.answer.release()
                raise UpstreamError(f"the engine at {engine.url} compresses its answers", code="bad_encoding")
        except NOT_BEGUN as error:
            engine.in_flight -= 1
            raise engine.not_begun(error, within_s) from error
        except BaseException:
            engine.in_flight -= 1
            raise
        return reply

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.engine.in_flight -= 1
        if self._reply is not None:
            self._reply.answer.release()  # closes the connection where the answer was not read to its end

    async def _judge(self, reply: Answering, body: Pieces, within_s: float) -> Answering:
        """See what can be done about an answer that is none: it, or the one that came instead."""
        if reply.status in _REFUSED and self.endpoint in OPTIONAL:
            reply = self._reply = await self._ask_for_less(reply, body, within_s)
        if reply.status == 404:
            self.engine.knows_not_model()
        return reply

    async def _ask_for_less(self, reply: Answering, body: Pieces, within_s: float) -> Answering:
        """Ask once more without the optional fields that its refusal names, and again where it names others."""
        engine, endpoint, refused = self.engine, self.endpoint, _NONE
        for _ in range(REFUSALS):
            try:
                reply.said = await reply.read()
            except BaseException:
                reply.answer.release()
                raise
            body, named = leaving_out(endpoint, body, reply.said)
            if not named:
                return reply
            refused |= named if says_not_known(reply.said) else _NONE
            reply.answer.release()
            answer = await engine.begin(endpoint, body, self.headers, within_s, self._hands)
            reply = Answering(engine.url, self.stream, self.patience, answer, answer.status)
            if reply.status not in _REFUSED:
                break
        if refused and reply.status == 200:  # it did help: the next request is asked without them at once
            engine.refused[endpoint] = engine.refused.get(endpoint, _NONE) | refused
        return reply
