"""The doors before our engines: which of them serves an agent, and what they are together for other peers.

Each engine has a door of its own (door.py), so that a slow or broken one keeps nobody from the others. Engines are
numbered as they come up, from 0; while only one ever did, its number is WHOLE, and nothing tells it from the peer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from discovery.records import WHOLE, AdmissionState, Agent, PeerId, Pulse
from gateway.beliefs.jobs import Doing
from gateway.capacity.door import Door
from gateway.capacity.rules import EngineLoad, loads_together, most_open, pulses_together
from gateway.upstream import Personal, Upstream


@dataclass(frozen=True, slots=True)
class Served:
    """One engine that serves an agent: its number, its door, and what it calls the model."""

    engine: int
    door: Door
    model: str
    personal: Personal | None = None  # what stands before the engine, where the agent is no bare model

    @property
    def is_cold(self) -> bool:
        """Whether its engine would have to load the model first."""
        return self.model in self.door.engine.state.cold

    @property
    def loading(self) -> float | None:
        """How much of the model its engine has loaded, 0 to 1, while it loads it."""
        return next((each.loading for each in self.door.engine.state.models if each.name == self.model), None)

    def over(self, engine: Upstream, *, is_own: bool) -> Upstream:
        """This engine as the agent asks it (gateway.upstream.Personal)."""
        return engine if self.personal is None else self.personal.over(engine, is_own=is_own)


class Doors:
    """All of them, in the order of the settings."""

    def __init__(self, doors: Sequence[Door]) -> None:
        self.all = tuple(doors)
        self.up = self.all[:1]  # those whose engine ever answered, by their number; the first of all while none has
        self._has_been_up: frozenset[Door] = frozenset()
        self._serving: dict[str, tuple[Served, ...]] = {}  # by agent

    def note_ready(self) -> None:
        """An engine was looked at: one that answers for the first time gets its number."""
        new = [door for door in self.all if door not in self._has_been_up and door.engine.state.is_ready]
        if new:
            self.up = (*(self.up if self._has_been_up else ()), *new)
            self._has_been_up = frozenset(self.up)

    def number_of(self, door: Door) -> int:
        """The number of the door's engine, as our own agents have it."""
        return self.up.index(door) if len(self.up) > 1 and door in self.up else WHOLE

    def serve(self, agents: Sequence[Agent], personal: Mapping[str, Personal] = {}) -> None:
        """Which engines serve each agent, from now on: an agent of several stands in `agents` once an engine.

        `personal`: those of them that are no bare models, by name.
        """
        serving: dict[str, tuple[Served, ...]] = {}
        for agent in agents:
            door, model = self.door_of(agent.engine), agent.base or agent.model
            served = Served(agent.engine, door, model, personal.get(agent.name))
            serving[agent.name] = (*serving.get(agent.name, ()), served)
        self._serving = serving

    @property
    def serving(self) -> dict[str, Served]:
        """By agent, the engine that serves it; of replicas the first."""
        return {agent: served[0] for agent, served in self._serving.items()}

    def of(self, agent: str, suits: Callable[[Served], bool] = lambda served: True) -> Served | None:
        """The engine that serves the agent; of replicas the one with the fewest jobs a slot. None where none does.

        Of replicas those that suit come before the others.
        """
        serving = self._serving.get(agent, ())
        if len(serving) > 1:
            serving = tuple(filter(suits, serving)) or serving
        if len(serving) == 1:
            return serving[0]
        return min(serving, key=lambda served: _jobs_per_slot(served.door.load), default=None)

    def at(self, agent: str, engine: int, model: str) -> Served:
        """The agent as the engine of this number serves it; where it went meanwhile, the bare `model` there."""
        for served in self._serving.get(agent, ()):
            if served.engine == engine:
                return served
        return Served(engine, self.door_of(engine), model)

    def door_of(self, engine: int) -> Door:
        """The door of the engine of this number; WHOLE: of the only one."""
        return self.up[0 if engine == WHOLE else engine]

    @property
    def shown(self) -> tuple[Door, ...]:
        """Those that a person is told of: of engines that are named, or were found; without any, of the last."""
        return tuple(door for door in self.all if door.engine.is_there) or self.all[-1:]

    @property
    def problem(self) -> str | None:
        """Why no engine answers, in words of the first; None while one does."""
        if any(door.engine.state.is_ready for door in self.all):
            return None
        return self.shown[0].engine.state.problem or "the engine serves no model"

    @property
    def load(self) -> EngineLoad:
        """What all engines do together that answer; without any, what the first does."""
        return loads_together([door.load for door in self._answering])

    @property
    def loads(self) -> list[EngineLoad]:
        """What each of several engines does, by its number; nothing while there is only one."""
        return [door.load for door in self.up] if len(self.up) > 1 else []

    @property
    def admission(self) -> AdmissionState:
        """The most open door's."""
        return most_open(door.admission for door in self.up)

    @property
    def cold(self) -> tuple[str, ...]:
        """Agents whose model every engine that serves them would have to load first."""
        cold = {door: set(door.cold) for door in self.up}
        agents = [
            agent
            for agent, serving in self._serving.items()
            if serving and all(served.model in cold.get(served.door, ()) for served in serving)
        ]
        return tuple(sorted(agents))

    def loads_for_others(self, agent: str) -> bool:
        """Whether an engine that serves the agent loads a model because another peer asks."""
        return any(served.door.loads_for_others for served in self._serving.get(agent, ()))

    @property
    def doing(self) -> list[Doing]:
        """What each engine does, by its number: kept as it is."""
        return [door.doing for door in self.up]

    def pulse(self, me: PeerId) -> Pulse:
        """How we are doing, as others may know it; id, gen and seq are the publisher's."""
        pulses = {door: door.pulse(me) for door in self.up}
        return pulses_together([*pulses.values()], [pulses[door] for door in self._answering])

    def look_around(self) -> None:
        """Another peer may have room again: the first in each line look for it."""
        for door in self.all:
            door.look_around()

    def admit_waiting(self) -> None:
        """Let those in whose turn has come: called when an engine's state was read."""
        for door in self.all:
            door.admit_waiting()

    @property
    def _answering(self) -> tuple[Door, ...]:
        return tuple(door for door in self.up if door.engine.state.is_ready) or self.up[:1]


def _jobs_per_slot(load: EngineLoad) -> float:
    return (load.running + load.waiting) / load.slots
