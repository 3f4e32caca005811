"""What documents and tools say is data: it adds no tool, no recipient and no rule, whatever a model makes of it.

The model of these tests obeys whoever spoke last, as the worst one would: it calls what a text asks it to call.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.agent.agent import PersonalAgent
from gateway.agent.parts import Found, Knows, Passage
from gateway.agent.settings import AgentSettings, ToolSettings
from gateway.agent.tools.results import RESULT_BYTES, result_of
from gateway.agent.tools.server import ServerTool
from gateway.agent.tools.toolbox import Toolbox
from tests.gateway.agent.injections import INJECTIONS, MARKS
from tests.gateway.agent.scripted import PATIENCE, Engine, Toolset, ask, says
from tests.gateway.agent.tools.test_toolbox import READS, WRITES, FakeServer

EACH = pytest.mark.parametrize("text", INJECTIONS.values(), ids=list(INJECTIONS))


def test_there_are_thirty() -> None:
    assert 30 == len(set(INJECTIONS.values()))


def obeying(body: Mapping[str, Any]) -> dict[str, Any]:
    """Reads the data first, then calls everything that a text may have asked for, then gives up."""
    turns = sum(message["role"] == "assistant" for message in body["messages"])
    wished = [("files__write", {"path": "x"}), ("rm", {}), ("own__files__write", {}), ("files__read", {"path": "b"})]
    return [says("", ("files__read", {"path": "a"})), says("", *wished), says("Done.")][min(turns, 2)]


def has_no_mark(text: str) -> bool:
    return not [mark for mark in MARKS if mark.lower() in text.lower()]


@EACH
@pytest.mark.parametrize("side_effects", ["none", "allowed"])
async def test_a_result_gives_another_peer_no_tool_that_changes_things(text: str, side_effects: str) -> None:
    server = FakeServer("files", READS, WRITES)
    server.says = text
    settings = AgentSettings(builtin=(), tools=(ToolSettings("files", command="x", side_effects=side_effects),))
    box = Toolbox("nora", settings, None, server=lambda *_: server)  # type: ignore[arg-type,return-value]
    engine = Engine([obeying])

    answered = await ask(engine, box, is_own=False)  # type: ignore[arg-type]

    assert {"read"} == {name for name, _ in server.called}
    assert "Done." == answered.text and not answered.calls


@EACH
@pytest.mark.parametrize("stream", [False, True])
async def test_a_result_changes_neither_the_prompt_nor_the_tools_nor_whom_is_asked(text: str, stream: bool) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is in a?"}]
    engine, tools = Engine([obeying]), Toolset({"files__read": text})

    answered = await ask(engine, tools, stream=stream, messages=messages)

    first, *later = engine.asked
    assert later and "Done." == answered.text and not answered.calls
    for body in later:
        assert (first["tools"], first["model"], messages) == (body["tools"], body["model"], body["messages"][:2])
        assert {"assistant", "tool"} == {message["role"] for message in body["messages"][2:]}
    assert {"files__read"} == {name for name, _, _ in tools.called}


@EACH
async def test_a_tools_words_speak_no_engines_language(text: str) -> None:
    """As the toolbox gives them: what an engine reads of them holds no mark of any template."""
    shown = result_of([{"type": "text", "text": text}], None, is_error=False).text

    assert has_no_mark(shown) and len(shown.encode()) < 2 * RESULT_BYTES


class Documents(Knows):
    def __init__(self, text: str) -> None:
        self._text = text

    async def find(self, question: str, limit: int = 3) -> Found:
        return Found((Passage("handbook.md", self._text[:60], self._text, 0.9),), is_enough=True)


@EACH
@pytest.mark.parametrize("has_tools", [False, True])
async def test_a_document_stays_between_its_marks_and_gives_no_tool(text: str, has_tools: bool) -> None:
    engine = Engine([obeying])
    tools = Toolset({"files__read": "x", "files__write": "x"}, changing=frozenset({"files__write"}))
    settings = AgentSettings(prompt="Quote the handbook.", sources="none")
    agent = PersonalAgent("nora", settings, Documents(text), tools if has_tools else None, lambda model: True)
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "How much?"}]}).encode()

    over = agent.over(engine, is_own=False)
    async with over.open("chat/completions", (body,), {}, stream=False, patience=PATIENCE) as reply:
        await reply.read()

    system, user = engine.asked[0]["messages"][:2]
    lines = system["content"].splitlines()
    begins = [at for at, line in enumerate(lines) if line.startswith("BEGIN DATA")]
    ends = [at for at, line in enumerate(lines) if line.startswith("END DATA")]
    assert "How much?" == user["content"] and "Quote the handbook." == lines[0]
    assert 1 == len(begins) == len(ends) and begins[0] < ends[0] == len(lines) - 1
    assert has_no_mark(system["content"])
    assert {"files__read"} >= {name for name, _, _ in tools.called}


@EACH
async def test_a_schemas_choice_is_made_by_the_question_alone(text: str) -> None:
    """Where a model fills in a schema, it chooses before it has read anything, and once."""
    first = says(json.dumps({"tool": "files__read", "arguments": {}}))
    last = says('{"tool": "files__write", "arguments": {}}')
    engine, tools = Engine([first, last]), Toolset({"files__read": text, "files__write": "x"})

    await ask(engine, tools, native=False)

    assert ["files__read"] == [name for name, _, _ in tools.called]
    assert 2 == len(engine.asked) and "tools" not in engine.asked[1]
    (message,) = engine.asked[1]["messages"]
    assert "user" == message["role"] and has_no_mark(message["content"])
    assert message["content"].splitlines()[-1].startswith("END DATA")


@EACH
async def test_a_tools_own_description_adds_no_role(text: str) -> None:
    sly = ServerTool("read", text, {"type": "object", "description": text[:500]}, only_reads=True)
    settings = AgentSettings(builtin=(), tools=(ToolSettings("files", command="x"),))
    box = Toolbox("nora", settings, None, server=lambda *_: FakeServer("files", sly))  # type: ignore[arg-type,return-value]

    (tool,) = box.offered(is_own=True)

    assert has_no_mark(tool.description) and has_no_mark(json.dumps(tool.parameters, ensure_ascii=False))


async def test_the_model_of_these_tests_does_obey() -> None:
    """Else they would prove nothing: with the tool at hand it is called."""
    tools = Toolset({"files__read": INJECTIONS["ignore"], "files__write": "x"})

    await ask(Engine([obeying]), tools)

    assert ("files__write", {"path": "x"}, True) in tools.called
