"""All personal agents of this peer: read from their files, followed when those change, asked when they are due.

A shell: what a file says is read by files.py, what is served by rows.py, who may use it by consent.py. What an agent
knows and does is opened when its file is read, and closed when the file changes or goes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from discovery.records import Agent, PeerId
from gateway.agent.agent import PersonalAgent
from gateway.agent.owned.consent import Others, is_for_all, may_use, named
from gateway.agent.owned.files import Read, Stamp, read_all, stamp_of
from gateway.agent.owned.rows import Rows, personal_rows
from gateway.agent.parts import Acts, Knows
from gateway.agent.settings import AgentSettings

LOOK_S = 2.0  # between two looks at the files


async def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Parts:
    """What one agent has beside its prompt; `close` ends what serves it."""

    knows: Knows | None = None
    acts: Acts | None = None
    close: Callable[[], Awaitable[None]] = _nothing


OpenParts = Callable[[str, AgentSettings], Awaitable[Parts]]


async def no_parts(name: str, settings: AgentSettings) -> Parts:
    """Of an agent with a prompt alone."""
    return Parts()


class PersonalAgents:
    """Those whose files can be read, by name; touched on the event loop only."""

    def __init__(self, folder: Path, say: Callable[[str], None], open_parts: OpenParts = no_parts) -> None:
        """`say` is given each problem once, with its remedy."""
        self.folder, self._say, self._open_parts = folder, say, open_parts
        self.agents: dict[str, PersonalAgent] = {}
        self.unread: dict[str, str] = {}  # by name, why a file cannot be used
        self.unserved: dict[str, str] = {}  # by name, why no engine answers as it
        self._parts: dict[str, Parts] = {}
        self._stamp: Stamp | None = None
        self._said: dict[str, str] = {}

    async def run(self, changed: Callable[[], None]) -> None:
        """Follow the files until cancelled; `changed` is called when an agent is another, new or gone."""
        while True:
            await asyncio.sleep(LOOK_S)
            if await self.look():
                changed()

    async def look(self) -> bool:
        """Read the files if one of them changed; whether one did."""
        stamp = await asyncio.to_thread(stamp_of, self.folder)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        await self._take(await asyncio.to_thread(read_all, self.folder))
        return True

    async def close(self) -> None:
        """End what serves them."""
        await self._take(Read())

    def rows(self, models: Sequence[Agent], engines: Mapping[str, int]) -> tuple[Agent, ...]:
        """What can be served now, see rows.py; what cannot is said once, and not while no engine answers at all."""
        rows = Rows() if not models else personal_rows(self.settings, models, engines)
        if models:
            self.unserved = rows.problems
            self._tell({name: f"agent `{name}`: {problem}" for name, problem in rows.problems.items()})
        return rows.agents

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

    async def _take(self, read: Read) -> None:
        """Serve what was read: parts of agents that stay as they were stay open."""
        self.unread = read.problems
        self._tell(read.problems)
        old = self.agents
        kept = {name for name, one in read.settings.items() if name in old and old[name].settings == one}
        closing = [self._parts.pop(name) for name in list(self._parts) if name not in kept]
        agents: dict[str, PersonalAgent] = {}
        for parts in closing:
            await parts.close()
        for name, settings in read.settings.items():
            if name not in kept:
                self._parts[name] = await self._open_parts(name, settings)
            parts = self._parts[name]
            agents[name] = old[name] if name in kept else PersonalAgent(name, settings, parts.knows, parts.acts)
        self.agents = agents

    def _tell(self, problems: Mapping[str, str]) -> None:
        """Say what was not said of them before."""
        for key, problem in problems.items():
            if self._said.get(key) != problem:
                self._said[key] = problem
                self._say(problem)
