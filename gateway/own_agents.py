"""What this peer serves: models of its engines and personal agents of its owner, told to node, doors and others."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from discovery.records import Agent, PeerId
from gateway.agent.owned.agents import PersonalAgents
from gateway.agent.owned.consent import Others as OtherPeers
from gateway.capacity.doors import Doors, Served
from gateway.engines.fleet import Fleet
from gateway.measuring.owned.configuring import configured
from gateway.measuring.owned.domains import Domains
from gateway.measuring.profiles import Profiles
from gateway.measuring.targets import Configured, Target
from gateway.peering.card import OwnEngine, distinct, in_order, own_agents
from gateway.peering.network import Network
from gateway.routing.node import Node

if TYPE_CHECKING:
    from gateway.agent.agent import PersonalAgent


class OwnAgents:
    """Our agents as they are now. `changed` is called whenever an engine, a file or a measurement may have changed."""

    def __init__(
        self,
        fleet: Fleet,
        doors: Doors,
        node: Node,
        network: Network,
        personal: PersonalAgents,
        profiles: Profiles,
        domains: Domains,
        first: Sequence[str],
    ) -> None:
        """`first`: names of agents of which others should hear first, see `own_agents`."""
        self._fleet, self._doors, self._node, self._network = fleet, doors, node, network
        self._personal, self._profiles, self._domains, self._first = personal, profiles, domains, first
        self._served: tuple[Agent, ...] = ()  # what our node knows of them
        self._served_personal: Mapping[str, PersonalAgent] = {}  # those of them that are no bare models

    def changed(self) -> None:
        """Our agents or their vectors may have changed: decide with them, and tell the others."""
        engines = [
            OwnEngine(engine.name, self._doors.number_of(door), engine.state, engine.config.last_resort)
            for engine, door in zip(self._fleet.engines, self._doors.all, strict=True)
        ]
        publish, personal = self._first, self._personal.agents
        models = own_agents(engines, self._profiles.of, publish)
        rows = self._personal.rows(models, {engine.name: engine.number for engine in engines}, self._measured)
        served = in_order((*models, *rows), publish)
        if served != self._served or personal is not self._served_personal:
            self._served, self._served_personal = served, personal
            self._doors.serve(served, personal)
            self._node.serve(served)
        others = self.other_peers()
        rules = self._personal.rules(others) if personal else ""
        self._network.publish(
            distinct(served), self._doors.load.slots, self._personal.not_for_all, rules,
            is_new=any(engine.is_new for engine in self._fleet.engines),
        )  # fmt: skip

    def targets(self) -> list[Target]:
        """Our agents, each with the engine that serves it."""
        models = {door: {model.name: model for model in door.engine.state.models} for door in self._doors.up}
        serving = self._doors.serving.items()
        return [
            Target(agent, models[served.door][served.model], served.door, self._configured(agent, served))
            for agent, served in serving
            if served.model in models[served.door]
        ]

    def other_peers(self) -> OtherPeers:
        """Whom the owner may mean where an agent's file says who may use it."""
        return OtherPeers(self._network.vouched, self._network.mine)

    def may_use(self, agent: str, peer: PeerId) -> bool:
        """Whether another peer, which may ask us, may use this agent."""
        return agent not in self._personal.agents or self._personal.may_use(agent, peer, self.other_peers())

    def _configured(self, agent: str, served: Served) -> Configured | None:
        """What stands before the model of an agent; None of a bare model."""
        personal = self._served_personal.get(agent)
        if personal is None:
            return None
        alone = (one.name for one in self._served if one.kind == "model" and one.model == served.model)
        bare = (one for one in alone if self._doors.serving[one].door is served.door)
        progress = self._personal.progress_of(agent)
        return configured(personal, served.model, next(bare, served.model), self._personal.folder, progress)

    def _measured(self, agent: Agent) -> Agent:
        """A personal agent with what was found when it was measured."""
        return replace(agent, profiles=self._profiles.of(agent.name), domain=self._domains.of(agent.name))
