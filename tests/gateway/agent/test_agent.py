"""A personal agent between a request and its engine: what the engine hears, and what comes back."""

import json
from typing import Any

import pytest

from gateway.agent.agent import PersonalAgent, PersonalReply
from gateway.agent.citing import NOT_FROM_DOCUMENTS
from gateway.agent.parts import Found, Passage, Result, Tool
from gateway.agent.settings import AgentSettings, KnowledgeSettings
from gateway.upstream import UpstreamError
from tests.gateway.agent.engine import PATIENCE, STREAM, WHOLE, ToldDocuments, ToldEngine

HI = {"role": "user", "content": "How many holidays?"}
PASSAGE = Passage("handbook.md", "Holidays", "You have 30 days.", 0.8)
LIBRARIAN = AgentSettings(prompt="Quote.")


async def ask(
    agent: PersonalAgent, engine: ToldEngine, stream: bool = False, **fields: Any
) -> tuple[Any, PersonalReply]:
    body = json.dumps({"model": "small", "messages": [HI], **fields}).encode()
    over = agent.over(engine, is_own=True)
    async with over.open("chat/completions", (body,), {"x": "y"}, stream=stream, patience=PATIENCE) as reply:
        assert isinstance(reply, PersonalReply)
        if stream:
            return [event async for event in reply.events()], reply
        return json.loads(await reply.read()), reply


async def test_the_engine_hears_prompt_passages_and_all_else_as_the_client_sent_it() -> None:
    engine, documents = ToldEngine(), ToldDocuments(Found((PASSAGE,), True))
    tools = [{"type": "function", "function": {"name": "f"}}]

    answer, reply = await ask(
        PersonalAgent("librarian", LIBRARIAN, documents), engine, tools=tools, seed=7, odd={"a": 1}
    )

    asked = json.loads(engine.asked[0])
    assert ("small", tools, 7, {"a": 1}, HI) == (
        asked["model"], asked["tools"], asked["seed"], asked["odd"], asked["messages"][1],
    )  # fmt: skip
    assert "You have 30 days." in asked["messages"][0]["content"]
    assert (["How many holidays?"], [{"x": "y"}]) == (documents.asked, engine.headers)
    assert answer["choices"][0]["message"]["content"].endswith("Source: handbook.md, Holidays")
    assert (True, "librarian") == (reply.is_from_documents, answer["model"])


@pytest.mark.parametrize("found", [Found(), Found((PASSAGE,), is_enough=False)])
async def test_documents_that_do_not_have_it_are_not_shown_and_that_is_said(found: Found) -> None:
    engine = ToldEngine()

    answer, reply = await ask(PersonalAgent("librarian", LIBRARIAN, ToldDocuments(found)), engine)

    assert "30 days" not in engine.asked[0].decode()
    assert answer["choices"][0]["message"]["content"].endswith(NOT_FROM_DOCUMENTS)
    assert reply.is_from_documents is False


async def test_an_answer_in_a_form_of_the_clients_stays_in_it() -> None:
    documents = ToldDocuments(Found((PASSAGE,), True))

    answer, _ = await ask(
        PersonalAgent("librarian", LIBRARIAN, documents), ToldEngine(), response_format={"type": "json_object"}
    )

    assert "one two" == answer["choices"][0]["message"]["content"]
    assert 1 == len(answer["choices"][0]["message"]["annotations"])


@pytest.mark.parametrize(("sources", "noted"), [("line", 1), ("annotations", 1), ("none", 0)])
async def test_the_owner_says_how_sources_are_said(sources: Any, noted: int) -> None:
    settings = AgentSettings(prompt="Quote.", sources=sources)

    answer, reply = await ask(
        PersonalAgent("librarian", settings, ToldDocuments(Found((PASSAGE,), True))), ToldEngine()
    )

    message = answer["choices"][0]["message"]
    assert (sources == "line") == ("Source: " in message["content"])
    assert (noted, True) == (len(message.get("annotations", ())), reply.is_from_documents)


async def test_an_agent_of_a_prompt_alone_says_nothing_of_documents() -> None:
    events, reply = await ask(PersonalAgent("pirate", LIBRARIAN), ToldEngine(), stream=True)

    assert reply.is_from_documents is None
    assert len(STREAM) == len(events)
    assert b"data: [DONE]\n\n" == events[-1].raw
    assert ["pirate"] * 4 == [json.loads(event.data)["model"] for event in events[:-1]]


async def test_an_agent_with_nothing_of_its_own_asks_the_same_bytes_but_for_blanks() -> None:
    engine = ToldEngine()

    await ask(PersonalAgent("plain", AgentSettings()), engine, temperature=0.1)

    assert {"model": "small", "messages": [HI], "temperature": 0.1} == json.loads(engine.asked[0])


async def test_an_error_of_the_engines_is_passed_as_it_is() -> None:
    engine = ToldEngine(status=400, whole={"error": {"message": "too long"}})

    answer, reply = await ask(PersonalAgent("pirate", LIBRARIAN), engine)

    assert ({"error": {"message": "too long"}}, 400) == (answer, reply.status)


async def test_another_endpoint_is_refused_with_the_one_that_it_has() -> None:
    with pytest.raises(UpstreamError) as caught:
        async with (
            PersonalAgent("pirate", LIBRARIAN)
            .over(ToldEngine(), is_own=True)
            .open("completions", (b"{}",), {}, stream=False, patience=PATIENCE)
        ):
            pass

    assert (404, True) == (caught.value.status, "/v1/chat/completions" in caught.value.message)


class Adder:
    """See gateway.agent.parts.Acts: one tool, and what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, bool]] = []

    def offered(self, *, is_own: bool) -> list[Tool]:
        return [Tool("add", "adds", {"type": "object", "properties": {"a": {"type": "number"}}})]

    async def call(self, name: str, arguments: Any, *, is_own: bool) -> Result:
        self.calls.append((name, arguments, is_own))
        return Result("4")


async def test_an_agents_tools_run_inside_and_its_answer_is_still_its_own() -> None:
    """Where the engine's model takes tools; whose request it is goes along."""
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
    calling = {"index": 0, "message": {"role": "assistant", "tool_calls": [call]}, "finish_reason": "tool_calls"}
    engine = ToldEngine(whole=[{**WHOLE, "choices": [calling]}, WHOLE])
    adder, documents = Adder(), ToldDocuments(Found((PASSAGE,), True))
    agent = PersonalAgent("librarian", LIBRARIAN, documents, adder, takes_tools=lambda model: model == "small")

    answer, reply = await ask(agent, engine)

    assert [("add", {"a": 2}, True)] == adder.calls
    assert 2 == len(engine.asked)
    message = answer["choices"][0]["message"]
    assert ("librarian", True) == (answer["model"], message["content"].startswith("one two"))
    assert "tool_calls" not in message
    assert (1, True) == (len(message["annotations"]), reply.is_from_documents)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_quotation_is_answered_without_the_model_and_names_its_source(stream: bool) -> None:
    """Where the documents do not have it, the model answers, and says so."""
    found = Passage("handbook.md", "Holidays", "Rest. You have 30 days.", 0.8, ((0.8, "You have 30 days."),))
    settings = AgentSettings(knowledge=KnowledgeSettings(answers="quotation"))
    engine = ToldEngine()

    answer, reply = await ask(
        PersonalAgent("librarian", settings, ToldDocuments(Found((PASSAGE, found), True))), engine, stream
    )

    chunks = [json.loads(event.data) for event in answer if not event.is_done] if stream else []
    said = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"])
    said = said or answer["choices"][0]["message"]["content"]
    assert "The documents say: \u201cYou have 30 days.\u201d\n\nSource: handbook.md, Holidays" == said
    assert ([], True) == (engine.asked, reply.is_from_documents)

    answer, reply = await ask(PersonalAgent("librarian", settings, ToldDocuments(Found((found,), False))), engine)
    assert (1, False) == (len(engine.asked), reply.is_from_documents)
