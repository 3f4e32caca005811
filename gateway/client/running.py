"""The running peer, as the pages of the client side see it. runtime/peer.py builds it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from discovery.records import Domain
from gateway.agent.owned.agents import PersonalAgents
from gateway.agent.owned.consent import Others
from gateway.capacity.doors import Doors
from gateway.capacity.sharing import Sharing
from gateway.client.page.entry import Entry
from gateway.measuring.feedback import Feedback
from gateway.measuring.owned.coming import Coming
from gateway.measuring.profiles import Profiles
from gateway.peering.invitations import Invitations
from gateway.peering.network import Network
from gateway.peering.settling import Settling
from gateway.routing.node import Node
from gateway.serving.dispatch import Dispatcher
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.route_log import RouteLog
from gateway.topics.reader import GateConfig


class Measuring(Protocol):
    """How our agents are measured (gateway/measuring/asking.py)."""

    def progress(self) -> dict[str, Any]:
        """How far it is."""
        ...

    def makes(self) -> Mapping[str, str]:
        """Our agents now, each with its make (profiler/answers.py)."""
        ...

    async def fold_now(self, agent: str) -> Domain:
        """Publish what an agent's owner found with his questions. Raises InvalidRequest."""
        ...

    async def coming(self, agent: str) -> Coming:
        """Which questions would come to an agent by its topics. Raises InvalidRequest."""
        ...


class Examine(Protocol):
    """What is wrong with this peer, its machine and its network (gateway/doctor/examining.py); it blocks."""

    def __call__(
        self,
        status: Mapping[str, Any],
        peers: Sequence[Mapping[str, Any]],
        ask: Callable[[Mapping[str, object]], str],
        looks: Sequence[Mapping[str, Any]],
    ) -> Sequence[Any]:
        """Findings: dataclasses. `ask`: a chat request for our own engine; what went wrong, or ""."""
        ...


@dataclass(frozen=True, slots=True)
class Workers:
    """Processes that pass answers on in this one's place (gateway/workers)."""

    wanted: int
    running: int
    ended: int  # that were replaced


@dataclass(frozen=True, slots=True)
class RunningPeer:
    """What the pages read, and the few things that the owner may change."""

    node: Node
    network: Network
    doors: Doors
    profiles: Profiles
    dispatcher: Dispatcher
    telemetry: Telemetry
    route_log: RouteLog
    url: str  # of the client side
    entry: Entry  # who counts as the owner
    clock: Callable[[], float]  # monotonic seconds
    began: float  # by that clock
    cards_changed: Callable[[], None]  # to be called when our agents' vectors have changed
    gate: GateConfig
    feedback: Feedback
    measuring: Measuring
    personal: PersonalAgents
    other_peers: Callable[[], Others]  # whom the owner may mean where he says who may use an agent
    invitations: Invitations
    sharing: Sharing  # whether others may use our engines now
    settling: Settling  # what each other peer and we gave each other
    stop: Callable[[], None]  # has this peer end, as SIGTERM does
    examine: Examine
    workers: Callable[[], Workers | None] = lambda: None  # None: this process does all
