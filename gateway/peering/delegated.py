"""One request that another peer delegated to us, run on our own engine and answered in frames (frames.py).

It waits its turn at our door. It is answered here or refused; it is never delegated again. Knows nothing of HTTP and of
whether the peer may ask: listener.py has seen to both.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import msgspec

from gateway.capacity.doors import Doors, Served
from gateway.peering.frames import (
    ENGINE_REFUSED,
    NO_AGENT,
    NO_ENDPOINT,
    UNACCEPTABLE,
    Receipt,
    Refusal,
    encode_receipt,
    encode_refusal,
    encode_reply,
    refusal_of,
)
from gateway.peering.given import Given
from gateway.peering.length import bounded
from gateway.privacy.fields import Unacceptable, read_delegation
from gateway.trust.tab import Sums
from gateway.upstream import RETRYABLE, Patience, UpstreamError, from_documents, reads
from gateway.wire.bodies import AGENT_ENDPOINTS, PERSONAL_ENDPOINTS
from gateway.wire.claims import wait_s
from gateway.wire.codec import has_more_values, takes_long
from gateway.wire.errors import NO_PATH, says_model
from gateway.wire.known import VALUES_LIMIT
from gateway.wire.request import Request, encode_request
from gateway.wire.tokens import Meter


class Delegated:
    """One request that another peer delegated to us: the frames of its answer, and what came of it."""

    def __init__(
        self,
        doors: Doors,
        given: Given,
        payload: bytes,
        payload_sha256: str,
        trusted: bool,
        patience: Patience,
        sign: Callable[[bytes], bytes],
        clock: Callable[[], float],
    ) -> None:
        """`given`: what the peer that asks may have of our agents."""
        self.status, self._is_unacceptable = "cancelled", False
        self._doors, self._given, self._trusted, self._patience = doors, given, trusted, patience
        self._payload, self._payload_sha256 = payload, payload_sha256
        self._sign, self._clock = sign, clock
        self._sent, self.has_begun = hashlib.sha256(), False  # `has_begun`: some of the answer was sent
        self.endpoint, self.agent, self.is_stream = "", "", False  # of the request, once it was read
        self._meter: Meter | None = None  # None until then
        self._served: Served | None = None
        self._from_documents: bool | None = None  # what a personal agent says of its answer
        self.usage = 0, 0  # (prompt, completion) tokens once it is over, as Forwarder counts them
        self.last = b""  # what ends it: an answer in one piece, if it is one, and its receipt, or why there is none

    @property
    def loading(self) -> float | None:
        """How much of the model is loaded, 0 to 1, that our engine loads for it; None where it loads none."""
        return self._served.loading if self._served else None

    @property
    def sums(self) -> Sums:
        """What of it was answered, also where it was hung up on."""
        return Sums(1, *self.usage) if self.has_begun else Sums()

    @property
    def is_in_vain(self) -> bool:
        """Whether it came to nothing through the asking peer's doing: a request it may not send, or hung up on."""
        return self._is_unacceptable or self.status == "cancelled"

    async def run(self, send: Callable[[bytes], Awaitable[None]], push: Callable[[bytes, int], bool]) -> None:
        """Have a streamed answer sent, or pushed as AsgiClient.push does; then `last` holds what ends it."""
        began = self._clock()
        try:
            if takes_long(self._payload):
                agent, request = await asyncio.to_thread(self._read_large)
            else:
                agent, request = read_delegation(self._payload, trusted=self._trusted)
            self.endpoint, self.is_stream = request.endpoint, request.stream
            served, model = self._given.agent_of(self._doors, agent)
            self.agent, self._served = agent, served
            if served.personal is not None and request.endpoint not in PERSONAL_ENDPOINTS:
                raise UpstreamError(f"a personal agent has no /v1/{request.endpoint}", status=404, code=NO_ENDPOINT)
            if request.continues and request.endpoint not in model.continues:
                raise UpstreamError("it does not go on with answers", status=404, code=NO_AGENT)
            request = bounded(request, served.door.engine.state.family, model.context_tokens)
            self._meter = Meter(request)
            with await self._given.turn(served, agent) as turn:
                started = self._clock()
                try:
                    await self._ask(request, served, self._meter, send, push)
                finally:
                    self.usage = self._meter.tokens
                    if self.has_begun:  # also where it was hung up on: what was read and written is work done
                        served.door.count_tokens(*self.usage)
                        turn.work = self.sums.work
            self.status = "ok"
            self.last += self._receipt(agent, began, started)
        except (Unacceptable, RecursionError) as error:
            self.status, self._is_unacceptable = "refused", True
            words = str(error) if isinstance(error, Unacceptable) else "the body is nested too deeply"
            self.last = encode_refusal(Refusal(400, UNACCEPTABLE, words))
        except UpstreamError as error:
            self.status = "failed" if self.has_begun else "refused"
            refusal = refusal_of(error.status, error.code, wait_s(error.retry_after_s))
            self.last += encode_refusal(refusal, "broke" if self.has_begun else "refused")

    def _read_large(self) -> tuple[str, Request]:
        if has_more_values(self._payload, VALUES_LIMIT):
            raise Unacceptable(f"it holds more than {VALUES_LIMIT} strings, arrays and objects")
        return read_delegation(self._payload, trusted=self._trusted)

    async def _ask(
        self,
        request: Request,
        served: Served,
        meter: Meter,
        send: Callable[[bytes], Awaitable[None]],
        push: Callable[[bytes, int], bool],
    ) -> None:
        """The engine's answer in frames: events are sent, an answer in one piece goes with its receipt.

        Raises UpstreamError.
        """
        opened = served.over(served.door.engine, is_own=False).open(
            request.endpoint, encode_request(request, served.model, served.door.engine.state.continuing), {},
            stream=request.stream, patience=self._patience,
        )  # fmt: skip
        async with opened as reply:
            if reply.status in NO_PATH and request.endpoint in AGENT_ENDPOINTS and not says_model(await reply.read()):
                raise UpstreamError(f"its engine has no /v1/{request.endpoint}", status=404, code=NO_ENDPOINT)
            if reply.status in RETRYABLE:
                status = reply.status if reply.status in (429, 503) else 502
                raise UpstreamError(
                    f"its engine answered {reply.status}",
                    status=status,
                    code=ENGINE_REFUSED,
                    retry_after_s=wait_s(reply.retry_after),
                )
            if reply.is_stream and reply.status == 200:
                async for events in reads(reply, self._pusher(push, meter)):
                    frames = list[bytes]()
                    for event in events:
                        if not event.is_comment:  # the hop has signs of life of its own
                            meter.event(event.data)
                            frames.append(event.raw)
                    came, self.has_begun = b"".join(frames), self.has_begun or bool(frames)
                    self._sent.update(came)
                    if events[-1].is_done:
                        self.last = came
                    elif came:
                        await send(came)
            else:
                answer = await reply.read()
                meter.whole(answer)
                self.last = encode_reply(reply.status, answer)
                self._sent.update(self.last)
                self.has_begun = True
            self._from_documents = from_documents(reply)

    def _pusher(self, push: Callable[[bytes, int], bool], meter: Meter) -> Callable[[bytes, int], bool]:
        """What sends plain events as they came, behind the first; False: they are sent by `_ask`."""
        hash_on, count_on = self._sent.update, meter.seen.plain

        def push_on(events: bytes, count: int) -> bool:
            if not self.has_begun or not push(events, count):
                return False
            count_on(events, count)
            hash_on(events)
            return True

        return push_on

    def _receipt(self, agent: str, began: float, started: float) -> bytes:
        prompt_tokens, tokens = self.usage
        receipt = Receipt(
            request_sha256=self._payload_sha256,
            reply_sha256=self._sent.hexdigest(),
            model=agent,
            prompt_tokens=prompt_tokens,
            tokens=tokens,
            queued_ms=int((started - began) * 1000),
            served_ms=int((self._clock() - started) * 1000),
            from_documents=msgspec.UNSET if self._from_documents is None else self._from_documents,
        )
        return encode_receipt(receipt, self._sign)
