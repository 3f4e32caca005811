"""All personal agents of this peer: read from their files, followed when those change, asked when they are due.

A shell: what a file says is read by files.py, what is served by rows.py, who may use it by consent.py. What an agent
knows and does is opened when its file is read, and closed when the file changes or goes.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discovery.records import Agent, PeerId
from gateway.agent.owned.consent import Others, is_for_all, may_use, named
from gateway.agent.owned.files import Read, Stamp, files_in, read_all, stamp_of
from gateway.agent.owned.rows import Rows, personal_rows
from gateway.agent.parts import Acts, Knows
from gateway.agent.settings import AgentSettings

if TYPE_CHECKING:  # loaded with the first agent
    from gateway.agent.agent import PersonalAgent

LOOK_S = 2.0  # between two looks at the files
TOOLS_SHARE = 4  # tools may take one part in so many of the context


@dataclass(frozen=True, slots=True)
class Parts:
    """What one agent has beside its prompt."""

    knows: Knows | None = None
    acts: Acts | None = None
    runs: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = ()  # what is to run while the agent is there
    close: Callable[[], None] = lambda: None  # called once none of it runs any more; blocking
    problems: Callable[[], Sequence[str]] = lambda: ()  # what does not work now, each with its remedy
    progress: Callable[[], Mapping[str, Any]] = dict  # how far its documents are read


OpenParts = Callable[[str, AgentSettings], Parts]


def no_parts(name: str, settings: AgentSettings) -> Parts:
    """Of an agent with a prompt alone."""
    return Parts()


@dataclass(slots=True)
class _Opened:
    """The parts of an agent, and the tasks that serve them."""

    parts: Parts
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, tasks: asyncio.TaskGroup, name: str) -> None:
        if not self.tasks:
            self.tasks = [tasks.create_task(run(), name=f"agent {name}") for run in self.parts.runs]

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.to_thread(self.parts.close)


class PersonalAgents:
    """Those whose files can be read, by name; touched on the event loop only."""

    def __init__(
        self,
        folder: Path,
        say: Callable[[str], None],
        open_parts: OpenParts = no_parts,
        forget: Callable[[frozenset[str]], None] = lambda names: None,
    ) -> None:
        """`say` is given each problem once, with its remedy. `forget(names)`: only these have a file any more."""
        self.folder, self._say, self._open_parts, self._forget = folder, say, open_parts, forget
        self.agents: dict[str, PersonalAgent] = {}
        self.unread: dict[str, str] = {}  # by name, why a file cannot be used
        self.unserved: dict[str, str] = {}  # by name, why no engine answers as it
        self._contexts: dict[str, int] = {}  # by name, tokens that its prompt leaves; 0: not told
        self._opened: dict[str, _Opened] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._stamp: Stamp | None = None
        self._said: dict[str, str] = {}
        self._with_tools: frozenset[str] = frozenset()  # models whose engines let them call tools
        self._lost_tools: set[str] = set()  # of them, those that refused to when they were asked

    async def run(self, changed: Callable[[], None]) -> None:
        """Follow the files until cancelled; `changed` is called when an agent is another, new or gone."""
        async with asyncio.TaskGroup() as self._tasks:
            self._start()
            while True:
                await asyncio.sleep(LOOK_S)
                if await self.look():
                    changed()
                for name, opened in self._opened.items():
                    self._tell({problem: f"agent `{name}`: {problem}" for problem in opened.parts.problems()})

    async def look(self) -> bool:
        """Read the files if one of them changed; whether one did."""
        stamp = await asyncio.to_thread(stamp_of, self.folder)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        await self._take(await asyncio.to_thread(read_all, self.folder))
        await asyncio.to_thread(self._forget, frozenset(path.stem for path in files_in(self.folder)))
        return True

    async def close(self) -> None:
        """End what serves them."""
        await self._take(Read())

    def rows(
        self,
        models: Sequence[Agent],
        engines: Mapping[str, int],
        measured: Callable[[Agent], Agent] = lambda agent: agent,
    ) -> tuple[Agent, ...]:
        """What can be served now, see rows.py; what cannot is said once, and not while no engine answers at all.

        `measured` adds what is known of how good an agent is.
        """
        if not models:
            return ()
        rows: Rows = personal_rows(self.settings, models, engines)
        self._with_tools = frozenset(model.model for model in models if "tools" in model.modalities)
        self._lost_tools &= self._with_tools
        self.unserved = rows.problems
        self._contexts = {row.name: row.context_tokens for row in rows.agents}
        self._tell({name: f"agent `{name}`: {problem}" for name, problem in rows.problems.items()})
        return tuple(map(measured, rows.agents))

    @property
    def settings(self) -> dict[str, AgentSettings]:
        """What each file says."""
        return {name: agent.settings for name, agent in self.agents.items()}

    @property
    def not_for_all(self) -> frozenset[str]:
        """Names of those that some approved peer may not use: no card holds them."""
        return frozenset(name for name, one in self.settings.items() if not is_for_all(one.use))

    def may_use(self, name: str, peer: PeerId, others: Others) -> bool:
        """Whether a peer that has the right `ask` may use the agent; a bare model is for all who have it."""
        agent = self.agents.get(name)
        return agent is None or may_use(agent.settings.use, peer, others)

    def rules(self, others: Others) -> str:
        """Who may use what, as far as it is not the same for all: another text where it changes."""
        restricted = {
            name: (one.use, sorted({peer for who in one.use for peer in named(who, others)}))
            for name, one in self.settings.items()
        }
        return repr((sorted(restricted.items()), sorted(others.mine)))

    def problems_of(self, name: str) -> list[str]:
        """What of an agent does not work now, while the rest of it does."""
        from gateway.agent.tools.toolbox import tokens_of

        problems = list(self._opened[name].parts.problems()) if name in self._opened else []
        acts, context = self.agents[name].acts, self._contexts.get(name, 0)
        tokens = tokens_of(acts.offered(is_own=True)) if acts else 0
        if context and tokens * TOOLS_SHARE > context:
            problems.append(
                f"its tools take about {tokens} tokens of every request, and there are {context} for all: at most"
                f" {context // TOOLS_SHARE}; name those that it needs under `allow`"
            )
        return problems

    def progress_of(self, name: str) -> dict[str, Any]:
        """How far its documents are read; nothing of one without documents."""
        return dict(self._opened[name].parts.progress()) if name in self._opened else {}

    async def _take(self, read: Read) -> None:
        """Serve what was read: parts of agents that stay as they were stay open."""
        self.unread = read.problems
        self._tell(read.problems)
        old = self.agents
        kept = {name for name, one in read.settings.items() if name in old and old[name].settings == one}
        self.agents = {name: agent for name, agent in old.items() if name in kept}
        closing = [self._opened.pop(name) for name in list(self._opened) if name not in kept]
        await asyncio.gather(*(opened.close() for opened in closing))
        self.agents = {name: self._agent(name, settings) for name, settings in read.settings.items()}
        self._start()

    def _agent(self, name: str, settings: AgentSettings) -> "PersonalAgent":
        from gateway.agent.agent import PersonalAgent

        if name in self.agents:
            return self.agents[name]
        parts = self._open_parts(name, settings)
        self._opened[name] = _Opened(parts)
        return PersonalAgent(name, settings, parts.knows, parts.acts, self._takes_tools, self._lost)

    def _start(self) -> None:
        if self._tasks is not None:
            for name, opened in self._opened.items():
                opened.start(self._tasks, name)

    def _takes_tools(self, model: str) -> bool:
        return model in self._with_tools and model not in self._lost_tools

    def _lost(self, model: str, said: str) -> None:
        """An engine said that a model takes no tools: it is asked in the other form until it comes anew."""
        self._lost_tools.add(model)
        words = f"the model `{model}` takes no tools any more: let its engine parse calls again; it says: {said[:200]}"
        self._tell({f"tools of {model}": words})

    def _tell(self, problems: Mapping[str, str]) -> None:
        """Say what was not said of them before."""
        for key, problem in problems.items():
            if self._said.get(key) != problem:
                self._said[key] = problem
                self._say(problem)
