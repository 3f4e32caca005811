"""Requests of the endpoints beside chat between peers: POST /peer/1/other, asked and answered.

The body is the request itself, which may be 32 MiB of audio: it lies in a file on both sides, and is never held in
memory. Who answers, and how to read the body, stands in the signed path. An answer rides in the frames of any
delegation (frames.py), its bytes in base64:

    event: head                  {"status", "type"}, before all others
    event: part                  up to 48 KiB of the answer

Knows nothing of who was chosen, and of whether the peer may ask.
"""

import asyncio
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NoBase64
from collections.abc import AsyncIterator, Callable, Mapping
from mmap import mmap
from typing import Annotated, cast

import msgspec

from discovery.envelopes import Sign
from discovery.records import PeerId
from gateway.capacity.doors import Doors
from gateway.peering.allowance import ANSWER_LIMIT_BYTES, EVENTS_BESIDE, Allowance
from gateway.peering.frames import NO_ENDPOINT, TYPE_CHARS, Head, Receipt, name_of
from gateway.peering.given import Given
from gateway.peering.hop.reply import PeerReply
from gateway.peering.hop.work import Asker, Work, engine_refused
from gateway.peering.remote import Asking, OpenStream, PeerUpstream
from gateway.privacy.fields import Unacceptable
from gateway.privacy.others import OtherRequest, read_other
from gateway.trust.tab import Sums, timed
from gateway.upstream import RETRYABLE, Passed, Patience, Reply, UpstreamError
from gateway.wire.bodies import OTHERS
from gateway.wire.codec import UNREADABLE, Pieces
from gateway.wire.errors import InvalidRequest
from gateway.wire.events import encode_event

OTHER_PATH = "/peer/1/other"
FEATURE = "other"  # in the card of a peer that answers such requests
PART_BYTES = 48 << 10


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """What stands in the path."""

    endpoint: str
    agent: Annotated[str, msgspec.Meta(max_length=256)]
    type: Annotated[str, msgspec.Meta(max_length=TYPE_CHARS)]


class PassingReply(PeerReply):
    """A peer's answer that has begun (see gateway.upstream.Passed)."""

    HASHED = frozenset({"head", "part"})

    def credit(self, receipt: Receipt) -> Sums:
        """What the answer came to, by its time: no longer than we waited for it."""
        waited_ms = int((self._clock() - self._until + self._allowed.within_s) * 1000)
        return timed(min(receipt.served_ms, waited_ms))

    def is_here(self) -> bool:
        return False

    async def begin(self, stream: bool) -> None:
        event = await self._next(self._patience.whole_s)
        name = name_of(event)
        if name == "refused":
            raise self._refusal(event, "peer_refused")
        if name != "head":
            raise self._cut_short("it began with something else than a head")
        head = self._decode(event, Head)
        self.status, self.content_type = head.status, head.type

    async def pieces(self) -> AsyncIterator[bytes]:
        """The answer's bytes; whoever has read them all has a receipt. Raises UpstreamError."""
        while True:
            answer = self._seen.hexdigest()
            event = await self._next(self._patience.idle_s)
            if name_of(event) != "part":
                self._settle(event, answer)
                return
            try:
                yield b64decode(event.data, validate=True)
            except NoBase64 as error:
                raise self._cut_short("it sent a part that is no base64") from error


class PassingToPeers:
    """The way to other peers for such requests."""

    def __init__(
        self,
        open_stream: OpenStream,
        failed: Callable[[PeerId, str], None],
        got: Callable[[PeerId, Sums], None] = lambda peer, sums: None,
    ) -> None:
        """`failed(peer, reason)` is called when the peer itself did not answer, `got` with what an answer came to."""
        self._open_stream, self._failed, self._got = open_stream, failed, got

    def asked(
        self,
        peer: PeerId,
        name: str,
        endpoint: str,
        agent: str,
        content_type: str,
        body: Pieces,
        patience: Patience,
        headers: Mapping[str, str] | None = None,
    ) -> Asking[PassingReply]:
        """A context with the agent's answer; `headers` go with the request. Entering it raises UpstreamError."""
        events = ANSWER_LIMIT_BYTES // PART_BYTES * 4 + EVENTS_BESIDE
        within_s = patience.whole_s + patience.first_event_s
        allowed = Allowance(events, ANSWER_LIMIT_BYTES * 3 // 2, within_s, may_call=True)
        upstream = PeerUpstream(peer, name, self._open_stream, self._failed, allowed, got=self._got)
        asked = msgspec.json.encode(_Asked(endpoint, agent, content_type))
        path = f"{OTHER_PATH}?{urlsafe_b64encode(asked).decode()}"
        return Asking(upstream, path, body, patience, PassingReply, stream=False, headers=headers)


class PassedOn(Work):
    """One such request of another peer, run on our own engine: the frames of its answer, and what came of it."""

    def __init__(
        self,
        doors: Doors,
        given: Given,
        query: bytes,
        body: bytes | mmap,
        body_sha256: str,
        patience: Patience,
        sign: Sign,
        clock: Callable[[], float],
    ) -> None:
        """`given`: what the peer that asks may have of our agents."""
        super().__init__(doors, given, body_sha256, patience, sign, clock)
        self._query, self._body = query, body

    async def run(self, asker: Asker) -> None:
        began = self._clock()
        try:
            asked, request = await asyncio.to_thread(self._read)
            served, model = self._given.agent_of(self._doors, asked.agent)
            self.endpoint, self.agent = asked.endpoint, asked.agent
            kind, body = await asyncio.to_thread(request.travelling, served.model)
            if served.personal is not None or asked.endpoint not in model.endpoints:
                raise UpstreamError(f"it has no {OTHERS[asked.endpoint]}", status=404, code=NO_ENDPOINT)
            with await self._given.turn(served, asked.agent) as turn:
                started = self._clock()
                try:
                    opened = served.door.engine.open(
                        asked.endpoint, body, {"content-type": kind}, stream=False, patience=self._patience
                    )
                    async with opened as reply:
                        await self._send_on(reply, asker)
                finally:
                    times = int((started - began) * 1000), int((self._clock() - started) * 1000)
                    if self.first_at is not None:  # also where it was hung up on: the engine's time was had
                        self.sums = timed(times[1])
                        turn.work = self.sums.work
            self.answered(Receipt(self._sha256, self._sent.hexdigest(), asked.agent, 0, 0, *times))
        except (Unacceptable, InvalidRequest) as error:
            self.refused(f"it may not travel: {error}")
        except UpstreamError as error:
            self.failed(error)

    async def _send_on(self, reply: Reply, asker: Asker) -> None:
        if reply.status in RETRYABLE:
            raise engine_refused(reply)
        self.begin(asker)
        head = Head(reply.status, reply.content_type[:TYPE_CHARS])
        await asker.send(self._frame("head", msgspec.json.encode(head)), more=True)
        async for piece in cast(Passed, reply).pieces():
            for at in range(0, len(piece), PART_BYTES):
                await asker.send(self._frame("part", b64encode(piece[at : at + PART_BYTES])), more=True)

    def _read(self) -> tuple[_Asked, OtherRequest]:
        try:
            asked = msgspec.json.decode(urlsafe_b64decode(self._query), type=_Asked)
        except (NoBase64, *UNREADABLE) as error:
            raise Unacceptable("the path says nothing") from error
        if asked.endpoint not in OTHERS:
            raise Unacceptable("there is no such endpoint")
        return asked, read_other(asked.endpoint, asked.type, self._body)

    def _frame(self, name: str, data: bytes) -> bytes:
        frame = encode_event(data, name)
        self.note_sent(frame)
        return frame
