"""Carries out an agent's steps on one request: asks its engine, runs its tools, and passes the words on as they come.

A shell around loop.py and constrained.py, which decide. Knows nothing of prompts, documents, servers of tools or peers.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import msgspec

from gateway.agent import constrained
from gateway.agent.hearing import Heard, Usage, called, heard_whole
from gateway.agent.loop import Call, Finish, HandOver, InForm, Loop, Run, wants_form
from gateway.agent.parts import Acts, Result, Tool
from gateway.agent.settings import LimitSettings
from gateway.agent.whole import Whole, answered, events_in
from gateway.upstream import RETRYABLE, Patience, Reply, Upstream, UpstreamError
from gateway.wire.codec import UNREADABLE, Fields, view_of, write_fields
from gateway.wire.errors import error_body, message_in
from gateway.wire.events import DONE, Event, encode_event

ENDPOINT = "chat/completions"  # the only one that an agent answers
CALLS_AT_ONCE = 4
WITHOUT_TOOLS = "agent_without_tools"
_REFUSED = (400, 404, 422, 500, 501)  # statuses of engines that take no tools

_log = logging.getLogger(__name__)


@asynccontextmanager
async def answer(
    engine: Upstream,
    fields: Fields,
    acts: Acts,
    limits: LimitSettings,
    *,
    is_own: bool,
    stream: bool,
    patience: Patience,
    native: bool,
    headers: Mapping[str, str] = MappingProxyType({}),
    lost: Callable[[str], None] = lambda said: None,
) -> AsyncIterator[Reply]:
    """The answer of an agent with tools to one chat request; leaving the context hangs up. Raises UpstreamError.

    `fields`: of the body, with the agent's prompt in it. `native`: whether the engine's model takes tools; where it
    turns out that it does not, `lost` is called with what the engine said, and tools are offered in the other form.
    """
    asking = _Asking(engine, headers, patience, limits.total_s)
    try:
        offered = [] if _choices(fields) > 1 else acts.offered(is_own=is_own)
        loop = Loop(fields, offered, limits.steps)
    except UNREADABLE as error:
        yield _refusal("the messages, tools or tool_choice of this request are of no known form")
        _log.debug("unreadable request to an agent: %s", type(error).__name__)
        return
    async with asking:
        if not loop.has_tools:
            yield await asking.open(fields, stream=stream)
            return
        tools = _Tools(acts, limits.call_s, asking, is_own=is_own)
        if native:
            reply = await asking.open(loop.ask(), stream=stream)
            if reply.status == 200:
                yield _Looped(loop, asking, tools, reply, stream=stream)
                return
            said = await reply.read()
            if not _refuses_tools(reply.status, said):
                yield Whole(reply.status, said, reply.retry_after)
                return
            lost(message_in(said))
        if "tools" in fields and bytes(view_of(fields["tools"])) not in (b"null", b"[]"):
            yield _refusal("the engine of this agent takes no tools: ask it without `tools`, or ask another model")
            return
        yield await _constrained(fields, offered, asking, tools, stream=stream)


class _Asking:
    """Asks the engine, one step after the other, until the time is over."""

    def __init__(self, engine: Upstream, headers: Mapping[str, str], patience: Patience, total_s: float) -> None:
        self._engine, self._headers, self._patience, self.total_s = engine, headers, patience, total_s
        self._clock = asyncio.get_running_loop().time
        self._until = self._clock() + total_s
        self._open = AsyncExitStack()

    async def __aenter__(self) -> "_Asking":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    @property
    def left_s(self) -> float:
        """Seconds until the time for steps is over; negative after that."""
        return self._until - self._clock()

    async def open(self, fields: Mapping[str, Any], *, stream: bool) -> Reply:
        """The next step; the one before is over with it. Raises UpstreamError."""
        await self._open.aclose()
        left = max(1.0, self.left_s)
        patience = replace(
            self._patience,
            first_event_s=min(self._patience.first_event_s, left),
            whole_s=min(self._patience.whole_s, left),
        )
        opened = self._engine.open(ENDPOINT, write_fields(fields), self._headers, stream=stream, patience=patience)
        return await self._open.enter_async_context(opened)

    async def step(self, fields: Mapping[str, Any], *, stream: bool) -> Reply:
        """The next step of those after the first: what fails in it fails the answer. Raises UpstreamError."""
        reply = await self.open(fields, stream=stream)
        if reply.status != 200:
            said = await reply.read()
            status = reply.status if reply.status in RETRYABLE else 502
            raise UpstreamError(message_in(said), status=status, by_engine=True)
        return reply


class _Tools:
    """Runs calls, some at once, each within its time."""

    def __init__(self, acts: Acts, call_s: float, asking: _Asking, *, is_own: bool) -> None:
        self._acts, self._call_s, self._asking, self._is_own = acts, call_s, asking, is_own
        self._places = asyncio.Semaphore(CALLS_AT_ONCE)

    async def run(self, run: Run) -> list[tuple[Call, Result]]:
        """What each says, those that are not run among them."""
        results = await asyncio.gather(*(self.call(name, arguments) for _, name, arguments in run.calls))
        return [*((call, result) for (call, _, _), result in zip(run.calls, results, strict=True)), *run.refused]

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Result:
        """What one says; that it took too long is a result, too."""
        async with self._places:
            within_s = min(self._call_s, self._asking.left_s)
            try:
                async with asyncio.timeout(max(0.0, within_s)):
                    return await self._acts.call(name, arguments, is_own=self._is_own)
            except TimeoutError:
                return Result(f"no result within {max(0.0, within_s):g} s", is_error=True)


class _Looped:
    """The answer of an engine that calls tools, over all steps (see gateway.upstream.Reply)."""

    status = 200
    retry_after: str | None = None

    def __init__(self, loop: Loop, asking: _Asking, tools: _Tools, first: Reply, *, stream: bool) -> None:
        self.is_stream = stream
        self.content_type = "text/event-stream" if stream else "application/json"
        self._loop, self._asking, self._tools, self._reply = loop, asking, tools, first
        self._usage = Usage()

    async def read(self) -> bytes:
        texts = list[str]()
        while True:
            read = await self._reply.read()
            try:
                body = msgspec.json.decode(read, type=dict[str, Any])
            except UNREADABLE:
                return read  # whoever passes it on finds that it is no answer
            said = heard_whole(body, self._usage)
            if said.text and not self._loop.is_silent:
                texts.append(said.text)
            following = self._loop.hear(said)
            if isinstance(following, Run):
                self._loop.hear_results(await self._tools.run(following))
            if isinstance(following, Run | InForm):
                await self._next()
                continue
            if self._loop.taken == 1 and isinstance(following, Finish) and not following.text and not said.calls:
                return read
            return _whole_answer(body, following, texts, self._usage)

    async def events(self) -> AsyncGenerator[Event, None]:
        """The words of all steps, as they come. Nothing is sent before the first: until then another may answer."""
        head: dict[str, Any] = {}
        spoken, held = "", list[Event]()  # the last words; the chunk before the first of them, which says who speaks
        while True:
            is_silent = self._loop.is_silent
            lead = "\n\n" if spoken and not spoken[-1].isspace() else ""
            heard = Heard(self._usage, head, lead, has_begun=bool(spoken or held))
            async with aclosing(self._step_events()) as events:
                async for event in events:
                    if event.is_comment or event.is_error:
                        yield event
                        continue
                    passed = _heard(heard, event)
                    if passed is not None and not is_silent:
                        held.append(event if passed is event.data else Event(encode_event(passed), passed))
                    if heard.is_speaking and not is_silent:
                        spoken = "."
                        for each in held:
                            yield each
                        held.clear()
                    elif not spoken and self._asking.left_s < 0:
                        raise _late(self._asking)
            head, said = heard.head, heard.said
            spoken = said.text if said.text and not is_silent else spoken
            following = self._loop.hear(said)
            if isinstance(following, Run):
                for _, name, _ in following.calls:
                    yield Event(f": {name}\n\n".encode(), b"")
                self._loop.hear_results(await self._tools.run(following))
            if isinstance(following, Run | InForm):
                await self._next()
                continue
            for event in (*held, *_ending(head, following, self._usage)):
                yield event
            return

    async def _next(self) -> None:
        if self._asking.left_s < 0:
            self._loop.end()
        self._reply = await self._asking.step(self._loop.ask(), stream=self.is_stream)

    async def _step_events(self) -> AsyncGenerator[Event, None]:
        """The events of this step, without the end; also of an engine that does not stream."""
        if not self._reply.is_stream:
            for event in events_in(await self._reply.read()):
                if not event.is_done:
                    yield event
            return
        async for event in self._reply.events():
            if event.is_done:
                return
            yield event


async def _constrained(
    fields: Fields, offered: Sequence[Tool], asking: _Asking, tools: _Tools, *, stream: bool
) -> Reply:
    """The answer where the model takes no tools: one choice by a schema, then what follows from it."""
    question = constrained.question_in(msgspec.json.decode(view_of(fields["messages"])))
    fitting = constrained.fitting(offered, question)
    if not fitting:
        return await asking.open(fields, stream=stream)
    reply = await asking.open(constrained.choosing(fields, fitting, question), stream=False)
    if reply.status != 200:  # no schema, or not this one: it answers as it does without tools
        _log.debug("an engine takes no schema: status=%d", reply.status)
        return await asking.open(fields, stream=stream)
    body, usage = await reply.read(), Usage()
    try:
        head = msgspec.json.decode(body, type=dict[str, Any])
    except UNREADABLE:
        return await asking.open(fields, stream=stream)
    choice = constrained.chosen(heard_whole(head, usage).text, fitting)
    if choice is None:
        return await asking.open(fields, stream=stream)
    name, arguments = choice
    result = await tools.call(name, arguments)
    if result.is_error:
        return await asking.open(fields, stream=stream)
    if name not in constrained.ANSWERING or wants_form(fields):
        return await asking.open(constrained.with_result(fields, name, result), stream=stream)
    written = _whole_answer(head, Finish(), [result.text], usage)
    return answered(written, stream=stream)


def _whole_answer(body: Mapping[str, Any], following: Finish | HandOver, texts: Sequence[str], usage: Usage) -> bytes:
    """The last step's body, with the words and the tokens of all steps, and no calls but the client's."""
    choice: dict[str, Any] = body["choices"][0] if body.get("choices") else {"index": 0}
    message = {name: value for name, value in (choice.get("message") or {}).items() if name != "tool_calls"}
    text = "\n\n".join([*texts, *([following.text] if isinstance(following, Finish) and following.text else [])])
    message |= {"role": "assistant", "content": text or None}
    finish = "tool_calls" if isinstance(following, HandOver) else following.finish_reason
    if isinstance(following, HandOver):
        message["tool_calls"] = called(following.calls)
    elif not text:
        message["content"] = ""
    written = {**body, "choices": [{**choice, "message": message, "finish_reason": finish}]}
    if usage.counts:
        written["usage"] = usage.counts
    return msgspec.json.encode(written)


def _ending(head: Mapping[str, Any], following: Finish | HandOver, usage: Usage) -> list[Event]:
    """The last chunks of a stream: what is still to be said, how it ended, its usage where the engine told it."""
    deltas: list[tuple[dict[str, Any], str | None]] = []
    if isinstance(following, HandOver):
        placed = [{"index": place, **call} for place, call in enumerate(called(following.calls))]
        deltas = [({"tool_calls": [call]}, None) for call in placed]
        deltas.append(({}, "tool_calls"))
    else:
        deltas = [({"content": following.text}, None)] if following.text else []
        deltas.append(({}, following.finish_reason))
    chunks: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]} for delta, finish in deltas
    ]
    if usage.counts:
        chunks.append({**head, "choices": [], "usage": usage.counts})
    written = [msgspec.json.encode(chunk) for chunk in chunks]
    return [*(Event(encode_event(data), data) for data in written), Event(DONE, b"[DONE]")]


def _heard(heard: Heard, event: Event) -> bytes | None:
    try:
        return heard.chunk(event.data)
    except UNREADABLE as error:
        raise UpstreamError("the engine sent no chunk of an answer", code="bad_stream") from error


def _late(asking: _Asking) -> UpstreamError:
    return UpstreamError(
        f"the agent found no answer within {asking.total_s:g} s (limits.total_s)", status=504, code="agent_timeout"
    )


def _refuses_tools(status: int, said: bytes) -> bool:
    """Whether an engine's error says that its model takes no tools, as those do that lost them since we asked."""
    words = message_in(said).lower()
    return status in _REFUSED and "tool" in words and any(word in words for word in _REFUSING)


_REFUSING = ("support", "parser", "--jinja", "template", "enable", "not allowed", "unknown", "unexpected", "extra")


def _refusal(message: str) -> Whole:
    return Whole(400, error_body(message, "invalid_request_error", "tools", WITHOUT_TOOLS))


def _choices(fields: Fields) -> int:
    """How many answers the client wants at once: only for one are tools used."""
    n: Any = msgspec.json.decode(view_of(fields["n"])) if "n" in fields else 1
    return int(n) if isinstance(n, int | float) else 1
