"""An engine in memory that says what a test has it say, and tools that say what they are told."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.agent.parts import Result, Tool
from gateway.agent.settings import LimitSettings
from gateway.agent.steps import answer
from gateway.upstream import Patience, Reply
from gateway.wire.codec import Pieces, read_fields
from gateway.wire.events import DONE, Event, encode_event

PATIENCE = Patience(10.0, 10.0, 20.0)
HEAD = {"id": "chatcmpl-1", "created": 1, "model": "m"}
USAGE = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}


def says(text: str = "", *calls: tuple[str, Any], finish: str | None = None, ids: bool = True) -> dict[str, Any]:
    """A whole answer: text, and calls by name and arguments (text as it is, else as JSON)."""
    written = [
        {
            **({"id": f"{name}-{place}"} if ids else {}),
            "type": "function",
            "function": {"name": name, "arguments": it if isinstance(it, str) else json.dumps(it)},
        }
        for place, (name, it) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": text or None, **({"tool_calls": written} if calls else {})}
    finish = finish or ("tool_calls" if calls else "stop")
    choices = [{"index": 0, "message": message, "finish_reason": finish}]
    return {**HEAD, "object": "chat.completion", "choices": choices, "usage": USAGE}


@dataclass
class ScriptedReply:
    status: int
    body: bytes
    is_stream: bool
    cut_to: int = 5  # characters of arguments and words a chunk
    content_type: str = ""
    retry_after: str | None = None

    async def read(self) -> bytes:
        return self.body

    async def events(self) -> AsyncGenerator[Event, None]:
        message = json.loads(self.body)["choices"][0]["message"]
        yield self._event({"role": "assistant", "content": ""})
        for word in _pieces(message["content"] or "", self.cut_to):
            yield self._event({"content": word})
        for index, call in enumerate(message.get("tool_calls") or ()):
            function = call["function"]
            yield self._event({"tool_calls": [{"index": index, **call, "function": {**function, "arguments": ""}}]})
            for piece in _pieces(function["arguments"], self.cut_to):
                yield self._event({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        yield self._event({}, json.loads(self.body)["choices"][0]["finish_reason"])
        yield _event({"choices": [], "usage": USAGE})
        yield Event(DONE, b"[DONE]")

    def _event(self, delta: Mapping[str, Any], finish: str | None = None) -> Event:
        return _event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _event(fields: Mapping[str, Any]) -> Event:
    data = msgspec.json.encode({**HEAD, "object": "chat.completion.chunk", **fields})
    return Event(encode_event(data), data)


def _pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@dataclass
class Engine:
    """Answers the first request with the first of `script`, and so on; the last is repeated."""

    script: Sequence[Any]
    streams: bool = True
    asked: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    patience: list[Patience] = field(default_factory=list)
    open_now: int = 0

    @asynccontextmanager
    async def open(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], *, stream: bool, patience: Patience
    ) -> AsyncIterator[ScriptedReply]:
        assert endpoint == "chat/completions" and self.open_now == 0
        self.bodies.append(b"".join(body))
        self.asked.append(json.loads(self.bodies[-1]))
        self.patience.append(patience)
        said = self.script[min(len(self.asked), len(self.script)) - 1]
        said = said(self.asked[-1]) if callable(said) else said
        if isinstance(said, BaseException):
            raise said
        status, body_said = said if isinstance(said, tuple) else (200, json.dumps(said).encode())
        self.open_now += 1
        try:
            yield ScriptedReply(status, body_said, is_stream=stream and status == 200 and self.streams)
        finally:
            self.open_now -= 1


@dataclass
class Toolset:
    """Tools by name with what each says; those of `changing` are for the owner alone."""

    says: Mapping[str, Any] = field(default_factory=dict)
    changing: frozenset[str] = frozenset()
    delay_s: float = 0.0
    called: list[tuple[str, Mapping[str, Any], bool]] = field(default_factory=list)
    most_at_once: int = 0
    _now: int = 0

    def offered(self, *, is_own: bool) -> Sequence[Tool]:
        schema = {"type": "object", "properties": {"a": {"type": "string"}}}
        names = [name for name in self.says if is_own or name not in self.changing]
        return [Tool(name, f"does {name}", schema) for name in names]

    async def call(self, name: str, arguments: Mapping[str, Any], *, is_own: bool) -> Result:
        self.called.append((name, arguments, is_own))
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            await asyncio.sleep(self.delay_s)
            said = self.says[name]
            return said if isinstance(said, Result) else Result(said)
        finally:
            self._now -= 1


@dataclass
class Answered:
    """An answer as a client gets it."""

    status: int
    body: dict[str, Any]
    text: str
    calls: list[dict[str, Any]]
    finish: str | None
    events: list[Event]

    @property
    def comments(self) -> list[bytes]:
        return [event.raw for event in self.events if event.is_comment]


async def ask(
    engine: Engine,
    acts: Toolset,
    limits: LimitSettings | None = None,
    *,
    stream: bool = False,
    is_own: bool = True,
    native: bool = True,
    lost: list[str] | None = None,
    **body: Any,
) -> Answered:
    """Ask an agent of this engine and these tools."""
    said = {"model": "m", "messages": [{"role": "user", "content": "How much?"}], **body}
    if stream:
        said |= {"stream": True, "stream_options": {"include_usage": True}}
    fields = read_fields(json.dumps(said).encode())
    opened = answer(
        engine, fields, acts, limits or LimitSettings(), is_own=is_own, stream=stream, patience=PATIENCE, native=native,
        lost=(lost if lost is not None else []).append,
    )  # fmt: skip
    async with opened as reply:
        answered = await _streamed(reply) if reply.is_stream else _whole(reply.status, await reply.read())
    assert engine.open_now == 0
    return answered


def _whole(status: int, body: bytes) -> Answered:
    read = json.loads(body)
    if status != 200:
        return Answered(status, read, "", [], None, [])
    (choice,) = read["choices"]
    message = choice["message"]
    calls = message.get("tool_calls") or []
    return Answered(status, read, message["content"] or "", calls, choice["finish_reason"], [])


async def _streamed(reply: Reply) -> Answered:
    events = [event async for event in reply.events()]
    chunks = [json.loads(event.data) for event in events if event.data and not event.is_done]
    assert events[-1].is_done and {chunk["id"] for chunk in chunks} == {HEAD["id"]}
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    deltas = [choice["delta"] for choice in choices]
    finishes = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    assert 1 == len(finishes) and 1 == sum("role" in delta for delta in deltas)
    calls = [call for delta in deltas for call in delta.get("tool_calls") or ()]
    usage = next((chunk["usage"] for chunk in chunks if chunk.get("usage")), None)
    text = "".join(delta.get("content") or "" for delta in deltas)
    return Answered(reply.status, {"usage": usage}, text, calls, finishes[0], events)
