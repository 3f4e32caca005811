"""Tokens of an answer (P): asked for where the client did not, read, held against what was seen, not passed on unasked.

A stream tells its usage only where `stream_options.include_usage` is set, in a chunk without choices that crashes
clients which did not ask for it (cline PR 8518). Knows the three shapes: chat and completions, responses, messages.
"""

from typing import Annotated

import msgspec

from gateway.wire.bodies import AGENT_ENDPOINTS, COUNTING, METERED
from gateway.wire.claims import whole
from gateway.wire.codec import UNREADABLE, Value, raw, view_of
from gateway.wire.events import tells_no_usage
from gateway.wire.request import Request

_Tokens = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
PROMPT_TOKENS_BESIDE = 4096  # that an engine's template may add to what the request holds

_DONE_BYTES, _FIELD_BYTES, _FRAME_BYTES = len(b"[DONE]"), len(b"data: "), len(b"data: \n\n")


def usage_of(body: bytes) -> tuple[int, int] | None:
    """(prompt, completion) tokens that a reply, or the data of an event, reports; None where it does not."""
    try:
        reply = _REPLY.decode(body)
    except UNREADABLE:
        return None
    usage = reply.usage
    if usage is None:
        inner = reply.response or reply.message
        if inner is None or (usage := inner.usage) is None:
            return None
    return usage.prompt_tokens or usage.all_input_tokens, usage.completion_tokens or usage.output_tokens


class Seen(msgspec.Struct, array_like=True, gc=False):
    """How many tokens what was seen of an answer may be: a token takes at least a byte.

    Of an answer in one piece as many as bytes; of a stream one an event, and one for each byte that its events have
    beyond the shortest of them, since an engine may put several into one.
    """

    events: int = 0
    # Of those that say more than [DONE]:
    spoken: int = 0
    size: int = 0  # bytes; of an answer in one piece they are all that is counted
    shortest: int = 1 << 62

    def event(self, size: int) -> None:
        """An event with so many bytes of data."""
        self.events += 1
        if size > _DONE_BYTES:
            self.spoken += 1
            self.size += size
            if size < self.shortest:
                self.shortest = size

    def plain(self, events: bytes, count: int) -> None:
        """So many plain events (events.py)."""
        if (
            events.startswith(b"data: ") and b"\nevent: " not in events
        ):  # as chat and completions send them: all at once, where none is very short
            size = len(events) - count * _FRAME_BYTES
            shortest = size if count == 1 else min(map(len, events[:-2].split(b"\n\n"))) - _FIELD_BYTES
            if shortest > _DONE_BYTES:
                self.events += count
                self.spoken += count
                self.size += size
                if shortest < self.shortest:
                    self.shortest = shortest
                return
        for event in events[:-2].split(b"\n\n"):
            self.event(len(event) - event.index(b"data: ") - _FIELD_BYTES)

    @property
    def most(self) -> int:
        """As many tokens, and no more."""
        return self.events + self.size - self.spoken * self.shortest if self.spoken else self.size


class Counted(msgspec.Struct, kw_only=True, eq=False):
    """What is counted of one answer while it passes: what it says of its tokens, and what was seen of it."""

    said: tuple[int, int] | None = None  # (prompt, completion) tokens, as it tells
    seen: Seen = msgspec.field(default_factory=Seen)  # count plain events (events.py) there

    def event(self, data: bytes) -> bool:
        """Count an event; whether it is the chunk that `include_usage` adds."""
        self.seen.event(len(data))
        if tells_no_usage(data) or not (said := usage_of(data)):
            return False
        self.said = larger(self.said, said)
        return is_usage_alone(data)

    def whole(self, body: bytes) -> None:
        """Count an answer in one piece."""
        self.seen.size = len(body)
        self.said = usage_of(body)


class Meter(Counted):
    """The tokens of one answer: what it says, as far as the request and what was seen of it bear that out.

    None has more than what was seen of it may be (Seen), nor more than the request allows, and its prompt no more than
    the request's bytes and a template. Example: ten events of one word each are never a thousand tokens, whatever
    `usage` says of them.
    """

    request: Request

    @property
    def tokens(self) -> tuple[int, int]:
        """(prompt, completion). Without a word of usage: our estimate, and one an event less the first and last two."""
        if self.request.endpoint in COUNTING:
            return 0, 0
        if self.said is None:
            return self.request.prompt_tokens, max(0, self.seen.events - 3)
        prompt, completion = self.said
        if prompt > PROMPT_TOKENS_BESIDE:  # as many at least it may have
            prompt = whole(prompt, 0, _most_prompt_tokens(self.request))
        return prompt, min(completion, self.seen.most, most_tokens(self.request))


def most_tokens(request: Request, unbounded: int = 2**31) -> int:
    """How many tokens an answer may have, `unbounded` where the request sets no bound; all of its choices together."""
    if request.endpoint == "embeddings" or request.endpoint in COUNTING:
        return 0
    return unbounded if request.max_tokens is None else request.max_tokens * request.choices


def _most_prompt_tokens(request: Request) -> int:
    """A token takes at least a byte; what a request only points at (images, stored answers) is not seen."""
    if request.endpoint in AGENT_ENDPOINTS and not _ELSEWHERE.isdisjoint(request.fields):
        return 2**31
    return request.content.size_bytes + 4 * request.prompt_tokens + PROMPT_TOKENS_BESIDE


def larger(known: tuple[int, int] | None, reported: tuple[int, int]) -> tuple[int, int]:
    """The counts of one answer after one more report: they only grow, and a messages stream tells them one by one."""
    return reported if known is None else (max(known[0], reported[0]), max(known[1], reported[1]))


def asking_for_usage(request: Request) -> Request:
    """The request, asking for usage too where it is a stream that does not; every other field keeps its exact bytes.

    `include_usage` still says what the client asked: it is told nothing that it did not ask for.
    """
    if not request.stream or request.include_usage or request.endpoint not in METERED:
        return request
    return msgspec.structs.replace(request, content=request.content.with_field("stream_options", _asking))


def _asking(options: Value | None) -> msgspec.Raw:
    """What `stream_options` have to be that were these."""
    return _ASKING if options is None else raw((_OPTIONS.decode(view_of(options)) or {}) | {"include_usage": True})


def is_usage_alone(event_data: bytes) -> bool:
    """Whether an event is the chunk that `include_usage` adds: usage, and no choices."""
    try:
        chunk = msgspec.json.decode(event_data, type=_Chunk)
    except UNREADABLE:
        return False
    return chunk.usage is not None and chunk.choices == []


_ELSEWHERE = frozenset({"previous_response_id", "conversation", "prompt", "container", "mcp_servers"})  # agents' words
_ASKING = raw({"include_usage": True})
_OPTIONS = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)


class _Usage(msgspec.Struct):
    prompt_tokens: _Tokens = 0
    completion_tokens: _Tokens = 0
    input_tokens: _Tokens = 0
    output_tokens: _Tokens = 0
    cache_read_input_tokens: _Tokens | None = None  # those that are remembered: Messages counts them apart
    cache_creation_input_tokens: _Tokens | None = None

    @property
    def all_input_tokens(self) -> int:
        return self.input_tokens + (self.cache_read_input_tokens or 0) + (self.cache_creation_input_tokens or 0)


class _Inner(msgspec.Struct):
    usage: _Usage | None = None


class _UsageReply(msgspec.Struct):
    usage: _Usage | None = None
    response: _Inner | None = None
    message: _Inner | None = None


_REPLY = msgspec.json.Decoder(_UsageReply)


class _Chunk(msgspec.Struct):
    choices: list[msgspec.Raw] | None = None
    usage: dict[str, object] | None = None
