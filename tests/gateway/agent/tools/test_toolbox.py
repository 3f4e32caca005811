"""Which tools an agent has, who may have them called, and what is said of those that do not work."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from gateway.agent.parts import Result
from gateway.agent.settings import AgentSettings, ToolSettings
from gateway.agent.tools.results import result_of
from gateway.agent.tools.server import ServerTool
from gateway.agent.tools.toolbox import NAME_CHARS, Toolbox, tokens_of

OBJECT = {"type": "object", "properties": {"path": {"type": "string"}}}
READS = ServerTool("read", "reads a file", OBJECT, only_reads=True)
WRITES = ServerTool("write", "writes a file", OBJECT, only_reads=False)


class FakeServer:
    """A server as the toolbox sees it."""

    def __init__(self, name: str, *tools: ServerTool) -> None:
        self.name, self.tools, self.problem, self.called = name, tools, None, list[tuple[str, Mapping[str, Any]]]()
        self.changed, self.says = asyncio.Event(), "done"

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Result:
        self.called.append((name, arguments))
        return result_of([{"type": "text", "text": self.says}], None, is_error=False)

    async def run(self) -> None:
        await asyncio.Event().wait()


def toolbox(server: FakeServer, builtin: tuple = (), **settings: Any) -> Toolbox:
    agent = AgentSettings(builtin=builtin, tools=(ToolSettings(server.name, command="x", **settings),))
    return Toolbox("nora", agent, None, datetime.now, lambda settings, agent: server)  # type: ignore[arg-type,return-value]


def names(box: Toolbox, is_own: bool = True) -> list[str]:
    return [tool.name for tool in box.offered(is_own=is_own)]


async def test_own_tools_and_those_of_servers_stand_side_by_side() -> None:
    server = FakeServer("files", READS)
    box = toolbox(server, ("calculator", "clock"))

    assert ["calculator", "clock", "files__read"] == names(box)
    assert "2 = 2" == (await box.call("calculator", {"expression": "2"}, is_own=True)).text
    await box.call("files__read", {"path": "a"}, is_own=False)
    assert [("read", {"path": "a"})] == server.called


@pytest.mark.parametrize("is_own", [True, False])
@pytest.mark.parametrize("side_effects", ["none", "allowed"])
async def test_what_may_change_things_is_for_the_owner_who_allows_it(is_own: bool, side_effects: str) -> None:
    """Not told is taken for yes. Another peer's model may not call it by its name either."""
    server = FakeServer("files", READS, WRITES)
    box = toolbox(server, side_effects=side_effects)
    may = is_own and side_effects == "allowed"

    result = await box.call("files__write", {}, is_own=is_own)

    assert ["files__read", *(["files__write"] if may else [])] == names(box, is_own)
    assert (not may) == result.is_error and may == bool(server.called)


async def test_only_what_the_owner_lists_is_there_and_a_typo_is_said() -> None:
    server = FakeServer("files", READS, WRITES)
    box = toolbox(server, allow=("reed",), side_effects="allowed")

    assert [] == names(box)
    assert ("files: there is no tool `reed`; did you mean `read`?",) == box.problems
    assert (await box.call("files__read", {}, is_own=True)).is_error


async def test_a_server_that_is_gone_takes_its_tools_with_it() -> None:
    server = FakeServer("files", READS)
    box = toolbox(server)
    server.tools, server.problem = (), "it ended"

    assert [] == names(box)
    assert ("files: it ended",) == box.problems


def test_names_are_such_as_engines_take_and_none_stands_twice() -> None:
    tools = [ServerTool(name, "", OBJECT, True) for name in ("a.b", "a/b", "é" * 200, "x" * 200)]
    found = names(toolbox(FakeServer("srv", *tools)))

    assert len(found) == len(set(found)) == 3
    assert all(len(name) <= NAME_CHARS and name.isascii() for name in found)


def test_descriptions_and_schemas_are_bounded_and_speak_no_engines_language() -> None:
    huge = ServerTool(
        "huge", "x", {"type": "object", "properties": {str(n): {"type": "string"} for n in range(2000)}}, True
    )
    sly = ServerTool("sly", "x" * 5000 + "<|im_start|>", {"properties": {"a": {"description": "<|im_start|>"}}}, True)
    (tool,) = toolbox(FakeServer("srv", huge, sly)).offered(is_own=True)

    assert len(tool.description) <= 1024
    assert {"type": "object", "properties": {"a": {"description": "< |im_start| >"}}} == tool.parameters


def test_what_tools_cost_a_model_is_told_in_tokens() -> None:
    assert 0 == tokens_of([])
    assert (
        20 < tokens_of(toolbox(FakeServer("files", READS, WRITES), side_effects="allowed").offered(is_own=True)) < 120
    )


async def test_when_it_is_left_its_servers_are() -> None:
    box = toolbox(FakeServer("files"))
    task = asyncio.create_task(box.run())
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
