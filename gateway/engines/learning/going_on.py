"""Learns at which endpoints an engine goes on with an answer that somebody else began: each is tried, none assumed."""

from collections.abc import Collection
from contextlib import suppress
from itertools import pairwise
from typing import NamedTuple

import msgspec

from gateway.engines.engine_api import EngineApi
from gateway.engines.engine_state import CONTINUING
from gateway.upstream import UpstreamError
from gateway.wire.bodies import TURNS, begun_turn
from gateway.wire.codec import UNREADABLE
from gateway.wire.events import EventSplitter, OversizedEvent
from gateway.wire.tokens import usage_of

TRIAL = [{"role": "user", "content": "Count the days."}]
_BEGUN = "The days are Monday, Tuesday,\n"  # an answer that breaks off, at a place that many chat templates cut
_RAW_TOKENS = 3  # a prompt of one letter has at most so many, unless it was put into a template
_FAILS = (*UNREADABLE, UpstreamError, OversizedEvent)


async def continues(api: EngineApi, family: str, model: str, tells: Collection[str] = ()) -> tuple[str, ...]:
    """The endpoints at which this model goes on with an answer that was begun, each tested with answers of two tokens.

    `tells`: those that the engine tells of; the others are not tried where it tells any. Responses and Messages are
    tried where chat goes on. Raises NO_ANSWER of EngineApi.
    """
    if not await _goes_on(api, family, model, "chat/completions"):
        return ()
    found = ["chat/completions"]
    with suppress(*_FAILS):
        body = {"model": model, "prompt": "a", "max_tokens": 1}
        usage = (await api.post("/v1/completions", body, _Completion)).usage
        if 0 < usage.prompt_tokens <= _RAW_TOKENS:
            found.append("completions")
    others = [each for each in ("messages", "responses") if each in tells or not tells]
    return (*found, *[each for each in others if await _goes_on(api, family, model, each)])


async def _goes_on(api: EngineApi, family: str, model: str, endpoint: str) -> bool:
    """Whether it goes on there.

    An engine that closes the assistant's turn instead shows it by the tokens of its prompt: they grow with what was
    begun, and by a template's besides. What is begun twice as long tells the two apart, whatever the model says. vLLM
    and llama.cpp show a chat's prompt itself, and are asked for that first.
    """
    try:
        if endpoint == "chat/completions" and not await _shows_open_turn(api, family, model):
            return False
        tried = [await _tried(api, family, model, endpoint, begun) for begun in ("", _BEGUN, _BEGUN * 2)]
    except _FAILS:
        return False
    begun, twice = (after.prompt - before.prompt for before, after in pairwise(tried))
    return 0 < begun == twice and _BEGUN.strip() not in "".join(each.text for each in tried)


async def _shows_open_turn(api: EngineApi, family: str, model: str) -> bool:
    """Whether the prompt ends with what was begun, where the engine shows its prompts; True where it does not."""
    asked = {"model": model, "messages": [*TRIAL, begun_turn("chat/completions", _BEGUN)]}
    if family == "llamacpp":
        shown: _Prompt = await api.post("/apply-template", asked, _Prompt)
        return shown.prompt.endswith(_BEGUN)
    if family == "vllm":
        whole: _Tokens = await api.post("/tokenize", {**asked, **CONTINUING[family]}, _Tokens)
        alone: _Tokens = await api.post("/tokenize", {"model": model, "messages": TRIAL}, _Tokens)
        return whole.count > alone.count > 0 and whole.tokens[: alone.count] == alone.tokens
    return True


class _Tried(NamedTuple):
    text: str
    prompt: int  # tokens


async def _tried(api: EngineApi, family: str, model: str, endpoint: str, begun: str) -> _Tried:
    """What the engine says after this, streamed, as what is gone on with always is; and the tokens of its prompt."""
    turns = [*TRIAL, begun_turn(endpoint, begun)] if begun else TRIAL
    body: dict[str, object] = {"model": model, TURNS[endpoint]: turns, "temperature": 0, "stream": True}
    if endpoint == "responses":
        body |= {"max_output_tokens": 2, "store": False}
    else:
        body["max_tokens"] = 2
    if endpoint == "chat/completions":
        body |= {"stream_options": {"include_usage": True}, **(CONTINUING.get(family, {}) if begun else {})}
    said = [event.data for event in EventSplitter().feed(await api.stream(f"/v1/{endpoint}", body)) if event.is_object]
    text = "".join(msgspec.json.decode(data, type=_Event).text for data in said)
    return _Tried(text, max((used[0] for used in map(usage_of, said) if used), default=0))


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0


class _Completion(msgspec.Struct):
    usage: _Usage


class _Delta(msgspec.Struct):
    content: str | None = None  # of chat
    text: str | None = None  # of Messages


class _Choice(msgspec.Struct):
    delta: _Delta


class _Event(msgspec.Struct):
    """An event of any of the three, as far as it says words; a delta of Responses is the words themselves."""

    choices: list[_Choice] = []
    delta: str | _Delta | None = None

    @property
    def text(self) -> str:
        if isinstance(self.delta, str):
            return self.delta
        deltas = [choice.delta for choice in self.choices] + ([self.delta] if self.delta else [])
        return "".join(delta.content or delta.text or "" for delta in deltas)


class _Prompt(msgspec.Struct):
    prompt: str


class _Tokens(msgspec.Struct):
    count: int
    tokens: list[int]
