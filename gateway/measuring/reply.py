"""Reads an engine's answer to one question, word by word.

As a stream, although nobody sees the words: an engine notices at the next token that its caller hung up. llama.cpp
notices it in an answer in one piece only when it next looks, up to a second later, and its slot is taken until then
(docs/decisions.md#profiling).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.upstream import Patience, Upstream
from gateway.wire.codec import UNREADABLE
from profiler.engine import BODY_LIMIT, EngineError, ran_out


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    text: str
    reason: str  # why it ended: `stop`, `length`, ...; "" where the engine does not say

    @property
    def ran_out(self) -> bool:
        """Whether its tokens ended before it said a word."""
        return ran_out({"choices": [{"message": {"content": self.text}, "finish_reason": self.reason}]})


class _Words(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Words | None = None
    message: _Words | None = None
    finish_reason: str | None = None

    @property
    def words(self) -> str:
        """What a chunk of a stream adds to the text."""
        return (self.delta and self.delta.content) or ""


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []


_CHUNK = msgspec.json.Decoder(_Chunk)


async def read_reply(engine: Upstream, body: Mapping[str, Any], within_s: float) -> Reply:
    """What the engine answers to a chat within so many seconds.

    Raises UpstreamError where it cannot be reached, breaks off or stalls, and EngineError where it refuses, fails, or
    says something else than a chat completion.
    """
    patience = Patience(within_s, within_s, within_s)
    asked = msgspec.json.encode({**body, "stream": True})
    text, reason, size = "", "", 0
    async with engine.open("chat/completions", (asked,), {}, stream=True, patience=patience) as begun:
        if begun.status != 200:
            raise EngineError(f"it answered {begun.status}")
        if not begun.is_stream:  # it knows no streams
            return _whole(await begun.read())
        async for event in begun.events():
            size += len(event.data)
            if event.is_error or size > BODY_LIMIT:
                raise EngineError("it failed in the middle of its answer, or does not end")
            for choice in choices(event.data) if event.is_object else ():
                text += choice.words
                reason = choice.finish_reason or reason
    return Reply(text, reason)


def _whole(said: bytes) -> Reply:
    found = choices(said)
    if not found or found[0].message is None:
        raise EngineError("it answered something that is no chat completion")
    return Reply(found[0].message.content or "", found[0].finish_reason or "")


def choices(said: bytes) -> list[_Choice]:
    """Of one chunk, or one answer. Raises EngineError."""
    try:
        return _CHUNK.decode(said).choices
    except UNREADABLE as error:
        raise EngineError("it answered something that is no chat completion") from error
