"""The running peer, as the pages of the client side see it. runtime.py builds it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.capacity.doors import Doors
from gateway.measuring.feedback import Feedback
from gateway.measuring.profiles import Profiles
from gateway.peering.network import Network
from gateway.routing.node import Node
from gateway.serving.dispatch import Dispatcher
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.route_log import RouteLog
from gateway.topics.reader import GateConfig


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
    token: str  # the owner's
    clock: Callable[[], float]  # monotonic seconds
    began: float  # by that clock
    cards_changed: Callable[[], None]  # to be called when our agents' vectors have changed
    gate: GateConfig
    feedback: Feedback
    measuring: Callable[[], dict[str, Any]]  # how far our agents are measured
