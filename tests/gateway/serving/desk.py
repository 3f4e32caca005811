"""Ada's dispatcher as tests of serving use it: her node, her door and her logs, and ben, whom she may ask."""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from discovery.records import WHOLE
from gateway.beliefs.expected import BeliefConfig
from gateway.beliefs.jobs import Outcome, Reservation
from gateway.beliefs.table import Beliefs
from gateway.capacity.door import Door
from gateway.capacity.rules import AdmissionConfig
from gateway.home.weights import WeightsMissing
from gateway.measuring.profiles import Profiles
from gateway.models.names import NamesConfig
from gateway.peering.card import OwnEngine, own_agents
from gateway.peering.probes import Peers
from gateway.privacy.rules import PrivacyConfig, Rule, Rules
from gateway.routing.choice import Candidate
from gateway.routing.course import CourseConfig
from gateway.routing.node import Node
from gateway.routing.policies import policy
from gateway.routing.policy import SchedulerConfig
from gateway.serving.dispatch import Dispatcher
from gateway.serving.translated import Adapters
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.otel import Tracing
from gateway.telemetry.route_log import RouteLog
from gateway.topics.reader import RelevanceReader
from gateway.upstream import Patience
from profiler.ladder import Ladder
from profiler.qagate import QAGate, shipped_gate
from tests.fakes import ScriptedEngine
from tests.gateway.serving.forwarding import Recorder
from tests.peers import AnsweringPeer, Party, answering_peer, doors_of, party, ready_engine

PATIENCE = Patience(first_event_s=300.0, idle_s=60.0, whole_s=600.0)
CHAT = {"messages": [{"role": "user", "content": "a secret question"}]}


class WatchedNode(Node):
    """A Node that counts what was reserved and how it ended."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.reserved: list[Reservation] = []
        self.outcomes: list[tuple[Reservation, Outcome]] = []

    def dispatch(self, candidate: Candidate, now: float) -> Reservation:
        self.reserved.append(super().dispatch(candidate, now))
        return self.reserved[-1]

    def observe(self, reservation: Reservation, outcome: Outcome, now: float) -> None:
        self.outcomes.append((reservation, outcome))
        super().observe(reservation, outcome, now)

    def check(self, *statuses: str) -> None:
        """Every reservation got exactly one outcome, and these are they, in order."""
        assert {1} >= set(Counter(id(reservation) for reservation, _ in self.outcomes).values())
        assert [id(r) for r in self.reserved] == [id(reservation) for reservation, _ in self.outcomes]
        assert [*statuses] == [outcome.status for _, outcome in self.outcomes]


@dataclass
class Desk:
    """Ada's dispatcher, her node, what she logs; and ben."""

    dispatcher: Dispatcher
    answered: list[tuple[str, str, str]]  # (request, peer, agent) of those that got their whole answer
    node: WatchedNode
    door: Door
    route_log: RouteLog
    telemetry: Telemetry
    me: Party
    ben: AnsweringPeer

    async def ask(self, headers: Mapping[str, str] | None = None, **fields: object) -> Recorder:
        client = Recorder()
        body = json.dumps({**CHAT, **fields}).encode()
        await self.dispatcher.answer("chat/completions", body, headers or {}, client, "r1")
        return client

    async def meet(self) -> None:
        """Ben is there, and they approve each other."""
        await self.me.transport.hello(self.ben.address)
        for one, other in ((self.me, self.ben), (self.ben, self.me)):
            one.admission.approve(other.id)


@asynccontextmanager
async def desk(
    home: Path,
    mine: ScriptedEngine | None,
    theirs: ScriptedEngine,
    names: NamesConfig | None = None,
    slots: int = 0,
    patience: Patience = PATIENCE,
    trusted: bool = True,
    their_slots: int = 8,
    course: CourseConfig | None = None,
    adapters: Adapters | None = None,
    rules: tuple[Rule, ...] = (),
    tracing: tuple[Tracing | None, Tracing | None] = (None, None),
    alone: bool = False,
    only: bool = False,
) -> AsyncIterator[Desk]:
    """Ada, in front of `mine` if she has an engine, and ben in front of `theirs`; they have approved each other.

    `slots`: of ada's engine; 0: it does not say. Without `trusted` ben's network is open, and he refuses fields of
    engines, as a peer of an older version does. `tracing`: hers and his. `alone`: they have not met yet. `only`: whom
    nobody competes with is chosen without a plan, as in a real peer.
    """
    async with (
        answering_peer(home / "ben", theirs, their_slots, trusted, 1.0, tracing[1]) as ben,
        party(home / "ada") as me,
        ready_engine(mine or ScriptedEngine(url="http://127.0.0.1:9"), slots) as engine,
    ):
        beliefs, rng = Beliefs(BeliefConfig()), np.random.default_rng(7)
        config = SchedulerConfig(exploration=0.0)
        node = WatchedNode(
            "ada", me.gossip, me.admission, policy(config), beliefs, rng, None, None, config if only else None
        )
        door = Door(engine, AdmissionConfig(), time.monotonic, node.own_mean_service_s)
        node.serve(own_agents([OwnEngine(engine.name, WHOLE, engine.state)], Profiles(home / "profiles.json").of))
        node.count_own([door.doing], 0.0)
        route_log, telemetry = RouteLog(home / "route.jsonl"), Telemetry()
        answered: list[tuple[str, str, str]] = []
        with ThreadPoolExecutor(1) as worker, closing(route_log):
            dispatcher = Dispatcher(
                names or NamesConfig(), course or CourseConfig(), patience, node, doors_of(door),
                Peers(node, me.transport, time.monotonic, 2.0),
                RelevanceReader(QAGate.load(shipped_gate()), _no_encoder, worker), telemetry, route_log,
                clock=time.monotonic, wall_clock=lambda: 1e9, rules=Rules(PrivacyConfig(rules), "/home/ada"),
                answered=lambda request, _, by, began: answered.append((request, by.peer_name, by.agent)),
                adapters=adapters, tracing=tracing[0],
            )  # fmt: skip
            found = Desk(dispatcher, answered, node, door, route_log, telemetry, me, ben)
            if not alone:
                await found.meet()
            yield found


def _no_encoder() -> Ladder:
    raise WeightsMissing("encoder", "there are none")


PICTURE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]


async def excluded(ada: Desk, body: bytes, headers: Mapping[str, str]) -> dict[str, str | None]:
    """Why who is no candidate."""
    choice = (await ada.dispatcher.decider.decide("chat/completions", body, headers, everybody=True)).choice
    return {candidate.peer_name: candidate.excluded for candidate in (*choice.order, *choice.rest)}
