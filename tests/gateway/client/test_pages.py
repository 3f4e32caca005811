"""What is asked seldom: models, readiness, status, peers, an explained decision, and the owner's own calls."""

import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from discovery.records import Agent
from gateway.beliefs.belief import BeliefConfig
from gateway.beliefs.table import Beliefs
from gateway.capacity.door import Door
from gateway.capacity.rules import AdmissionConfig
from gateway.client.bodies import BODY_LIMIT_BYTES
from gateway.client.pages import pages_app
from gateway.client.running import RunningPeer
from gateway.engines.engine_state import EngineState
from gateway.home.weights import WeightsMissing
from gateway.measuring.profiles import Profiles
from gateway.models.names import NamesConfig
from gateway.peering.network import Network
from gateway.peering.probes import Peers
from gateway.routing.node import Node
from gateway.routing.policies import policy
from gateway.routing.policy import SchedulerConfig
from gateway.serving.dispatch import Dispatcher
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.route_log import RouteLog
from gateway.topics.reader import GateConfig, RelevanceReader
from gateway.upstream import Patience
from profiler.ladder import Ladder
from profiler.qagate import QAGate, shipped_gate
from tests.gateway.capacity.test_door import IdleEngine, ready
from tests.gateway.peering.test_network import network
from tests.peers import party

GATE = QAGate.load(shipped_gate())
OWNER = {"authorization": "Bearer tok"}
OWNERS_CALLS = ("/ppai/v1/approve", "/ppai/v1/revoke", "/ppai/v1/profile")


@dataclass
class Site:
    """The pages, with the parts behind them."""

    http: httpx.AsyncClient
    network: Network
    node: Node
    engine: IdleEngine
    cards_changed: list[bool]

    async def get(self, path: str) -> tuple[int, Any]:
        response = await self.http.get(path)
        return response.status_code, response.json()

    async def post(self, path: str, body: object, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        response = await self.http.post(path, content=content, headers=headers)
        return response.status_code, response.json()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with network(tmp_path / "ada") as place:
        scheduler = policy(SchedulerConfig())
        node = Node("ada", place.gossip, place.admission, scheduler, Beliefs(BeliefConfig()), np.random.default_rng(7))
        node.serve([Agent("org/small", "org/small", 4096)])
        place.publish(node.own_agents, 2)
        engine = IdleEngine(ready(2))
        engine.origin, engine.in_flight = "vLLM found on port 8000", 0  # type: ignore[attr-defined]
        gate = Door(engine, AdmissionConfig(), lambda: 0.0, node.own_mean_service_s)  # type: ignore[arg-type]
        telemetry, route_log, changed = Telemetry(), RouteLog(tmp_path / "route.jsonl"), list[bool]()
        with ThreadPoolExecutor(1) as worker:
            dispatcher = Dispatcher(
                NamesConfig(), Patience(1.0, 1.0, 1.0), node, gate, Peers(node, place.transport, lambda: 0.0, 1.0),
                RelevanceReader(GATE, no_encoder, worker), telemetry, route_log,
                clock=lambda: 0.0, wall_clock=lambda: 0.0,
            )  # fmt: skip
            running = RunningPeer(
                node, place, gate, Profiles(tmp_path / "profiles.json"), dispatcher, telemetry, route_log,
                "http://127.0.0.1:8470", "tok", lambda: 0.0, 0.0, lambda: changed.append(True),
                GateConfig(),
            )  # fmt: skip
            transport = httpx.ASGITransport(pages_app(running))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
                yield Site(http, place, node, engine, changed)


def no_encoder() -> Ladder:
    raise WeightsMissing("encoder", "there are none")


async def test_alive_is_not_ready(site: Site) -> None:
    assert (200, {"status": "ok"}) == await site.get("/health")
    assert (200, {"ready": True, "missing": []}) == await site.get("/ready")

    site.node.serve([])
    site.engine.state = EngineState("no engine yet")

    assert (503, {"ready": False, "missing": ["no engine yet"]}) == await site.get("/ready")
    assert (200, {"status": "ok"}) == await site.get("/health")


async def test_models_are_listed_and_found_by_name(site: Site) -> None:
    """Names have slashes in them."""
    _, listing = await site.get("/v1/models")
    status, entry = await site.get("/v1/models/org/small")

    assert ["auto", "org/small"] == [model["id"] for model in listing["data"]]
    assert (200, listing["data"][1]) == (status, entry)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/models/gpt-4o", 404, "model_not_found"),
        ("/v1/files", 404, "not_found"),
        ("/docs", 404, "not_found"),
        ("/ppai/v1/route", 405, "method_not_allowed"),
    ],
)
async def test_an_error_has_openai_s_form(site: Site, path: str, status: int, code: str) -> None:
    answered, body = await site.get(path)

    assert (status, code) == (answered, body["error"]["code"])
    assert {"message", "type", "param", "code"} == body["error"].keys()


async def test_metrics_are_prometheus_text(site: Site) -> None:
    response = await site.http.get("/metrics")

    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE ppai_requests_total counter" in response.text


async def test_status_tells_who_this_is_and_what_is_missing(site: Site, tmp_path: Path) -> None:
    async with party(tmp_path / "ben") as ben:
        site.network.gossip.learn([ben.gossip.own_card()], 0.0)
        _, status = await site.get("/ppai/v1/status")

    assert (site.network.identity.id, "ada", "http://127.0.0.1:8470") == (status["id"], status["name"], status["url"])
    assert ("tofu", ["127.0.0.1:8471"], ["ben"]) == tuple(
        status["network"][k] for k in ("admission", "addresses", "waiting")
    )
    assert (GATE.space, GATE.K) == (status["gate"]["space"], status["gate"]["prototypes"])
    assert ([], 1) == (status["missing"], len(status["say"]))
    assert "ppai approve" in status["say"][0]
    assert "tok" not in json.dumps(status).split()


async def test_peers_are_shown_with_rights_and_reasons(site: Site, tmp_path: Path) -> None:
    async with party(tmp_path / "ben") as ben:
        site.network.gossip.learn([ben.gossip.own_card()], 0.0)
        site.network.transport.endpoint.note_refusal(ben.id, "cleo", "another secret")
        _, (row,) = await site.get("/ppai/v1/peers")
        _, status = await site.get("/ppai/v1/status")

    expected = {"id": ben.id, "name": "ben", "rights": [], "agents": [], "running": None, "age_s": None, "slots": 0}
    assert expected.items() <= row.items()
    assert ("suspect", "no pulse yet", None) == (row["state"], row["reason"], row["path"])
    assert [{"id": ben.id, "name": "cleo", "why": "another secret"}] == status["network"]["refused"]


async def test_a_decision_is_explained_without_being_carried_out(site: Site) -> None:
    status, said = await site.post("/ppai/v1/route", {"text": "what is a prime?"})

    assert (200, {"peer": "ada", "agent": "org/small", "model": "org/small"}) == (status, said["target"])
    assert ("only_candidate", None, None) == (said["reason"], said["relevance"], said["category"])
    assert ["ada"] == [row["peer"] for row in said["candidates"]]
    assert [] == (await site.get("/ppai/v1/events"))[1]


async def test_an_explained_decision_takes_the_headers_of_a_real_one(site: Site) -> None:
    _, said = await site.post("/ppai/v1/route", {"text": "hi"}, {"x-ppai-beta": "0.5", "x-ppai-local-only": "1"})

    assert (0.5, "client") == (said["beta_per_s"], said["reason"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"hello", 400),
        (b'{"text":7}', 400),
        (b'{"text":"\xff"}', 400),
        (b'{"text":"hi","model":"gpt-4o"}', 404),
        (b'{"text":"hi","max_tokens":-1}', 400),
        (b" " * (BODY_LIMIT_BYTES + 1), 413),
    ],
    ids=["empty", "no JSON", "no text", "no UTF-8", "unknown model", "negative", "too large"],
)
async def test_a_malformed_question_is_told_so(site: Site, body: bytes, status: int) -> None:
    answered, said = await site.post("/ppai/v1/route", body)

    assert status == answered
    assert said["error"]["message"]


@pytest.mark.parametrize("path", OWNERS_CALLS)
@pytest.mark.parametrize("token", ["", "Bearer", "Bearer ", "Bearer tok2", "Bearer TOK", "Basic tok", "Bearer t\xf6k"])
async def test_the_owner_s_calls_are_the_owner_s(site: Site, path: str, token: str) -> None:
    """Whoever reaches the port may ask; whoever reads the home may decide."""
    headers = {"authorization": token.encode("latin-1")} if token else {}

    response = await site.http.post(path, content=b'{"who":"ben"}', headers=headers)

    assert (401, "not_the_owner") == (response.status_code, response.json()["error"]["code"])
    assert frozenset() == site.network.admission.approved()


async def test_the_owner_approves_and_revokes(site: Site, tmp_path: Path) -> None:
    """By name; the roster follows at once."""
    async with party(tmp_path / "ben") as ben:
        site.network.gossip.learn([ben.gossip.own_card()], 0.0)

        approved = await site.post("/ppai/v1/approve", {"who": "ben"}, OWNER)
        revoked = await site.post("/ppai/v1/revoke", {"who": ben.id[:8]}, OWNER)

    assert (200, {"peer": ben.id, "rights": ["answer", "ask"]}) == approved
    assert (200, {"peer": ben.id, "rights": []}) == revoked


async def test_approving_nobody_is_a_404_with_the_names_known(site: Site) -> None:
    status, said = await site.post("/ppai/v1/approve", {"who": "zoe"}, OWNER)

    assert (404, "peer_not_found", "who") == (status, said["error"]["code"], said["error"]["param"])
    assert "zoe" in said["error"]["message"]


def profile(**changes: object) -> dict[str, object]:
    good = {"space": GATE.space, "agent": "org/small", "capability": [0.5] * GATE.K, "evidence": [1] * GATE.K}
    return {**good, **changes}


async def test_a_published_profile_changes_our_card(site: Site) -> None:
    status, said = await site.post("/ppai/v1/profile", profile(), OWNER)

    assert (200, True, site.network.version) == (status, said["published"], said["seq"])
    assert [True] == site.cards_changed


@pytest.mark.parametrize(
    "changes",
    [{"space": "another"}, {"agent": "gpt-4o"}, {"capability": [0.5] * 3, "evidence": [1] * 3}],
    ids=["space", "agent", "length"],
)
async def test_a_bad_profile_changes_nothing(site: Site, changes: dict[str, object]) -> None:
    status, said = await site.post("/ppai/v1/profile", profile(**changes), OWNER)

    assert 400 == status
    assert said["error"]["message"]
    assert [] == site.cards_changed
