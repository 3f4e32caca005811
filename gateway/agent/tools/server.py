"""One server of tools, kept alive: connected within a time, restarted when it breaks, disabled when that is in vain.

One task owns the connection (`run`); calls come from others. The SDK is imported when a server is first connected.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.agent.parts import Result
from gateway.agent.settings import ToolSettings
from gateway.agent.tools.results import result_of
from gateway.wire.text import visible

CONNECT_S = 30.0  # programs that fetch themselves first (npx, uvx) take their time
RESTARTS = 3  # in a row, after 1, 2 and 4 s
HEALTHY_S = 60.0  # of a life after which the count begins anew
TOOLS_LIMIT, PAGES_LIMIT = 128, 16
CALLS_AT_ONCE = 8

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerTool:
    """A tool as its server tells of it. `only_reads`: whether it says that it changes nothing; not told is no."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    only_reads: bool


class Way(Protocol):
    """How a server is reached: stdio.Program or http.Site."""

    gone: asyncio.Event
    problem: str

    def last_words(self) -> str: ...

    def streams(self) -> Any: ...


class Server:
    """A server of tools by its settings."""

    def __init__(
        self,
        settings: ToolSettings,
        agent: str,
        *,
        connect_s: float = CONNECT_S,
        pause_s: float = 1.0,
        way: Callable[[ToolSettings], Way] | None = None,
    ) -> None:
        """`pause_s`: before the first restart; each further one waits twice as long."""
        self.name, self._settings, self._agent = settings.name, settings, agent
        self._connect_s, self._pause_s, self._way_of = connect_s, pause_s, way or _way_of
        self.tools: tuple[ServerTool, ...] = ()  # none while it is not connected
        self.problem: str | None = None  # why it does not work; None also while it is first connected
        self._client: Any = None
        self._way: Way | None = None
        self._places = asyncio.Semaphore(CALLS_AT_ONCE)
        self.changed = asyncio.Event()  # set whenever `problem` changes

    async def run(self) -> None:
        """Keep it connected, until it is disabled. Cancelled, it ends the server."""
        clock, failures = asyncio.get_running_loop().time, 0
        while True:
            began = clock()
            reason = await self._live()
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise asyncio.CancelledError  # which the SDK lets get lost among other errors
            failures = 1 if clock() - began > HEALTHY_S else failures + 1
            if failures > RESTARTS:
                break
            pause_s = self._pause_s * 2.0 ** (failures - 1)
            self._note(f"{reason}; it is started again in {pause_s:g} s")
            await asyncio.sleep(pause_s)
        again = f"Correct agents/{self._agent}.yaml and save it, or restart ppai, to have it tried again"
        self._note(f"disabled: {reason}. {again}")

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Result:
        """Call one of its tools. Never raises but where it is cancelled: what goes wrong is said to the model."""
        client, way = self._client, self._way
        if client is None or way is None:
            return Result(f"{self.name} is not there now", is_error=True)
        async with self._places:
            calling = asyncio.create_task(self._ask(client, way, name, arguments))
            leaving = asyncio.create_task(way.gone.wait())
            try:
                await asyncio.wait((calling, leaving), return_when=asyncio.FIRST_COMPLETED)
                if not calling.done():
                    await asyncio.wait((calling,), timeout=0.2)  # what it sent last may be the answer
                return calling.result() if calling.done() else Result(f"{self.name} broke off", is_error=True)
            finally:
                for task in (calling, leaving):
                    task.cancel()

    async def _ask(self, client: Any, way: Way, name: str, arguments: Mapping[str, Any]) -> Result:
        from mcp.shared.exceptions import MCPError

        try:
            said = await client.call_tool(name, dict(arguments))
        except MCPError as error:
            if error.code == _CONNECTION_CLOSED or "session" in error.message.lower():
                way.problem = way.problem or "it broke off"
                way.gone.set()
                return Result(f"{self.name} failed: {way.problem}", is_error=True)
            return Result(f"{self.name} refused the call: {visible(error.message)[:500]}", is_error=True)
        except Exception as error:  # of the SDK, of its HTTP client, or of a result that is not of its own schema
            _log.debug("a call of a tool failed server=%s", self.name, exc_info=True)
            return Result(f"{self.name} failed: {visible(str(error))[:500] or type(error).__name__}", is_error=True)
        content = [block.model_dump(by_alias=True, mode="json") for block in said.content]
        return result_of(content, said.structured_content, is_error=bool(said.is_error))

    async def _live(self) -> str:
        """Connect, and wait until it is gone: why it is."""
        try:
            way = self._way_of(self._settings)
        except ImportError as error:
            return f"{error.name} is not installed: pip install 'ppai[agents]'"
        except Exception as error:  # a command or an address that cannot be: this server alone is disabled
            return visible(str(error))
        try:
            return await self._connected(way)
        except (Exception, BaseExceptionGroup) as error:
            inner = _first(error)
            if isinstance(inner, TimeoutError):
                return f"it did not speak MCP within {self._connect_s:g} s{_words_of(way)}"
            if way.gone.is_set() or way.problem:
                return _why_gone(way)
            return visible(str(inner))[:500] or type(inner).__name__
        finally:
            self._client, self._way, self.tools = None, None, ()

    async def _connected(self, way: Way) -> str:
        from mcp.client import Client

        connecting = asyncio.timeout(self._connect_s)
        async with connecting:
            client = Client(_Transport(way), cache=None)
            waiting = asyncio.create_task(way.gone.wait())
            try:
                async with client:
                    tools = await _listed(client)
                    connecting.reschedule(None)
                    self._client, self._way, self.tools = client, way, tools
                    self._note(None)
                    await waiting
            finally:
                waiting.cancel()
        return _why_gone(way)

    def _note(self, problem: str | None) -> None:
        self.problem = problem
        _log.debug("tools agent=%s server=%s: %s", self._agent, self.name, problem or f"{len(self.tools)} tools")
        self.changed.set()


class _Transport:
    """A way as the SDK wants it: an asynchronous context of streams."""

    def __init__(self, way: Way) -> None:
        self._streams = way.streams()

    async def __aenter__(self) -> Any:
        return await self._streams.__aenter__()

    async def __aexit__(self, *raised: Any) -> Any:
        return await self._streams.__aexit__(*raised)


_CONNECTION_CLOSED = -32000


def _way_of(settings: ToolSettings) -> Way:
    """Imports the SDK, which takes a second and 50 MB: for agents with tools alone."""
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # its lines hold what servers and models say
    from gateway.agent.tools.http import Site
    from gateway.agent.tools.stdio import Program

    return Program(settings.command, settings.env) if settings.command else Site(settings.url, settings.headers)


async def _listed(client: Any) -> tuple[ServerTool, ...]:
    """The tools that it tells of; they are settled until it is connected anew."""
    tools, cursor = list[ServerTool](), None
    for _ in range(PAGES_LIMIT):
        page = await client.list_tools(cursor=cursor)
        tools += [_as_tool(tool) for tool in page.tools]
        cursor = page.next_cursor
        if not cursor or len(tools) >= TOOLS_LIMIT:
            break
    return tuple(tools[:TOOLS_LIMIT])


def _as_tool(tool: Any) -> ServerTool:
    only_reads = tool.annotations is not None and tool.annotations.read_only_hint is True
    return ServerTool(tool.name, tool.description or tool.title or "", tool.input_schema or {}, only_reads)


def _first(error: BaseException) -> BaseException:
    """The first of grouped errors, as the SDK raises them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _why_gone(way: Way) -> str:
    return (way.problem or "it ended") + _words_of(way)


def _words_of(way: Way) -> str:
    said = way.last_words()
    return f" (its last words: {said})" if said else ""


def problems_of(servers: Sequence[Server]) -> tuple[str, ...]:
    """One line for each that does not work."""
    return tuple(f"{server.name}: {server.problem}" for server in servers if server.problem)
