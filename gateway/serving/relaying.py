"""How one answer passes on to its client: whole or event by event, with the model called as it was asked.

Knows a reply and a client to write to; knows nothing of who else might answer.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Protocol

import msgspec

from gateway.models.same import NAME_CHARS
from gateway.serving.continuing.said import Said
from gateway.upstream import REPLY_LIMIT_BYTES, Patience, Reply, UpstreamError, from_documents, reads
from gateway.wire.bodies import AGENT_ENDPOINTS, METERED
from gateway.wire.codec import UNREADABLE
from gateway.wire.errors import is_no_answer, message_in
from gateway.wire.events import Event
from gateway.wire.forms.gathered import Gathered, gathered
from gateway.wire.forms.streamed import as_events
from gateway.wire.streams.pour import Pour, Put
from gateway.wire.tokens import Counted, Seen

STREAM = "text/event-stream; charset=utf-8"


class Client(Protocol):
    """Whoever is answered: whole, or `start` once and then `send`. All wait while the client reads slowly."""

    request_id: str

    @property
    def sent(self) -> int:
        """Pieces of the body so far, events of a stream."""
        ...

    @property
    def has_started(self) -> bool: ...

    @property
    def is_complete(self) -> bool:
        """Whether the last piece has been sent."""
        ...

    async def start(self, status: int, content_type: str, headers: Mapping[str, str]) -> None: ...

    async def send(self, body: bytes, *, more: bool, count: int = 1) -> None:
        """Write a piece of the body, which is so many events; not `more`: it is the last."""
        ...

    def outlet(self, pour: Pour, content_type: str, headers: Mapping[str, str]) -> Put | None:
        """What writes whole events at once as they pass by `pour`, which counts them as sent; None: nothing does now.

        An answer that has not started does with it.
        """
        ...

    async def comment(self, said: bytes) -> None:
        """A sign of life in a stream, which is no piece of its body; `said` ends in a blank line."""
        ...

    async def answer(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str]) -> None: ...


class Terms(msgspec.Struct, frozen=True, array_like=True):
    """What is known of an answer before it comes."""

    endpoint: str
    stream: bool  # whether a stream was asked for
    include_usage: bool  # whether the client asked for the tokens of one
    model: str  # as whoever answers calls it
    shown_model: str  # as the client is told


class Loan(msgspec.Struct, frozen=True, array_like=True):
    """What another process has to know that passes an answer on in our place."""

    terms: Terms
    patience: Patience
    headers: Mapping[str, str]  # of the answer
    extra: Mapping[str, str]  # headers of all answers to this request
    request_id: str
    hears: bool  # whether what the client was sent is wanted, since others may go on with it
    keepalive_s: float | None  # without an event, until a stream gets a comment (alive.py)
    waiting: Mapping[str, str]  # headers of a stream that begins before anybody answers


def server_timing(decided_s: float) -> dict[str, str]:
    """The header that says how long it took to decide who answers."""
    return {"server-timing": f"route;dur={decided_s * 1000:.2f}"}


class Hands(Protocol):
    """Another process, that has a client's connection: it may ask an engine, and pass a good answer on by itself."""

    has_passed: bool  # an answer was passed on, to its end
    is_asking: bool
    is_open: bool  # the client has a stream by now, in which nobody has answered
    keepalive: tuple[float, Mapping[str, str]] | None  # see Loan

    def take(self, terms: Terms, patience: Patience, headers: Mapping[str, str], relay: "Relay") -> None:
        """What is asked next is answered on these terms; the relay is told what was seen of it."""
        ...


def hands_of(client: Client) -> Hands | None:
    """The process that has the client's connection, if it is another one: such a client has a method `hands`."""
    find: Callable[[], Hands | None] | None = getattr(client, "hands", None)
    return None if find is None else find()


class Hears(Protocol):
    """Who keeps what a stream's client was sent."""

    def add(self, events: bytes) -> None:
        """Whole events, the last one of a stream (`[DONE]`) not among them."""
        ...


def _unchanged(body: bytes) -> bytes:
    return body


class Relay(msgspec.Struct, eq=False):
    """Passes on the answer of one attempt; afterwards it is known what was seen of it.

    `said`: what others said before who gave up, where the answer goes on with that.
    """

    terms: Terms
    counted: Counted
    clock: Callable[[], float]
    heard: Hears | None = None
    said: Said | None = None
    first_event_at: float | None = None
    from_documents: bool | None = None
    _rename: Callable[[bytes], bytes] = _unchanged
    _renamed: list[bytes] = []  # of what was poured, as it was sent

    async def pass_on(self, reply: Reply, client: Client, headers: Mapping[str, str]) -> None:
        """Answer the client; `headers` are told it. Raises UpstreamError."""
        status, terms = reply.status, self.terms
        if terms.model != terms.shown_model:
            self._rename = renamer(terms.endpoint, terms.model, terms.shown_model)
        is_stream = status == 200 and reply.is_stream
        unasked = gathered(terms.endpoint) if is_stream and not terms.stream else None
        if is_stream and unasked is None:
            await self._relay_events(reply, client, headers)
        else:
            body = await reply.read() if unasked is None else await _whole_of(reply, unasked)
            if status == 200 and is_no_answer(body):
                raise UpstreamError(message_in(body), code="no_answer", by_engine=True)
            self.whole(body)
            if status == 200 and terms.stream and terms.endpoint in METERED:
                await self._stream_whole(self._rename(body), client, headers)
            else:
                await client.answer(status, "application/json", self._rename(body), headers)
        self.from_documents = from_documents(reply)

    def was_passed_on(self, first_event_at: float | None, said: tuple[int, int] | None, seen: Seen) -> None:
        """By another process, which saw this of it."""
        self.first_event_at, self.counted.said, self.counted.seen = first_event_at, said, seen

    def whole(self, body: bytes) -> None:
        """An answer in one piece has come."""
        self.first_event_at = self.clock()
        self.counted.whole(body)

    async def _stream_whole(self, body: bytes, client: Client, headers: Mapping[str, str]) -> None:
        """The engine ignored that a stream was asked for: the client gets one all the same."""
        events = as_events(body, include_usage=self.terms.include_usage)
        await client.start(200, STREAM, headers)
        await client.send(b"".join(events), more=False)

    async def _relay_events(self, reply: Reply, client: Client, headers: Mapping[str, str]) -> None:
        clock, is_named = asyncio.get_running_loop().time, self.terms.endpoint in AGENT_ENDPOINTS
        pour = Pour(clock, partial(self._outlet, client, headers), self._poured, is_named=is_named)
        try:
            await self._relay_each(reply, client, headers, pour)
        finally:
            pour.close()

    async def _relay_each(self, reply: Reply, client: Client, headers: Mapping[str, str], pour: Pour) -> None:
        is_done, goes_on = False, self.said is not None
        async for events in reads(reply, None if goes_on else pour):
            sent = list[bytes]()  # those that came together go on together
            for event in events:
                if event.is_comment or event.is_error:
                    await self._send(client, sent)
                    if event.is_error:
                        raise UpstreamError(
                            message_in(event.data), code="upstream_error", by_engine=True, said=event.data
                        )
                    await client.comment(event.raw)
                    continue
                if self.first_event_at is None:
                    self.first_event_at = self.clock()
                    if goes_on:
                        await client.comment(f": continued by {headers['x-ppai-peer']}\n\n".encode())
                    else:
                        await client.start(200, STREAM, headers)
                if goes_on and not event.is_done:
                    await self._continue(event, client)
                    continue
                is_usage = self.counted.event(event.data)
                if not is_usage or self.terms.include_usage:  # we may have asked for it, and the client not
                    is_done = event.is_done
                    sent.append(self._rename(event.raw))
            await self._send(client, sent, more=not is_done)
        if not is_done:
            await client.send(b"", more=False)

    async def _send(self, client: Client, events: list[bytes], *, more: bool = True) -> None:
        """Events in one write; not `more`: the last of them is the end."""
        if events:
            if self.heard is not None:
                self.heard.add(b"".join(events if more else events[:-1]))
            await client.send(b"".join(events), more=more, count=len(events))
            events.clear()

    def _outlet(self, client: Client, headers: Mapping[str, str], pour: Pour) -> Put | None:
        """What writes events to the client, with the name of the model as it was asked for."""
        put, rename, renamed = client.outlet(pour, STREAM, headers), self._rename, self._renamed
        if put is not None and self.first_event_at is None:
            self.first_event_at = self.clock()
        if put is None or rename is _unchanged:
            return put

        def put_renamed(events: bytes) -> bool:
            if events.count(b"\n\n") > 1 or not put(sent := rename(events)):
                return False
            renamed.append(sent)
            return True

        return put_renamed

    def _poured(self, came: bytes, count: int) -> None:
        """Count, and have heard, events that were poured."""
        self.counted.seen.plain(came, count)
        if self.heard is not None:
            self.heard.add(b"".join(self._renamed) or came)
        self._renamed.clear()

    async def _continue(self, event: Event, client: Client) -> None:
        """An event of whoever goes on with what another began."""
        assert self.said is not None, "an answer goes on that was heard"
        is_usage = self.counted.event(event.data)
        try:
            passed = self.said.passed_on(self._rename(event.data))
        except UNREADABLE as error:
            raise UpstreamError("whoever goes on sent no part of an answer", code="bad_stream") from error
        if passed and (not is_usage or self.terms.include_usage):
            await client.send(passed, more=True)


async def _whole_of(reply: Reply, whole: Gathered) -> bytes:
    """The answer that a stream tells which nobody asked for. Raises UpstreamError."""
    size = 0
    try:
        async for event in reply.events():
            size += len(event.data)
            if event.is_error:
                raise UpstreamError(message_in(event.data), code="upstream_error", by_engine=True, said=event.data)
            if size > REPLY_LIMIT_BYTES:
                raise UpstreamError(f"the engine's reply is over {REPLY_LIMIT_BYTES} bytes", code="reply_too_large")
            if not event.is_comment:
                whole.add(event.data)
        body = whole.whole()
    except UNREADABLE as error:
        raise UpstreamError(f"the engine's stream cannot be read: {error}", code="bad_stream") from error
    if body is None:
        raise UpstreamError("the engine's stream told no answer", code="no_answer", by_engine=True)
    return body


def renamer(endpoint: str, model: str, shown: str) -> Callable[[bytes], bytes]:
    """Puts the asked name back where the body's `model` had to be rewritten.

    Inside a JSON string quotes are escaped, so the pattern can only meet a real key. It is remembered by names that
    are no longer than a model's: what a program asks for where any name means `auto` may be as long as a request.
    """
    return (_renamer if len(shown) <= NAME_CHARS else _new_renamer)(endpoint, model, shown)


def _new_renamer(endpoint: str, model: str, shown: str) -> Callable[[bytes], bytes]:
    pattern = re.compile(rb'"model"(\s*):(\s*)' + re.escape(msgspec.json.encode(model)))
    replacement = rb'"model"\1:\2' + msgspec.json.encode(shown).replace(b"\\", b"\\\\")
    count = 0 if endpoint in AGENT_ENDPOINTS else 1  # of chat it stands once; a named event repeats the request
    return lambda body: pattern.sub(replacement, body, count=count)


_renamer = lru_cache(64)(_new_renamer)
