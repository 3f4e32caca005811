"""Another peer's answer, read out of the frames (gateway/peering/frames.py) within what was asked for.

Only with its receipt it is complete. Knows nothing of how it was asked.
"""

import hashlib
import hmac
from collections import deque
from collections.abc import AsyncIterator, Sequence
from functools import partial
from math import inf
from typing import Protocol, TypeVar

import msgspec

from discovery.answer import Answer, ConnectionBroken
from discovery.envelopes import UNREADABLE
from discovery.identity import verify
from discovery.pinned import why_unreachable
from discovery.records import PeerId
from discovery.request_auth import HashedBody
from gateway.peering.allowance import Allowance
from gateway.peering.frames import (
    ENGINE_REFUSED,
    NO_AGENT,
    NO_ENDPOINT,
    QUEUED,
    UNACCEPTABLE,
    Head,
    Receipt,
    Refusal,
    WholeReply,
    name_of,
    receipt_bytes,
    whole_answer,
)
from gateway.trust.tab import Sums
from gateway.upstream import Patience, UpstreamError
from gateway.wire.claims import wait_s
from gateway.wire.errors import ENDPOINT_MISSING
from gateway.wire.events import Event, EventSplitter, OversizedEvent, calls_tool
from gateway.wire.streams.pour import Pour
from gateway.wire.tokens import PROMPT_TOKENS_BESIDE, Seen

FIELDS_REFUSED = "peer_unacceptable"  # the code of an error: it takes requests, but none with what this one holds
ALMOST_S = 0.01  # by which the event loop's timers may be early
Said = TypeVar("Said", Refusal, WholeReply, Receipt, Head)


class Asked(Protocol):
    """The peer that answers: who it is, how much it may send, and who is told of it."""

    peer: PeerId
    name: str
    allowed: Allowance
    silence_s: float  # after so long without a sign of life it is gone

    def gone(self, reason: str) -> UpstreamError:
        """The peer itself is silent, not its engine."""
        ...

    def waits(self, signs: bytes) -> None:
        """It said that it is there, and nothing else."""
        ...

    def settled(self, sums: Sums) -> None:
        """A whole answer came, with a receipt that holds, and came to this."""
        ...


class PeerReply:
    """A peer's answer that has begun (see gateway.upstream.Reply): its first event is here."""

    HASHED = frozenset({"", "reply"})  # names of the events that are the answer

    # What is so until something happens.
    status = 200
    content_type = "text/event-stream"
    retry_after: str | None = None
    receipt: Receipt | None = None
    _events = _read_bytes = 0
    _since = 0.0  # when the last event was here, or the wait for the next began
    _whole: bytes | None = None
    _first: Event | None = None
    _last: Event | None = None  # the receipt, where it came with the answer
    _splitter: EventSplitter | None = None  # while it is read event by event
    _pour: Pour | None = None

    def __init__(self, of: Asked, answer: Answer, asked: HashedBody, patience: Patience) -> None:
        """`asked`: what it answers."""
        self._of, self._answer, self._asked, self._patience, self._allowed = of, answer, asked, patience, of.allowed
        self._clock = clock = answer.connection.loop.time
        self._until = clock() + of.allowed.within_s
        self._seen, self._most, self._ready = hashlib.sha256(), Seen(), deque[Event]()

    @property
    def is_stream(self) -> bool:
        return self._whole is None

    @property
    def is_from_documents(self) -> bool | None:
        """What its receipt says of a personal agent's answer (gateway.upstream.from_documents)."""
        said = self.receipt.from_documents if self.receipt else None
        return said if isinstance(said, bool) else None

    def credit(self, receipt: Receipt) -> Sums:
        """What the answer came to: as its receipt says, as far as what was asked and seen bears that out."""
        prompt = min(receipt.prompt_tokens, self._asked.size_bytes + PROMPT_TOKENS_BESIDE)
        return Sums(1, prompt, min(receipt.tokens, self._most.most, self._allowed.tokens))

    def release(self) -> None:
        """Hang up, unless the answer was read to its end: then the connection serves the next request."""
        self._answer.release(at_its_end=self.receipt is not None)

    def is_here(self) -> bool:
        """Whether it is an answer in one piece that came with its receipt, as they do that take less than a moment.

        It has begun then. Raises UpstreamError where it is none that may be.
        """
        pieces = self._answer.pieces
        if not self._answer.is_complete or len(pieces) != 1 or len(pieces[0]) > self._allowed.limit_bytes:
            return False
        if (frames := whole_answer(pieces[0])) is None:
            return False
        pieces.clear()
        reply, self._last = frames
        self._hash(reply)
        self._is_whole(reply)
        return True

    async def begin(self, stream: bool) -> None:
        """Wait for the first event, through `: queued`. Raises UpstreamError, also where the peer refused in-band."""
        self._first = event = await self._next(self._patience.begins_within_s(stream))
        name = name_of(event)
        if name == "refused":
            raise self._refusal(event, "peer_refused")
        if name == "reply":
            self._is_whole(event)
        elif name or not stream:
            raise self._cut_short(f"it began with {f'the event `{name[:40]}`' if name else 'a stream'}")

    def _is_whole(self, reply: Event) -> None:
        """It is an answer in one piece. Raises UpstreamError where it is none that may be."""
        whole = self._decode(reply, WholeReply)
        if whole.status != 200 and not 400 <= whole.status <= 599:
            raise self._cut_short(f"status {whole.status}")
        self.status, self.content_type, self._whole = whole.status, "application/json", bytes(whole.body)
        self._most = Seen(size=len(self._whole))
        if whole.status == 200 and not self._whole.startswith(b"{"):
            raise self._cut_short("it is no JSON object")

    async def read(self) -> bytes:
        assert self._whole is not None, "a streamed reply is read by events()"
        self._end(self._last or await self._next(self._patience.idle_s))
        return self._whole

    async def events(self) -> AsyncIterator[Event]:
        async for events in self.reads():
            for event in events:
                yield event

    async def reads(self, pour: Pour | None = None) -> AsyncIterator[Sequence[Event]]:
        """See gateway.upstream.reads: the end of an answer comes out only once its receipt is here."""
        assert self._first, "begin() comes first"
        if pour is not None:
            pour.tell(partial(_note, self._seen, self._most))
            self._pour = pour
        event, came = self._first, list[Event]()
        while not (event.is_done or event.ends_stream):
            came.append(event)
            if not self._ready:
                yield came
                came = []
            try:
                event = await self._next(self._patience.idle_s)
                if name_of(event):
                    raise self._refusal(event, "peer_broke")
            except UpstreamError:
                if came:
                    yield came
                raise
        if came:
            yield came
        self._pour = None  # nothing that passes comes behind the end
        last = [event]
        following = await self._next(self._patience.idle_s)
        if event.ends_stream and following.is_done:  # some engines say it besides
            last.append(following)
            following = await self._next(self._patience.idle_s)
        self._end(following)
        yield last

    # It is the sink of its connection: it lets through to its pour what would be let through event by event.

    @property
    def at(self) -> float:
        return -inf if self._pour is None else self._pour.at

    def take(self, piece: bytes) -> bool:
        allowed, pour = self._allowed, self._pour
        events, read_bytes = self._events + piece.count(b"\n\n"), self._read_bytes + len(piece)
        if events > allowed.events or read_bytes > allowed.limit_bytes or pour is None or pour.at > self._until:
            return False
        if (piece.startswith(b"event:") and not allowed.may_name) or (not allowed.may_call and calls_tool(piece)):
            return False
        if not pour.take(piece):
            return False
        self._events, self._read_bytes = events, read_bytes
        return True

    def _refusal(self, event: Event, code: str) -> UpstreamError:
        refusal = self._decode(event, Refusal)
        message = f"{self._of.name}: {refusal.message[:300]}"
        if (code, refusal.code) == ("peer_refused", NO_AGENT):  # its card with what it serves now is on its way
            return UpstreamError(
                message, status=503, code="peer_no_agent", retry_after_s=1, by_engine=True, is_unsuited=True
            )
        status = refusal.status if refusal.status in (429, 503) else 502
        if (code, refusal.code) == ("peer_refused", UNACCEPTABLE):
            hint = "its version of PPAI may be older; leave that out, or start an engine here"
            return UpstreamError(f"{message} ({hint})", status=422, code=FIELDS_REFUSED, is_unsuited=True)
        if (code, refusal.code) == ("peer_refused", NO_ENDPOINT):
            return UpstreamError(message, status=404, code=ENDPOINT_MISSING, by_engine=True, is_unsuited=True)
        by_engine = code == "peer_refused" and refusal.code == ENGINE_REFUSED
        wait = wait_s(refusal.retry_after_s)
        return UpstreamError(message, status=status, code=code, retry_after_s=wait, by_engine=by_engine)

    def _end(self, event: Event) -> None:
        """The receipt: only with it the answer is complete."""
        self._settle(event, self._seen.hexdigest())

    def _settle(self, event: Event, answer: str) -> None:
        """What comes after an answer of this hash must be its receipt. Raises UpstreamError."""
        if name_of(event) != "receipt":
            raise self._refusal(event, "peer_broke")
        receipt = self._decode(event, Receipt)
        if (receipt.request_sha256, receipt.reply_sha256) != (self._asked.sha256, answer) or not self._signed(receipt):
            raise self._cut_short("its receipt is not for this answer")
        self.receipt = receipt
        self._of.settled(self.credit(receipt))

    def _signed(self, receipt: Receipt) -> bool:
        try:
            signature = bytes.fromhex(receipt.signature)
        except ValueError:
            return False
        if self._answer.seal is not None:  # what was asked in a session is answered in it
            return hmac.compare_digest(signature, self._answer.seal(receipt_bytes(receipt)))
        return verify(self._of.peer, signature, receipt_bytes(receipt))

    async def _next(self, within_s: float) -> Event:
        """The next event. Raises UpstreamError where it does not come in time, however alive the peer is.

        Also where the answer is more than it may be.
        """
        if not self._ready:
            await self._hear(within_s)
        return self._taken()

    def _taken(self) -> Event:
        """The next event, which has come. Raises UpstreamError where it must not."""
        self._events += 1
        if self._events > self._allowed.events:
            raise self._cut_short("it has more events than what was asked for can have")
        event = self._ready.popleft()
        name = name_of(event)
        if not name:
            if not event.is_done and not event.is_object:
                raise self._cut_short("it sent an event that is no JSON object")
            if event.name and not self._allowed.may_name:
                raise self._cut_short(
                    f"it sent the event `{event.name[:40].decode('latin-1')}`, which this API has not"
                )
            self._most.event(len(event.data))
        if name in self.HASHED:
            self._hash(event)
        return event

    def _hash(self, event: Event) -> None:
        """It is of the answer. Raises UpstreamError where it must not be."""
        self._seen.update(event.raw)
        if not self._allowed.may_call and calls_tool(event.data):
            raise self._cut_short("it calls a tool, and was offered none")

    async def _hear(self, within_s: float) -> None:
        """Read until there is an event. Raises UpstreamError after 4 s of silence, or when the connection ends.

        Also where there is none `within_s` of the last one.
        """
        self._since = self._clock()
        splitter = self._splitter = self._splitter or EventSplitter()
        while not self._ready:
            left_s = self._left_s(within_s)
            try:
                chunk = await self._piece(splitter, min(left_s, self._of.silence_s)) if left_s > 0 else None
                if chunk:
                    self._ready += splitter.feed(chunk)
            except TimeoutError as error:
                if self._left_s(within_s) > ALMOST_S:
                    raise self._of.gone(f"{self._of.silence_s:g} s of silence") from error
                chunk = None
            except OversizedEvent as error:
                raise self._cut_short(str(error)) from error
            except (ConnectionBroken, OSError) as error:
                raise self._of.gone(why_unreachable(error)) from error
            if chunk is None:
                raise UpstreamError(f"peer {self._of.name} kept us waiting too long", code="peer_timeout")
            if not chunk:
                raise self._of.gone("it closed the connection")
            if chunk.startswith(QUEUED[:-2]):
                self._of.waits(chunk)
            self._read_bytes += len(chunk)
            if self._read_bytes > self._allowed.limit_bytes:
                raise self._cut_short("its answer is larger than what was asked for can be")

    async def _piece(self, splitter: EventSplitter, within_s: float) -> bytes:
        pour = self._pour
        if pour is None or not splitter.is_between:
            return await self._answer.piece(within_s)
        try:
            return await self._answer.piece(within_s, self)
        finally:
            pour.tell_on()

    def _left_s(self, within_s: float) -> float:
        """How long the next event may take yet."""
        return min(max(self._since, self.at) + within_s, self._until) - self._clock()

    def _decode(self, event: Event, kind: type[Said]) -> Said:
        try:
            return msgspec.json.decode(event.data, type=kind)
        except UNREADABLE as error:
            raise self._cut_short(f"it sent garbage ({error})") from error

    def _cut_short(self, reason: str) -> UpstreamError:
        return UpstreamError(f"the answer of peer {self._of.name} broke off: {reason}", code="peer_broke")


def _note(seen: "hashlib._Hash", most: Seen, events: bytes, count: int) -> None:
    """Plain events that passed as they came: of a method the reply would not be freed at once."""
    seen.update(events)
    most.plain(events, count)
