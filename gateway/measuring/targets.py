"""Whom the idle peer measures: an agent of ours, bare or personal, and the engine that serves it."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.engines.engine_state import EngineModel, EngineState
from gateway.upstream import Personal, Upstream
from profiler.answers import make_of


class Engine(Upstream, Protocol):
    """An engine, and what is known of it."""

    @property
    def state(self) -> EngineState: ...


class Door(Protocol):
    """The door before an engine (gateway/capacity/door.py), as far as it is used here."""

    @property
    def engine(self) -> Engine: ...

    @property
    def quiet_s(self) -> float: ...

    @property
    def has_served(self) -> bool: ...

    def spare_turn(self) -> AbstractAsyncContextManager[Upstream]: ...


@dataclass(frozen=True, slots=True)
class Configured:
    """What a personal agent puts before its model, and what its owner wrote to measure it by."""

    personal: Personal
    digest: str  # of all that shapes its answers (gateway/agent/digest.py)
    base: str  # the agent that is its model alone
    questions: Path | None = None  # the owner's (profiler/owned.py)
    topics: tuple[str, ...] = ()
    is_read: bool = True  # whether its documents can all be searched by now

    @property
    def written(self) -> tuple[object, ...]:
        """Changes with the owner's questions and topics."""
        if self.questions is None:
            return (self.topics,)
        try:
            found = self.questions.stat()
            return self.topics, self.questions, found.st_mtime_ns, found.st_size
        except OSError:
            return self.topics, self.questions


@dataclass(frozen=True, slots=True)
class Target:
    """One agent of ours, and the engine that serves it."""

    agent: str  # as the network calls it
    model: EngineModel
    door: Door
    configured: Configured | None = None  # None: the bare model

    @property
    def make(self) -> str:
        """What its engine tells of the model, and how the agent is configured (profiler/answers.py)."""
        digest = self.configured.digest if self.configured else ""
        return make_of(self.model.parameters, self.model.quantisation, digest)

    @property
    def is_read(self) -> bool:
        """Whether the agent is what it will be: its documents can all be searched."""
        return self.configured is None or self.configured.is_read

    @property
    def state(self) -> tuple[object, ...]:
        """Changes with all that makes a question worth asking anew."""
        return self.agent, self.make, *(self.configured.written if self.configured else ())

    @property
    def alone(self) -> "Target":
        """Its model without what stands before it."""
        return Target(self.configured.base, self.model, self.door) if self.configured else self

    def over(self, engine: Upstream) -> Upstream:
        """The engine as the agent asks it for another peer, who is told of it: without tools that change anything."""
        return self.configured.personal.over(engine, is_own=False) if self.configured else engine
