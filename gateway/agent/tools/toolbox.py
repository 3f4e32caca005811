"""All tools of one agent (parts.Acts): its own, and those of its servers that its owner allows.

A tool of a server is called NAME__tool. One that does not say that it only reads is taken for one that changes things:
it is offered where the owner's file says `side_effects: allowed`, and then to the owner's own requests alone.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any

import msgspec

from gateway.agent.fencing import harmless
from gateway.agent.parts import Knows, Result, Tool
from gateway.agent.settings import AgentSettings, ToolSettings
from gateway.agent.tools.builtin import Builtin
from gateway.agent.tools.results import DESCRIPTION_CHARS
from gateway.agent.tools.server import Server, ServerTool, problems_of
from gateway.wire.estimate import estimated_tokens

NAME_CHARS = 64  # of a tool: what engines take
SCHEMA_BYTES = 16 << 10  # of one tool's parameters
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


def _here() -> datetime:
    return datetime.now().astimezone()


class Toolbox:
    """The tools of one agent, as they work now."""

    def __init__(
        self,
        agent: str,
        settings: AgentSettings,
        knows: Knows | None,
        now: Callable[[], datetime] = _here,
        server: Callable[[ToolSettings, str], Server] = Server,
    ) -> None:
        self._builtin = Builtin(tuple(settings.builtin), knows, now)
        self._servers = {each.name: (each, server(each, agent)) for each in settings.tools}

    @property
    def servers(self) -> tuple[Server, ...]:
        """The servers, in the order of the file."""
        return tuple(server for _, server in self._servers.values())

    async def run(self) -> None:
        """Keep the servers alive. Cancelled, it ends them."""
        async with asyncio.TaskGroup() as group:
            for server in self.servers:
                group.create_task(server.run())

    async def settled(self, within_s: float) -> None:
        """Wait until each server is connected or has said why it is not: for commands that show tools."""
        async with asyncio.timeout(within_s):
            for server in self.servers:
                await server.changed.wait()

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each server that does not work, and for each tool that is allowed and not there."""
        unknown = [
            line
            for settings, server in self._servers.values()
            if server.tools
            for line in _not_there(settings, [tool.name for tool in server.tools])
        ]
        return (*problems_of(self.servers), *unknown)

    def offered(self, *, is_own: bool) -> Sequence[Tool]:
        """Those that work now (see parts.Acts)."""
        return [tool for tool, _, _ in self._all(is_own=is_own)]

    async def call(self, name: str, arguments: Mapping[str, Any], *, is_own: bool) -> Result:
        """Run one of those that are offered; who calls bounds its time. See parts.Acts."""
        for tool, server, at_server in self._all(is_own=is_own):
            if tool.name == name:
                call = self._builtin.call(name, arguments) if server is None else server.call(at_server, arguments)
                return await call
        return Result(f"there is no tool `{name}` now", is_error=True)

    def _all(self, *, is_own: bool) -> list[tuple[Tool, Server | None, str]]:
        """Each tool as it is offered, whose it is, and what its server calls it."""
        found: list[tuple[Tool, Server | None, str]] = [(tool, None, tool.name) for tool in self._builtin.tools]
        names = {tool.name for tool, _, _ in found}
        for settings, server in self._servers.values():
            for tool in server.tools:
                may_change = settings.side_effects == "allowed" and is_own
                is_allowed = not settings.allow or tool.name in settings.allow
                offered = _as_offered(tool, f"{server.name}__{tool.name}", names)
                if is_allowed and (tool.only_reads or may_change) and offered is not None:
                    names.add(offered.name)
                    found.append((offered, server, tool.name))
        return found


def tokens_of(tools: Sequence[Tool]) -> int:
    """About how many tokens a model reads when it is told of these tools."""
    written = msgspec.json.encode([(tool.name, tool.description, tool.parameters) for tool in tools]).decode()
    return estimated_tokens([written]) if tools else 0


def _as_offered(tool: ServerTool, full_name: str, taken: set[str]) -> Tool | None:
    """The tool as a model is told of it; None where it cannot be told within bounds."""
    name = _NOT_IN_NAMES.sub("_", full_name)[:NAME_CHARS]
    parameters = _harmless_in(tool.parameters)
    try:
        is_short = len(msgspec.json.encode(parameters)) <= SCHEMA_BYTES
    except UnicodeEncodeError:  # half a character in the name of a field
        return None
    if name in taken or not is_short:
        return None
    return Tool(name, harmless(tool.description)[:DESCRIPTION_CHARS], {"type": "object", **parameters})


def _harmless_in(value: Any) -> Any:
    """A schema whose texts, such as descriptions, are data; the names of its fields stay as its server knows them."""
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, Mapping):
        return {name: _harmless_in(each) for name, each in value.items()}
    return [_harmless_in(each) for each in value] if isinstance(value, list) else value


def _not_there(settings: ToolSettings, names: Sequence[str]) -> list[str]:
    """What the owner allows and the server does not have, with the name that may be meant."""
    lines = []
    for name in settings.allow:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            meant = f"did you mean `{near[0]}`?" if near else f"it has {', '.join(names)}"
            lines.append(f"{settings.name}: there is no tool `{name}`; {meant}")
    return lines
