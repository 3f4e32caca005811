"""The pages of one peer, asked over ASGI, with the real parts behind them."""

import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from discovery.records import Agent, Domain
from gateway.agent.owned.agents import PersonalAgents
from gateway.agent.owned.consent import Others
from gateway.beliefs.expected import BeliefConfig
from gateway.beliefs.table import Beliefs
from gateway.capacity.door import Door
from gateway.capacity.rules import AdmissionConfig
from gateway.capacity.sharing import Sharing
from gateway.client.page.entry import Entry
from gateway.client.page.showing import Showing
from gateway.client.page.watching import Watching
from gateway.client.pages import pages_app
from gateway.client.running import RunningPeer
from gateway.doctor.finding import Finding
from gateway.home.weights import WeightsMissing
from gateway.measuring.feedback import Feedback, LearningConfig
from gateway.measuring.owned.coming import Coming
from gateway.measuring.profiles import Profiles
from gateway.models.names import NamesConfig
from gateway.peering.invitations import Invitations
from gateway.peering.network import Network
from gateway.peering.probes import Peers
from gateway.peering.settling import Settling
from gateway.privacy.rules import PrivacyConfig, Rule, Rules
from gateway.routing.course import CourseConfig
from gateway.routing.node import Node
from gateway.routing.policies import policy
from gateway.routing.policy import SchedulerConfig
from gateway.serving.dispatch import Dispatcher
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.route_log import RouteLog
from gateway.topics.reader import GateConfig, RelevanceReader
from gateway.upstream import Patience
from gateway.wire.errors import InvalidRequest
from profiler.answers import make_of
from profiler.ladder import Ladder
from profiler.qagate import QAGate, shipped_gate
from tests.gateway.capacity.jobs import IdleEngine, ready
from tests.gateway.peering.test_network import network
from tests.peers import doors_of

GATE = QAGate.load(shipped_gate())
OWNER = {"authorization": "Bearer tok"}


@dataclass
class Site:
    """The pages, with the parts behind them."""

    http: httpx.AsyncClient
    network: Network
    node: Node
    engine: IdleEngine
    cards_changed: list[bool]
    feedback: Feedback
    observed: list[tuple[object, ...]]  # what was learnt from grades
    agents: Path  # where files of personal agents lie
    settling: Settling
    stops: list[bool]  # one for each time the owner wanted the peer to end
    running: RunningPeer
    watching: Watching

    async def get(self, path: str) -> tuple[int, Any]:
        response = await self.http.get(path)
        return response.status_code, response.json()

    async def post(self, path: str, body: object, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        response = await self.http.post(path, content=content, headers=headers)
        return response.status_code, response.json()


@dataclass(frozen=True)
class Unmeasured:
    """What measures agents, of which none was asked anything; of `porter` it knows what its owner found."""

    node: Node

    def progress(self) -> dict[str, Any]:
        return {"auto": "off", "questions": None, "agents": []}

    def makes(self) -> dict[str, str]:
        return {agent.name: make_of(agent.parameters, agent.quantisation) for agent in self.node.own_agents}

    async def fold_now(self, agent: str) -> Domain:
        if agent != "porter":
            raise InvalidRequest(f"`{agent}` was not asked", status=404, param="agent")
        return Domain(20, 0.9, 0.1, 1.0)

    async def coming(self, agent: str) -> Coming:
        return Coming((("Room 1?", 0.9), ("Room 2?", 0.1)), (("Hi", 0.0),))


@asynccontextmanager
async def opened(
    home: Path, *, as_stranger: bool = False, feedback: bool = True, rules: tuple[Rule, ...] = ()
) -> AsyncIterator[Site]:
    """Ada's pages, in front of an idle engine; `as_stranger`: asked by who has shown no key where one is needed;

    `feedback`: whether she learns from grades; `rules`: what may leave her machine.
    """
    async with network(home / "ada") as place:
        scheduler = policy(SchedulerConfig())
        node = Node("ada", place.gossip, place.admission, scheduler, Beliefs(BeliefConfig()), np.random.default_rng(7))
        node.serve([Agent("org/small", "org/small", 4096, place="here")])
        place.publish(node.own_agents, 2)
        engine = IdleEngine(ready(2))
        engine.origin, engine.not_adopted, engine.in_flight = "vLLM found on port 8000", (), 0  # type: ignore[attr-defined]
        sharing = Sharing(AdmissionConfig(), home / "paused.json")
        gate = Door(
            engine,  # type: ignore[arg-type]
            AdmissionConfig(),
            lambda: 0.0,
            node.own_mean_service_s,
            kept_shut=sharing.why,
        )
        node.count_own([gate.doing], 0.0)
        telemetry, route_log, changed = Telemetry(), RouteLog(home / "route.jsonl"), list[bool]()
        observed, stops = list[tuple[object, ...]](), list[bool]()
        learning = Feedback(LearningConfig(feedback), lambda *seen: observed.append(seen), b"key")
        personal = PersonalAgents(home / "agents", lambda said: None)
        with ThreadPoolExecutor(1) as worker, closing(route_log):
            dispatcher = Dispatcher(
                NamesConfig(), CourseConfig(), Patience(1.0, 1.0, 1.0), node, doors_of(gate),
                Peers(node, place.transport, lambda: 0.0, 1.0),
                RelevanceReader(GATE, no_encoder, worker), telemetry, route_log,
                clock=lambda: 0.0, wall_clock=lambda: 0.0, rules=Rules(PrivacyConfig(rules), "/home/ada"),
            )  # fmt: skip
            settling = Settling(place.gossip, place.transport, place.identity.sign, [], lambda rows: None, lambda: 0.0)
            entry = Entry("tok", lambda: 0.0, map("secret-{}".format, count()).__next__)
            running = RunningPeer(
                node, place, doors_of(gate), Profiles(home / "profiles.json"), dispatcher, telemetry, route_log,
                "http://127.0.0.1:8470", entry, lambda: 0.0, 0.0, lambda: changed.append(True),
                GateConfig(), learning, Unmeasured(node),
                personal, lambda: Others(place.vouched, place.mine),
                Invitations(place, home / "ada", b"", lambda kind, text: None), sharing,
                settling, lambda: stops.append(True), examine,
            )  # fmt: skip
            watching = Watching(Showing(running), "boot", lambda: 0.0)
            pages = pages_app(running, watching)

            async def asked(scope: Any, receive: Any, send: Any) -> None:
                await pages({**scope, "state": {"is_stranger": as_stranger}}, receive, send)

            transport = httpx.ASGITransport(asked)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
                yield Site(
                    http,
                    place,
                    node,
                    engine,
                    changed,
                    learning,
                    observed,
                    home / "agents",
                    settling,
                    stops,
                    running,
                    watching,
                )


def examine(status: Any, peers: Any, ask: Any, looks: Any) -> list[Finding]:
    """One finding about each that was handed over."""
    return [
        Finding("peer", True, f"{status['name']} with {len(peers)} peers, {len(looks)} looks"),
        Finding(
            "engine-answers", None, ask({"model": "no-such-model", "messages": [{"role": "user", "content": "hi"}]})
        ),
    ]


def no_encoder() -> Ladder:
    raise WeightsMissing("encoder", "there are none")
