"""One request that another peer delegated to us, run on our own engine and answered in frames (frames.py).

It waits its turn at our door. It is answered here or refused; it is never delegated again. Knows nothing of HTTP and of
whether the peer may ask: listener.py has seen to both.
"""

import asyncio
from collections.abc import Callable
from types import MappingProxyType

from discovery.envelopes import Sign
from gateway.capacity.doors import Doors, Served
from gateway.peering.frames import NO_AGENT, NO_ENDPOINT, Receipt, encode_reply
from gateway.peering.given import Given
from gateway.peering.hop.work import Asker, Work, engine_refused
from gateway.peering.length import bounded
from gateway.privacy.fields import Unacceptable, read_delegation
from gateway.trust.tab import Sums
from gateway.upstream import RETRYABLE, Patience, Reply, UpstreamError, at_once, from_documents, reads
from gateway.wire.bodies import AGENT_ENDPOINTS, PERSONAL_ENDPOINTS
from gateway.wire.codec import has_more_values, takes_long
from gateway.wire.errors import NO_PATH, says_model
from gateway.wire.known import VALUES_LIMIT
from gateway.wire.request import Request, encode_request
from gateway.wire.streams.pour import Pour, Put
from gateway.wire.tokens import Meter


class Delegated(Work):
    """One request that another peer delegated to us: the frames of its answer, and what came of it."""

    _served: Served | None = None  # None until it was read
    _from_documents: bool | None = None  # what a personal agent says of its answer

    def __init__(
        self,
        doors: Doors,
        given: Given,
        payload: bytes,
        payload_sha256: str,
        trusted: bool,
        patience: Patience,
        sign: Sign,
        clock: Callable[[], float],
    ) -> None:
        """`given`: what the peer that asks may have of our agents."""
        super().__init__(doors, given, payload_sha256, patience, sign, clock)
        self._payload, self._trusted = payload, trusted

    @property
    def loading(self) -> float | None:
        return self._served.loading if self._served else None

    async def run(self, asker: Asker) -> None:
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
            if request.max_tokens is None:
                request = bounded(request, served.door.engine.state.family, model.context_tokens)
            meter, started = Meter(request), self._clock()
            turn = self._given.enters(served, started)
            if turn is None:
                turn, started = await self._given.turn(served, agent), self._clock()
            with turn:
                try:
                    await self._ask(request, served, meter, asker)
                finally:
                    self.usage = meter.tokens
                    if self.first_at is not None:  # also where it was hung up on: what was read and written is done
                        self.sums = Sums(1, *self.usage)
                        turn.usage, turn.work = self.usage, self.sums.work
            self.answered(self._receipt(agent, began, started), self._from_documents)
        except Unacceptable as error:
            self.refused(str(error))
        except RecursionError:
            self.refused("the body is nested too deeply")
        except UpstreamError as error:
            self.failed(error)

    def _read_large(self) -> tuple[str, Request]:
        if has_more_values(self._payload, VALUES_LIMIT):
            raise Unacceptable(f"it holds more than {VALUES_LIMIT} strings, arrays and objects")
        return read_delegation(self._payload, trusted=self._trusted)

    async def _ask(self, request: Request, served: Served, meter: Meter, asker: Asker) -> None:
        """The engine's answer in frames: events are sent, an answer in one piece goes with its receipt.

        Raises UpstreamError.
        """
        engine = served.door.engine
        continuing = engine.state.continuing if request.continues else _NOTHING
        opened = served.over(engine, is_own=False).open(
            request.endpoint, encode_request(request, served.model, continuing), {},
            stream=request.stream, patience=self._patience,
        )  # fmt: skip
        coming = None if request.stream else at_once(opened)
        if coming is not None and (answer := await coming) is not None:
            self._reply(200, answer, meter)
            return
        async with opened as reply:
            if reply.status != 200:
                await self._judge(reply)
            if reply.is_stream and reply.status == 200:
                await self._send_on(reply, meter, asker)
            else:
                self._reply(reply.status, await reply.read(), meter)
            self._from_documents = from_documents(reply)

    def _reply(self, status: int, answer: bytes, meter: Meter) -> None:
        """An answer in one piece."""
        meter.whole(answer)
        self.last = encode_reply(status, answer)
        self.note_sent(self.last)

    async def _judge(self, reply: Reply) -> None:
        """An answer that is none. Raises UpstreamError where it is not the asking peer's to see."""
        if reply.status in NO_PATH and self.endpoint in AGENT_ENDPOINTS and not says_model(await reply.read()):
            raise UpstreamError(f"its engine has no /v1/{self.endpoint}", status=404, code=NO_ENDPOINT)
        if reply.status in RETRYABLE:
            raise engine_refused(reply)

    async def _send_on(self, reply: Reply, meter: Meter, asker: Asker) -> None:
        def note(events: bytes, count: int) -> None:
            self._sent.update(events)
            meter.seen.plain(events, count)

        def outlet(pour: Pour) -> Put | None:
            self.begin(asker)
            if self.first_at is None:
                self.first_at = self._clock()
            return asker.outlet(pour)

        pour = Pour(asyncio.get_running_loop().time, outlet, note, is_named=self.endpoint in AGENT_ENDPOINTS)
        try:
            async for events in reads(reply, pour):
                frames = list[bytes]()
                for event in events:
                    if not event.is_comment:  # the hop has signs of life of its own
                        meter.event(event.data)
                        frames.append(event.raw)
                if came := b"".join(frames):
                    self.note_sent(came)
                if events[-1].is_done:
                    self.last = came
                elif came:
                    self.begin(asker)
                    await asker.send(came, more=True)
        finally:
            pour.close()

    def _receipt(self, agent: str, began: float, started: float) -> Receipt:
        prompt_tokens, tokens = self.usage
        return Receipt(
            request_sha256=self._sha256,
            reply_sha256=self._sent.hexdigest(),
            model=agent,
            prompt_tokens=prompt_tokens,
            tokens=tokens,
            queued_ms=int((started - began) * 1000),
            served_ms=int((self._clock() - started) * 1000),
        )


_NOTHING = MappingProxyType[str, object]({})
