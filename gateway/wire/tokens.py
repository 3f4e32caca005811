"""Tokens as the engine counted them (P): asked for where the client did not, read, and not passed on unasked.

A stream tells its usage only where `stream_options.include_usage` is set, in a chunk without choices that crashes
clients which did not ask for it (cline PR 8518). Knows the three shapes: chat and completions, responses, messages.
"""

from dataclasses import replace
from typing import Annotated

import msgspec

from gateway.wire.codec import UNREADABLE, raw
from gateway.wire.request import Request

_Tokens = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
METERED = frozenset({"chat/completions", "completions"})  # the endpoints that know `stream_options`


def usage_of(body: bytes) -> tuple[int, int] | None:
    """(prompt, completion) tokens that a reply, or the data of an event, reports; None where it does not."""
    try:
        reply = msgspec.json.decode(body, type=_UsageReply)
    except UNREADABLE:
        return None
    inner = reply.response or reply.message
    usage = reply.usage or (inner.usage if inner else None)
    if usage is None:
        return None
    return usage.prompt_tokens or usage.input_tokens, usage.completion_tokens or usage.output_tokens


def larger(known: tuple[int, int] | None, reported: tuple[int, int]) -> tuple[int, int]:
    """The counts of one answer after one more report: they only grow, and a messages stream tells them one by one."""
    return reported if known is None else (max(known[0], reported[0]), max(known[1], reported[1]))


def asking_for_usage(request: Request) -> Request:
    """The request, asking for usage too where it is a stream that does not; every other field keeps its exact bytes.

    `include_usage` still says what the client asked: it is told nothing that it did not ask for.
    """
    if not request.stream or request.include_usage or request.endpoint not in METERED:
        return request
    asked = _ASKING
    if "stream_options" in request.fields:
        options = _OPTIONS.decode(memoryview(request.fields["stream_options"])) or {}
        asked = raw(options | {"include_usage": True})
    return replace(request, fields={**request.fields, "stream_options": asked}, body=None)


def is_usage_alone(event_data: bytes) -> bool:
    """Whether an event is the chunk that `include_usage` adds: usage, and no choices."""
    try:
        chunk = msgspec.json.decode(event_data, type=_Chunk)
    except UNREADABLE:
        return False
    return chunk.usage is not None and chunk.choices == []


_ASKING = raw({"include_usage": True})
_OPTIONS = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)


class _Usage(msgspec.Struct):
    prompt_tokens: _Tokens = 0
    completion_tokens: _Tokens = 0
    input_tokens: _Tokens = 0
    output_tokens: _Tokens = 0


class _Inner(msgspec.Struct):
    usage: _Usage | None = None


class _UsageReply(msgspec.Struct):
    usage: _Usage | None = None
    response: _Inner | None = None
    message: _Inner | None = None


class _Chunk(msgspec.Struct):
    choices: list[msgspec.Raw] | None = None
    usage: dict[str, object] | None = None
