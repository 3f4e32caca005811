"""Whether an engine goes on with what somebody else began is tried, and never assumed."""

from typing import Any

import pytest

from gateway.engines.openai_http import OpenAIEngine
from tests import agents
from tests.fakes import ScriptedEngine, going_on


async def learnt(fake: ScriptedEngine) -> tuple[str, ...]:
    engine = OpenAIEngine(fake.url)
    await engine.refresh()
    assert () == engine.state.models[0].continues, "it is not assumed"
    await engine.learn()
    await engine.refresh()
    assert engine.to_learn is None
    return engine.state.models[0].continues


async def test_an_engine_that_goes_on_with_answers_is_known_by_trying_once() -> None:
    async with ScriptedEngine(**going_on("Wednesday and so on")).serving() as fake:
        assert ("chat/completions", "completions") == await learnt(fake)
        assert {2, 1} == {body["max_tokens"] for body in fake.tried} and 4 == len(fake.tried)


async def test_responses_and_messages_are_tried_where_the_engine_tells_of_them_and_chat_goes_on() -> None:
    """As in vLLM, whose Messages close the turn that Responses, and a chat that says so, leave open."""
    text = "Wednesday and so on"
    apis = {
        "responses": agents.going_on(text)["responses"],
        "messages": lambda body: agents.messages({**body, "messages": body["messages"][:1]}),
    }
    says: dict[str, Any] = {**going_on(text), "apis": apis}
    says["pages"] = {**says["pages"], **agents.OPENAPI}
    async with ScriptedEngine(**says).serving() as fake:
        assert ("chat/completions", "completions", "responses") == await learnt(fake)
        assert {"/v1/messages", "/v1/responses"} <= set(fake.paths)
    async with ScriptedEngine(**{**says, "owned_by": "none", "pages": {}}).serving() as fake:
        assert () == await learnt(fake)
        assert {"/v1/messages", "/v1/responses"}.isdisjoint(fake.paths)


@pytest.mark.parametrize(
    "behaviour",
    [
        {},
        {"pages": {"/tokenize": {"count": 3, "tokens": [1, 2, 3]}}},  # it closes the turn unseen
        {"owned_by": "sglang"},  # its prompts do not grow: it passes over the turn
        {"owned_by": "llamacpp", "pages": {"/props": {}, "/apply-template": {"prompt": "Monday, Tuesday,\n</turn>"}}},
        {"owned_by": "sglang", "prompt_tokens": lambda body: 7 + 9 * (len(body["messages"]) > 1)},
        {**going_on("w"), "answer": lambda body: body["messages"][-1]["content"] if body.get("messages") else "w"},
        {**going_on("w"), "status": 400},
        {**going_on("w"), "page": b"<html>"},
    ],
)
async def test_what_does_not_go_on_is_not_told_as_if_it_did(behaviour: dict[str, Any]) -> None:
    async with ScriptedEngine(**behaviour).serving() as fake:
        assert "chat/completions" not in await learnt(fake)


async def test_an_engine_that_cannot_be_asked_is_tried_three_times() -> None:
    async with ScriptedEngine(**going_on("w")).serving() as fake:
        engine = OpenAIEngine(fake.url)
        await engine.refresh()

    learnt = [(await engine.learn(), engine.to_learn) for _ in range(3)]

    assert [(False, "scripted-1"), (False, "scripted-1"), (False, None)] == learnt
