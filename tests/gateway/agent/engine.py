"""An engine that an agent asks, in memory: it says what it is told to, and remembers what it was asked."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.agent.parts import Found
from gateway.upstream import Patience, Reply
from gateway.wire.codec import Pieces
from gateway.wire.events import DONE, Event, EventSplitter

PATIENCE = Patience(5.0, 5.0, 5.0)


def chunk(delta: Mapping[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    whole = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "small", "choices": [choice], **more}
    return b"data: " + json.dumps(whole).encode() + b"\n\n"


WORDS = (chunk({"role": "assistant", "content": ""}), chunk({"content": "one"}), chunk({"content": " two"}))
STREAM = (*WORDS, chunk({}, "stop"), DONE)
WHOLE = {
    "id": "c1",
    "object": "chat.completion",
    "model": "small",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "one two"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
}


@dataclass
class Said:
    """See gateway.upstream.Reply."""

    pieces: Sequence[bytes]
    whole: bytes
    is_stream: bool
    status: int = 200
    content_type: str = "application/json"
    retry_after: str | None = None

    async def read(self) -> bytes:
        return self.whole

    async def events(self) -> AsyncIterator[Event]:
        splitter = EventSplitter(with_comments=True)
        for piece in self.pieces:
            for event in splitter.feed(piece):
                yield event


@dataclass
class ToldEngine:
    """See gateway.upstream.Upstream."""

    pieces: Sequence[bytes] = STREAM
    whole: Any = field(default_factory=lambda: WHOLE)  # a list: of each request the next
    status: int = 200
    asked: list[bytes] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)

    @asynccontextmanager
    async def open(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], *, stream: bool, patience: Patience
    ) -> AsyncIterator[Reply]:
        self.asked.append(b"".join(body))
        self.headers.append(headers)
        whole = self.whole[len(self.asked) - 1] if isinstance(self.whole, list) else self.whole
        yield Said(self.pieces, json.dumps(whole).encode(), stream, self.status)


@dataclass
class ToldDocuments:
    """See gateway.agent.parts.Knows."""

    found: Found = field(default_factory=Found)
    asked: list[str] = field(default_factory=list)

    async def find(self, question: str, limit: int = 3) -> Found:
        self.asked.append(question)
        return self.found
