"""The life of a request at the asking peer: ada and ben with their own engines, on loopback."""

import asyncio
import gc
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import median
from types import FunctionType, ModuleType

import numpy as np
import pytest
from aiohttp import web

from discovery.records import WHOLE, Agent
from gateway.beliefs.belief import BeliefConfig, Outcome, Reservation
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
from gateway.serving.dispatch import Decided, Dispatcher
from gateway.serving.translated import Adapters
from gateway.telemetry.metrics import Telemetry
from gateway.telemetry.otel import OtelConfig, Tracing
from gateway.telemetry.route_log import RouteLog
from gateway.telemetry.tracing import OpenTelemetry
from gateway.topics.reader import RelevanceReader
from gateway.upstream import Patience
from gateway.wire.bodies import ENDPOINTS
from gateway.wire.codec import LARGE_BYTES
from gateway.wire.errors import InvalidRequest
from profiler.ladder import Ladder
from profiler.qagate import QAGate, shipped_gate
from tests.collector import collecting
from tests.fakes import ScriptedEngine
from tests.gateway.serving.test_forward import Recorder
from tests.gateway.serving.test_translated import Shouting
from tests.peers import Party, answering_peer, doors_of, party, ready_engine

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
    ben: Party

    async def ask(self, headers: Mapping[str, str] | None = None, **fields: object) -> Recorder:
        client = Recorder()
        body = json.dumps({**CHAT, **fields}).encode()
        await self.dispatcher.answer("chat/completions", body, headers or {}, client, "r1")
        return client


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
) -> AsyncIterator[Desk]:
    """Ada, in front of `mine` if she has an engine, and ben in front of `theirs`; they have approved each other.

    `slots`: of ada's engine; 0: it does not say. Without `trusted` ben's network is open, and he refuses fields of
    engines, as a peer of an older version does. `tracing`: hers and his.
    """
    async with (
        answering_peer(home / "ben", theirs, their_slots, trusted, 1.0, tracing[1]) as ben,
        party(home / "ada") as me,
        ready_engine(mine or ScriptedEngine(url="http://127.0.0.1:9"), slots) as engine,
    ):
        beliefs, rng = Beliefs(BeliefConfig()), np.random.default_rng(7)
        node = WatchedNode("ada", me.gossip, me.admission, policy(SchedulerConfig(exploration=0.0)), beliefs, rng)
        door = Door(engine, AdmissionConfig(), time.monotonic, node.own_mean_service_s)
        node.serve(own_agents([OwnEngine(engine.name, WHOLE, engine.state)], Profiles(home / "profiles.json").of))
        await me.transport.hello(ben.address)
        for one, other in ((me, ben), (ben, me)):
            one.admission.approve(other.id)
        node.rights_changed()
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
            yield Desk(dispatcher, answered, node, door, route_log, telemetry, me, ben)


def _no_encoder() -> Ladder:
    raise WeightsMissing("encoder", "there are none")


@pytest.fixture
async def mine() -> AsyncIterator[ScriptedEngine]:
    async with ScriptedEngine(model="mine").serving() as engine:
        yield engine


@pytest.fixture
async def theirs() -> AsyncIterator[ScriptedEngine]:
    async with ScriptedEngine().serving() as engine:
        yield engine


# --- what no engine has an endpoint for ---


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("peer", ["local", "ben"])
async def test_what_no_engine_has_an_endpoint_for_is_said_as_a_chat(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, peer: str, stream: bool
) -> None:
    """Where an engine did not tell what it has, it was asked before."""
    for engine in (mine, theirs):
        engine.apis = {"responses": lambda body: web.HTTPNotFound()}
    body = json.dumps({"input": "hi", "stream": stream}).encode()
    async with desk(tmp_path, mine, theirs, adapters=Shouting()) as ada:
        client = Recorder()
        await ada.dispatcher.answer("responses", body, {"x-ppai-route": peer}, client, "r1")

    engine = {"local": mine, "ben": theirs}[peer]
    assert (200, "hi") == (client.status, engine.asked[-1]["messages"][0]["content"])
    assert b"ONE" in client.body and client.is_complete
    assert (b"event: done" in client.body) == stream


@pytest.mark.parametrize("kept", [{"store": True}, {"previous_response_id": "r"}, {"tools": [{"type": "web_search"}]}])
async def test_what_only_an_engine_of_that_endpoint_does_is_no_chat(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, kept: dict[str, object]
) -> None:
    mine.apis = {"responses": lambda body: web.HTTPNotFound()}
    body = json.dumps({"input": "hi", **kept}).encode()
    async with desk(tmp_path, mine, theirs, adapters=Shouting()) as ada:
        client = Recorder()
        await ada.dispatcher.answer("responses", body, {}, client, "r1")

    assert (404, "endpoint_not_served") == (client.status, json.loads(client.body)["error"]["code"])
    assert not any("messages" in asked for asked in (*mine.asked, *theirs.asked))


# --- who answers, and under which name ---


async def test_an_idle_engine_of_our_own_answers(tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine) -> None:
    """And the client is told who, why and at what price."""
    async with desk(tmp_path, mine, theirs) as ada:
        client = await ada.ask({"x-ppai-route": "auto"})

    assert (200, 1, 0) == (client.status, len(mine.asked), len(theirs.asked))
    told = {name: client.headers[name] for name in ("x-ppai-peer", "x-ppai-model", "x-ppai-reason", "x-ppai-attempts")}
    expected = {"x-ppai-peer": "ada", "x-ppai-model": "mine", "x-ppai-reason": "local_idle", "x-ppai-attempts": "1"}
    assert expected == told
    assert 0 <= float(client.headers["x-ppai-score"]) <= 1
    assert float(client.headers["x-ppai-cost-s"]) > 0
    assert client.headers["server-timing"].startswith("route;dur=")


async def test_the_local_engine_gets_the_client_s_bytes(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Fields that would not travel included."""
    body = b'{ "model":"mine" , "messages":[{"role":"user","content":"hi"}],"n":2, "user":"me","x":1.50}'
    async with desk(tmp_path, mine, theirs) as ada:
        await ada.dispatcher.answer("chat/completions", body, {}, Recorder(), "r1")

    assert [body] == mine.bodies


@pytest.mark.parametrize(("peer", "model"), [("local", "mine"), ("ben", "scripted-1")])
async def test_a_large_request_reaches_either_engine_with_its_fields_as_they_were(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, peer: str, model: str
) -> None:
    """It is read in threads, on both sides of a hop, and sent in pieces."""
    said = [{"role": "user", "content": "hi", "name": "x" * 2 * LARGE_BYTES}]
    messages = json.dumps(said, separators=(",", ":")).encode()
    body = b'{"seed" : 7,"messages":%b,"temperature":0.50}' % messages
    async with desk(tmp_path, mine, theirs) as ada:
        client = Recorder()
        await ada.dispatcher.answer("chat/completions", body, {"x-ppai-route": peer}, client, "r1")

    assert 200 == client.status
    assert [b'{"seed":7,"messages":%b,"temperature":0.50,"model":"%b"}' % (messages, model.encode())] == (
        mine.bodies + theirs.bodies
    )


async def test_a_mistake_in_a_large_request_is_named_as_in_a_small_one(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    async with desk(tmp_path, mine, theirs) as ada:
        with pytest.raises(InvalidRequest, match="Expected `float") as caught:
            await ada.ask(n="two", user="x" * LARGE_BYTES)

    assert (400, "n") == (caught.value.status, caught.value.param)


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (NamesConfig(), {"auto": "mine", "mine": "mine"}),
        (NamesConfig(aliases={"gpt-4o": "auto", "o1": "mine"}), {"gpt-4o": "gpt-4o", "o1": "o1"}),
        (NamesConfig(transparent=True), {"gpt-4o": "gpt-4o", "mine": "mine"}),
    ],
    ids=["plain", "aliases", "transparent"],
)
async def test_names(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, names: NamesConfig, shown: dict[str, str]
) -> None:
    """The engine is asked by its own name, and the reply bears the one the client knows."""
    async with desk(tmp_path, mine, theirs, names) as ada:
        replies = {asked: json.loads((await ada.ask(model=asked)).body)["model"] for asked in shown}

    assert shown == replies
    assert {"mine"} == {body["model"] for body in mine.asked}


async def test_the_same_model_under_another_name_is_asked_by_its_own_name(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    asked = "hf.co/somebody/Scripted-1-GGUF:Q4_K_M"
    async with desk(tmp_path, mine, theirs) as ada:
        client = await ada.ask(model=asked)

    assert ("ben", asked) == (client.headers["x-ppai-peer"], json.loads(client.body)["model"])
    assert (0, ["scripted-1"]) == (len(mine.asked), [body["model"] for body in theirs.asked])


@pytest.mark.parametrize(
    ("names", "asked", "shown"),
    [
        (NamesConfig(aliases={"coder": ("mine", "scripted-1")}), {"model": "coder"}, "coder"),
        (NamesConfig(), {"model": "mine", "models": ["nobody-s", "scripted-1"]}, "scripted-1"),
        (NamesConfig(), {"model": None, "models": ["mine", "auto"]}, "scripted-1"),
    ],
    ids=["alias", "models", "models alone"],
)
async def test_the_next_wish_is_asked_for_where_the_first_fails(
    tmp_path: Path,
    mine: ScriptedEngine,
    theirs: ScriptedEngine,
    names: NamesConfig,
    asked: dict[str, object],
    shown: str,
) -> None:
    """A list of models is not sent on: who answers was decided here."""
    async with desk(tmp_path, mine, theirs, names) as ada:
        at_once = await ada.ask(**asked)
        mine.status = 500
        failed_over = await ada.ask(**asked)

    assert ("ben", shown) == (failed_over.headers["x-ppai-peer"], json.loads(failed_over.body)["model"])
    assert "mine" == at_once.headers["x-ppai-model"]
    assert {"model", "models"} & theirs.asked[0].keys() == {"model"}


async def test_an_unknown_name_is_a_404_and_nobody_is_asked(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    async with desk(tmp_path, mine, theirs) as ada:
        with pytest.raises(InvalidRequest, match="`scripted-1`") as caught:
            await ada.ask(model="scripted-2")

        assert (404, "model_not_found") == (caught.value.status, caught.value.code)
        assert ([], ["refused"]) == (ada.node.reserved, [line["status"] for line in ada.route_log.tail])


async def test_another_s_model_is_asked_there(tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine) -> None:
    async with desk(tmp_path, mine, theirs) as ada:
        client = await ada.ask(model="scripted-1")

    assert ("ben", "scripted-1") == (client.headers["x-ppai-peer"], json.loads(client.body)["model"])
    assert (0, ["scripted-1"]) == (len(mine.asked), [body["model"] for body in theirs.asked])


# --- how far the owner's rules let a request go ---


CARD = "my card is 4242 4242 4242 4242"
SECRETS = Rule("secrets", "my machines", patterns=("card",))


def told(desk: Desk, place: str) -> None:
    """Ben, who is in her roster, tells where his engine runs."""
    assert "ben" in desk.node.roster.peer_names
    desk.node.hear_details(desk.ben.id, [Agent("scripted-1", "scripted-1", 4096, place=place)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("to", "mine", "place", "may"),
    [
        ("this machine", True, "here", False),
        ("my machines", False, "here", False),
        ("my machines", True, "here", True),
        ("my machines", True, "other host", False),
        ("my machines", True, "", False),  # it does not say where: that is no place of mine
        ("approved", False, "here", True),
        ("approved", False, "other host", True),
        ("approved", True, "cloud", False),  # somebody else's, whoever may ask it
        ("approved", False, "", False),
        ("anyone", False, "", True),
    ],
)
async def test_a_rule_says_who_may_be_asked(
    tmp_path: Path, theirs: ScriptedEngine, to: str, mine: bool, place: str, may: bool
) -> None:
    """Ada has no engine: ben is asked, or nobody is, and her client is told which rule says so."""
    rule = replace(SECRETS, to=to)  # type: ignore[arg-type]
    async with desk(tmp_path, None, theirs, rules=(rule,)) as ada:
        ada.me.admission.approve(ada.ben.id, mine=mine)
        told(ada, place)
        kept = await ada.ask(messages=[{"role": "user", "content": CARD}])
        free = await ada.ask()

    assert (200, 1 + may) == (free.status, len(theirs.asked))
    if may:
        assert 200 == kept.status
    else:
        assert (422, "privacy_rule") == (kept.status, kept.error["code"])
        assert "privacy:secrets" in str(kept.error["message"]) and f"`{to}`" in str(kept.error["message"])
        assert "4242" not in kept.body.decode()


@pytest.mark.parametrize("to", ["this machine", "my machines", "approved"])
async def test_what_a_rule_keeps_from_others_is_answered_here(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, to: str
) -> None:
    """Whatever the client asks for, and when its engine fails, too."""
    rule = replace(SECRETS, to=to)  # type: ignore[arg-type]
    async with desk(tmp_path, mine, theirs, rules=(rule,)) as ada:
        said = {"messages": [{"role": "user", "content": CARD}]}
        answered = await ada.ask(**said)
        pinned = await ada.ask({"x-ppai-route": "ben"}, **said)
        mine.status = 500
        failed = await ada.ask(**said)

    assert (200, "ada", "privacy:secrets") == (
        answered.status, answered.headers["x-ppai-peer"], answered.headers["x-ppai-reason"],
    )  # fmt: skip
    assert [422, 500] == [pinned.status, failed.status]
    assert [] == theirs.asked


@pytest.mark.parametrize("place", ["other host", "cloud"])
@pytest.mark.parametrize("to", ["this machine", "my machines"])
async def test_an_engine_of_ours_elsewhere_is_no_machine_of_mine(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, place: str, to: str
) -> None:
    """Also where its context seems too short for the request, and it would be tried all the same."""
    rule = replace(SECRETS, to=to)  # type: ignore[arg-type]
    async with desk(tmp_path, mine, theirs, rules=(rule,)) as ada:
        own = [replace(agent, place=place, context_tokens=16) for agent in ada.node.own_agents]  # type: ignore[arg-type]
        ada.node.serve(own)
        client = await ada.ask(messages=[{"role": "user", "content": f"{CARD} {'and so on ' * 40}"}])

    assert 422 == client.status
    assert [] == mine.asked + theirs.asked


async def test_a_peer_that_comes_while_a_request_waits_at_home_is_not_asked(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Nothing was looked at while nobody else was there."""
    mine.delay_s = 0.3
    async with desk(tmp_path, mine, theirs, slots=1, rules=(Rule("all"),)) as ada:
        ada.me.admission.revoke(ada.ben.id)
        ada.node.rights_changed()
        first = asyncio.create_task(ada.ask())
        await mine.until(lambda engine: engine.active == 1)
        second = asyncio.create_task(ada.ask())
        await asyncio.sleep(0)
        ada.me.admission.approve(ada.ben.id)
        ada.node.rights_changed()
        ada.door.look_around()
        clients = await asyncio.gather(first, second)

    assert [200, 200] == [client.status for client in clients]
    assert (2, 0) == (len(mine.asked), len(theirs.asked))


async def test_an_answer_that_breaks_off_goes_on_within_the_rule(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Ben has the same model; what was said so far would travel with the question."""
    mine.model, mine.cut_after = "scripted-1", 2
    async with desk(tmp_path, mine, theirs, rules=(SECRETS,)) as ada:
        client = await ada.ask(stream=True, messages=[{"role": "user", "content": CARD}])

    assert b'"error"' in client.body
    assert [] == theirs.asked


async def test_the_api_key_of_a_program_is_a_condition(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    body = json.dumps({**CHAT, "model": "scripted-1"}).encode()
    async with desk(tmp_path, mine, theirs, rules=(Rule("phone", keys=("phone",)),)) as ada:
        clients = {key: Recorder() for key in ("phone", "laptop")}
        for key, client in clients.items():
            await ada.dispatcher.answer("chat/completions", body, {}, client, "r1", key)

    assert {"phone": 422, "laptop": 200} == {key: client.status for key, client in clients.items()}


# --- what the client asks of PPAI itself ---


async def test_nothing_of_ppai_reaches_an_engine(tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine) -> None:
    """Neither ours nor, across a hop, another's; nor who the client is."""
    headers = {"x-ppai-beta": "0.5", "authorization": "Bearer key", "cookie": "c", "x-session-id": "s"}
    async with desk(tmp_path, mine, theirs) as ada:
        for peer in ("local", "ben"):
            await ada.ask({**headers, "x-ppai-route": peer}, user="alice", metadata={"ticket": "1"})

    for engine in (mine, theirs):
        assert 1 == len(engine.request_headers)
        assert not {"authorization", "cookie", "x-session-id"} & engine.request_headers[0].keys()
        assert not [name for name in engine.request_headers[0] if "ppai" in name]
    assert {"messages", "model"} == theirs.asked[0].keys()


async def test_the_client_s_word_counts(tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine) -> None:
    said: list[tuple[dict[str, str], dict[str, object], str, str]] = [
        ({"x-ppai-route": "ben"}, {}, "ben", "pinned"),
        ({"x-ppai-route": "local"}, {}, "ada", "pinned"),
        ({"x-ppai-route": "ada"}, {}, "ada", "pinned"),
        ({"x-ppai-local-only": "1"}, {}, "ada", "client"),
        ({"x-ppai-local-only": "0", "x-ppai-route": "ben"}, {}, "ben", "pinned"),
        ({}, {"best_of": 2}, "ada", "field:best_of"),
        ({}, {"chat_template": "x"}, "ada", "field:chat_template"),
    ]
    async with desk(tmp_path, mine, theirs) as ada:
        for headers, fields, peer, reason in said:
            client = await ada.ask(headers, **fields)

            assert (peer, reason) == (client.headers["x-ppai-peer"], client.headers["x-ppai-reason"])
    assert [sum(peer == name for _, _, peer, _ in said) for name in ("ada", "ben")] == [
        len(mine.asked),
        len(theirs.asked),
    ]


async def test_what_must_stay_on_this_machine_goes_to_no_engine_elsewhere(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Ada's own engine runs on another host. A pin to it alone is a wish for it, wherever it is."""
    async with desk(tmp_path, mine, theirs) as ada:
        ada.node.serve([replace(agent, place="other host") for agent in ada.node.own_agents])
        for mark in ("x-ppai-local-only", "x-ppai-local"):
            refused = await ada.ask({mark: "1"})
            pinned = await ada.ask({mark: "1", "x-ppai-route": "local"})

            assert (422, 422) == (refused.status, pinned.status)
            assert b"`engine.place: here`" in refused.body
        assert "ada" == (await ada.ask({"x-ppai-route": "local"})).headers["x-ppai-peer"]

    assert (1, 0) == (len(mine.asked), len(theirs.asked))


DEEP = {
    "chat/completions": b'{"messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":{"x":%s}}',
    "completions": b'{"prompt":"x","response_format":%s,"n":1}',
    "embeddings": b'{"input":"x","z":%s}',
    "responses": b'{"input":%s,"instructions":%s}',
    "messages": b'{"messages":[%s],"system":%s}',
    "messages/count_tokens": b'{"messages":[{"role":"user","content":%s}]}',
}


async def test_a_body_that_is_nested_deeply_is_a_400_or_read_at_any_depth_and_nothing_between(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Whatever the depth at which one of several readers of a body gives up."""
    refused = Counter[str]()
    async with desk(tmp_path, mine, theirs) as ada:
        for endpoint, depth in product(ENDPOINTS, (*range(890, 990), 100_000, 100_001)):
            nested = (b"[" * depth + b"]" * depth, b'{"content":' * depth + b'"x"' + b"}" * depth)[depth % 2]
            try:
                await ada.dispatcher.decide(endpoint, DEEP[endpoint].replace(b"%s", nested), {})
            except InvalidRequest as error:
                assert (400, "invalid_json") == (error.status, error.code)
                refused[endpoint] += 1

    assert {*ENDPOINTS} == {endpoint for endpoint, times in refused.items() if times > 1}


async def test_a_pin_that_cannot_be_followed_says_why(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Nobody else answers instead: the client named one."""
    asked: list[tuple[str, dict[str, str], dict[str, object], int, str, str]] = [
        ("", {"x-ppai-route": "ben"}, {"best_of": 2}, 422, "peer_field:best_of", "your own engine alone"),
        ("", {"x-ppai-route": "ben", "x-ppai-local-only": "1"}, {}, 422, "peer_client", "may not be sent there"),
        ("", {"x-ppai-route": "ben"}, {"model": "mine"}, 404, "peer_model", "see `ppai models`"),
        ("revoke", {"x-ppai-route": "ben"}, {}, 403, "peer_not_approved", "ppai approve "),
        ("suspect", {"x-ppai-route": "ben"}, {}, 503, "peer_suspect", "try again, or ask `auto`"),
    ]
    async with desk(tmp_path, mine, theirs) as ada:
        for prepare, headers, fields, status, code, said in asked:
            if prepare == "revoke":
                ada.me.admission.revoke(ada.ben.id)
                ada.node.rights_changed()
            if prepare == "suspect":
                ada.me.transport.suspect(ada.ben.id, "test")
            client = await ada.ask(headers, **fields)

            assert (status, code, "none") == (client.status, client.error["code"], client.headers["x-ppai-reason"])
            assert said in client.error["message"]
    assert ([], []) == (mine.asked, theirs.asked)


async def test_a_beta_that_is_no_price_is_refused(tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine) -> None:
    async with desk(tmp_path, mine, theirs) as ada:
        for beta in ("", "many", "-1", "nan", "inf", "1e10"):
            with pytest.raises(InvalidRequest, match="x-ppai-beta") as caught:
                await ada.ask({"x-ppai-beta": beta})

            assert (400, "x-ppai-beta") == (caught.value.status, caught.value.param)


async def test_beta_and_session_reach_the_decision(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    async with desk(tmp_path, mine, theirs) as ada:
        headers = {"x-ppai-beta": "0.25", "x-conversation-id": "c1"}
        routed = await ada.dispatcher.decide("chat/completions", json.dumps(CHAT).encode(), headers)

    assert (0.25, "c1") == (routed.choice.beta_per_s, routed.query.session)


# --- nobody to ask ---


async def test_without_an_engine_and_peers_the_problem_is_told(tmp_path: Path, theirs: ScriptedEngine) -> None:
    async with desk(tmp_path, None, theirs) as ada:
        ada.ben.gossip.leave(0.0)
        card = ada.ben.gossip.own_card()
        ada.me.gossip.learn([card], 0.0)
        client = await ada.ask()

    assert (503, "not_ready") == (client.status, client.error["code"])
    assert "127.0.0.1:9" in client.error["message"]
    assert "retry-after" in client.headers


async def test_without_an_engine_a_pin_to_it_tells_its_problem(tmp_path: Path, theirs: ScriptedEngine) -> None:
    """Though ben could answer: the client said `local`."""
    async with desk(tmp_path, None, theirs) as ada:
        client = await ada.ask({"x-ppai-route": "local"})

    assert (503, "not_ready") == (client.status, client.error["code"])
    assert "127.0.0.1:9" in client.error["message"]
    assert [] == theirs.asked


async def test_without_an_engine_a_peer_that_waits_to_be_approved_is_no_help(
    tmp_path: Path, theirs: ScriptedEngine
) -> None:
    """The engine's problem is what the user can do something about; of a pin, the approval is."""
    async with desk(tmp_path, None, theirs) as ada:
        ada.me.admission.revoke(ada.ben.id)
        ada.node.rights_changed()
        plain, pinned = await ada.ask(), await ada.ask({"x-ppai-route": "ben"})

    assert (503, "not_ready") == (plain.status, plain.error["code"])
    assert "127.0.0.1:9" in plain.error["message"]
    assert f"ppai approve {ada.ben.id}" in pinned.error["message"]


async def test_what_nobody_serves_is_said_so(tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine) -> None:
    """Our engine says that its model takes text alone; ben's card does not say more."""
    mine.models = b'{"data":[{"id":"mine","architecture":{"input_modalities":["text"]}}]}'
    async with desk(tmp_path, mine, theirs) as ada:
        with pytest.raises(InvalidRequest, match="nobody here takes image") as caught:
            await ada.ask(messages=PICTURE)

    assert (422, "capability_missing") == (caught.value.status, caught.value.code)


@pytest.mark.parametrize("endpoint", ["chat/completions", "responses", "messages"])
async def test_tools_are_refused_by_every_api_of_an_engine_that_says_it_has_none(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, endpoint: str
) -> None:
    """It would ignore them."""
    tool = {"type": "function", "function": {"name": "f"}} if endpoint == "chat/completions" else {"name": "f"}
    body = json.dumps({**CHAT, "input": "hi", "max_tokens": 5, "tools": [tool]}).encode()
    async with desk(tmp_path, mine, theirs) as ada:
        ada.me.admission.revoke(ada.ben.id)
        ada.node.serve([replace(ada.node.own_agents[0], modalities=("text",))])
        with pytest.raises(InvalidRequest, match="takes tools") as caught:
            await ada.dispatcher.answer(endpoint, body, {}, Recorder(), "r1")

    assert (422, "capability_missing", []) == (caught.value.status, caught.value.code, mine.asked)


async def excluded(ada: Desk, body: bytes, headers: Mapping[str, str]) -> dict[str, str | None]:
    """Why who is no candidate."""
    choice = (await ada.dispatcher.decide("chat/completions", body, headers, everybody=True)).choice
    return {candidate.peer_name: candidate.excluded for candidate in (*choice.order, *choice.rest)}


async def test_a_clients_retry_goes_to_another_peer_than_the_one_that_failed(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Cut off in mid-stream nobody else is asked, for the client has part of an answer: it tries again itself."""
    mine.cut_after = 2
    async with desk(tmp_path, mine, theirs) as ada:
        await ada.ask({"x-ppai-route": "ada"}, stream=True)
        body = json.dumps({**CHAT, "stream": True}).encode()
        first = await excluded(ada, body, {"x-stainless-retry-count": "0"})
        again = await excluded(ada, body, {"x-stainless-retry-count": "1"})
        answered = await ada.ask({"x-stainless-retry-count": "1"}, stream=True)

    assert (None, "retried") == (first["ada"], again["ada"])
    assert ("ben", "1") == (answered.headers["x-ppai-peer"], answered.headers["x-ppai-attempts"])
    assert answered.body.endswith(b"data: [DONE]\n\n")


async def test_a_model_whose_engine_died_is_not_ready_and_a_model_that_nobody_had_does_not_exist(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Ben is there all the while. An engine that comes back with another model has dropped the old one."""
    async with desk(tmp_path, mine, theirs) as ada:
        agents = ada.node.own_agents
        await ada.ask()
        ada.node.serve([])
        gone = await ada.ask(model="mine")
        with pytest.raises(InvalidRequest) as caught:
            await ada.ask(model="minr")
        ada.node.serve(agents)
        back = await ada.ask(model="mine")
        ada.node.serve([])
        ada.node.serve([replace(agents[0], name="next", model="next")])
        with pytest.raises(InvalidRequest, match="does not exist"):
            await ada.ask(model="mine")

    assert (503, "not_ready", "2") == (gone.status, gone.error["code"], gone.headers["retry-after"])
    assert "`mine`" in gone.error["message"] and "`ada` had it" in gone.error["message"]
    assert (404, "model_not_found") == (caught.value.status, caught.value.code)
    assert (200, []) == (back.status, theirs.asked)


async def test_a_model_of_a_peer_that_is_gone_names_the_peer(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """First it is silent, then it has left."""
    async with desk(tmp_path, mine, theirs) as ada:
        ada.me.transport.suspect(ada.ben.id, "test")
        silent = await ada.ask(model="scripted-1")
        ada.ben.gossip.leave(0.0)
        ada.me.gossip.learn([ada.ben.gossip.own_card()], 0.0)
        left = await ada.ask(model="scripted-1")

    for answer in (silent, left):
        assert (503, "not_ready", "2") == (answer.status, answer.error["code"], answer.headers["retry-after"])
        assert "`ben` had it" in answer.error["message"]


async def test_without_an_engine_of_our_own_others_answer(tmp_path: Path, theirs: ScriptedEngine) -> None:
    async with desk(tmp_path, None, theirs) as ada:
        client = await ada.ask()

    assert (200, "ben") == (client.status, client.headers["x-ppai-peer"])


# --- outcomes ---


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_is_one_reservation_and_one_outcome(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, stream: bool
) -> None:
    async with desk(tmp_path, mine, theirs) as ada:
        for peer in ("local", "ben"):
            await ada.ask({"x-ppai-route": peer}, stream=stream)

        ada.node.check("ok", "ok")
        assert [ada.me.id, ada.ben.id] == [outcome.peer_id for _, outcome in ada.node.outcomes]
        assert [stream] * 2 == [outcome.streamed for _, outcome in ada.node.outcomes]
        assert [4, 4] == [outcome.tokens for _, outcome in ada.node.outcomes]
        assert all(0 < outcome.ttft_s <= outcome.latency_s for _, outcome in ada.node.outcomes)
        assert not ada.node.beliefs[ada.ben.id].reservations


async def test_every_attempt_has_its_own(tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine) -> None:
    """Ours has a queue, so ben is asked; his engine is full, so ours answers."""
    mine.metrics = "vllm:num_requests_running 8.0\nvllm:num_requests_waiting 40.0\n"
    theirs.status = 503
    async with desk(tmp_path, mine, theirs) as ada:
        client = await ada.ask()

        ada.node.check("refused", "ok")
        assert [ada.ben.id, ada.me.id] == [outcome.peer_id for _, outcome in ada.node.outcomes]
        assert "closed" == ada.node.beliefs[ada.ben.id].admission
    assert (200, "ada", "2") == (client.status, client.headers["x-ppai-peer"], client.headers["x-ppai-attempts"])


@pytest.mark.parametrize(("answer", "ben_is"), [(500, "ok"), (200, "failed")], ids=["nobody answers", "another does"])
async def test_an_engines_error_convicts_it_only_where_another_engine_answers(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, answer: int, ben_is: str
) -> None:
    """Else the request may be the cause. `ok` without tokens frees the slot and teaches nothing."""
    mine.metrics = "vllm:num_requests_running 8.0\nvllm:num_requests_waiting 40.0\n"
    theirs.status, mine.status = 500, answer
    async with desk(tmp_path, mine, theirs) as ada:
        client = await ada.ask()

        told = {reservation.queue: outcome for reservation, outcome in ada.node.outcomes}
        assert (ben_is, 0) == (told[ada.ben.id].status, told[ada.ben.id].tokens)
        assert (1, 1) == (len(mine.asked), len(theirs.asked))
        assert (answer == 200) == (ada.node.beliefs[ada.ben.id].turns_seen > 0)
    assert answer == client.status


BROKEN: dict[str, dict[str, object]] = {
    "is loading": {"status": 503},
    "fails": {"status": 500},
    "does not know its model": {"status": 404},
    "closes": {"cut_after": 0},
    "hangs": {"delay_s": 30.0},
    "says 200 with an error": {"page": b'{"error":{"message":"out of memory"}}'},
    "says 200 with a page": {"page": b"<html>starting</html>"},
    "says 200 with nothing": {"page": b""},
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("broken", BROKEN)
async def test_an_idle_engine_of_our_own_that_is_broken_is_followed_by_another(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, broken: str, stream: bool
) -> None:
    """Every one of 20 is answered, the first within its time limit and the rest at once: ours is not idle any more."""
    for name, value in BROKEN[broken].items():
        setattr(mine, name, value)
    patience = Patience(first_event_s=0.2, idle_s=0.2, whole_s=0.2)
    async with desk(tmp_path, mine, theirs, patience=patience) as ada:
        answers, took_s = [], []
        for _ in range(20):
            began = time.monotonic()
            answers.append(await ada.ask(stream=stream))
            took_s.append(time.monotonic() - began)

    assert {(200, "ben")} == {(client.status, client.headers.get("x-ppai-peer")) for client in answers}
    assert 1 == len(mine.asked)
    assert took_s[0] < 5
    assert median(took_s[1:]) < 0.2


@pytest.mark.parametrize("peer", ["local", "ben"])
@pytest.mark.parametrize("window", ["before the first event", "mid-stream", "whole"])
async def test_who_hangs_up_leaves_one_outcome_and_a_free_engine(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, peer: str, window: str
) -> None:
    engine = mine if peer == "local" else theirs
    if window == "mid-stream":
        engine.token_s, engine.answer = 0.01, lambda body: "word " * 5000
    else:
        engine.delay_s = 30.0
    async with desk(tmp_path, mine, theirs) as ada:
        work = asyncio.create_task(ada.ask({"x-ppai-route": peer}, stream=window != "whole"))
        await engine.until(lambda e: e.active == 1)

        work.cancel()
        await asyncio.wait([work])
        await engine.until(lambda e: (0, 1) == (e.active, e.hung_up))

        assert work.cancelled()
        ada.node.check("cancelled")
        assert ["cancelled"] == [line["status"] for line in ada.route_log.tail]
        assert not ada.node.beliefs[ada.ben.id if peer == "ben" else ada.me.id].reservations


async def test_an_engine_that_breaks_is_one_failure(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    mine.cut_after = theirs.cut_after = 2
    async with desk(tmp_path, mine, theirs) as ada:
        for peer in ("local", "ben"):
            client = await ada.ask({"x-ppai-route": peer}, stream=True)
            assert b'"error"' in client.body

        ada.node.check("failed", "failed")


async def test_pulses_count_the_tokens_of_our_own_programs(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Busy time counts them too: others learn our speed from the two."""
    async with desk(tmp_path, mine, theirs) as ada:
        await ada.ask({"x-ppai-route": "local"})
        await ada.ask({"x-ppai-route": "ben"})  # that is ben's to count

        assert (7, 4) == (ada.door.tokens_in, ada.door.tokens_out)
        assert (7, 4) == (ada.ben.door.tokens_in, ada.ben.door.tokens_out)


# --- fields that a peer does not take ---


async def test_fields_of_engines_travel_and_defaults_stay_behind(tmp_path: Path, theirs: ScriptedEngine) -> None:
    """A laptop without an engine: what common clients send is answered elsewhere."""
    fields = {"top_k": 40, "n": 2, "logit_bias": {"5": 1}, "chat_template_kwargs": {"enable_thinking": False}}
    harmless = {"modalities": ["text"], "best_of": 1, "prompt_cache_retention": "24h", "user": "me"}
    async with desk(tmp_path, None, theirs) as ada:
        client = await ada.ask(**fields, **harmless)

    assert (200, [{**CHAT, **fields, "model": "scripted-1"}]) == (client.status, theirs.asked)


async def test_a_peer_that_does_not_take_a_field_is_passed_by_and_it_is_remembered(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """It is no worse for it: what holds no such field goes there as before."""
    mine.metrics = "vllm:num_requests_running 8.0\nvllm:num_requests_waiting 40.0\n"
    async with desk(tmp_path, mine, theirs, trusted=False) as ada:
        answers = [await ada.ask(top_k=40), await ada.ask(top_k=40, min_p=0.1), await ada.ask()]

        assert 0 < ada.node.beliefs[ada.ben.id].turns_seen <= 1  # the last one alone
        ada.node.check("ok", "ok", "ok", "ok")
        assert {"ben": "field:min_p+top_k", "ada": None} == await excluded(
            ada, json.dumps({**CHAT, "top_k": 1, "min_p": 0.1}).encode(), {}
        )
    told = [(each.status, each.headers["x-ppai-peer"], each.headers["x-ppai-attempts"]) for each in answers]
    assert [(200, "ada", "2"), (200, "ada", "1"), (200, "ben", "1")] == told


async def test_a_field_that_nobody_takes_is_a_422_that_says_who_would(tmp_path: Path, theirs: ScriptedEngine) -> None:
    """Never a 503: programs would try again. The first time by the peer's own word, then by what is remembered."""
    async with desk(tmp_path, None, theirs, trusted=False) as ada:
        answers = [await ada.ask(top_k=40), await ada.ask(top_k=40), await ada.ask(best_of=2), await ada.ask()]

    codes = [answer.error["code"] for answer in answers[:3]]
    assert [422, 422, 422, 200] == [answer.status for answer in answers]
    assert ["peer_unacceptable", "field_stays_here", "field_stays_here"] == codes
    assert "`top_k`" in answers[0].error["message"] and "field:top_k" in answers[1].error["message"]
    assert "newer version" in answers[1].error["message"] and "your own engine alone" in answers[2].error["message"]


# --- when nobody has room ---


async def held(ada: Desk, mine: ScriptedEngine, theirs: ScriptedEngine) -> tuple[asyncio.Task[Recorder], ...]:
    """Ada's one slot is taken, ben has refused: the second request waits at ada's own door."""
    mine.delay_s, theirs.status = 30.0, 503
    first = asyncio.create_task(ada.ask({"x-ppai-route": "local"}))
    await mine.until(lambda engine: engine.active == 1)
    second = asyncio.create_task(ada.ask())
    async with asyncio.timeout(5):
        while not (len(ada.node.reserved) == 2 and ada.door.load.waiting):
            await asyncio.sleep(0.005)
    return first, second


async def test_what_was_refused_everywhere_goes_to_who_has_room_again(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """A job of ours that ends at ben is the news: his door may be open again."""
    async with desk(tmp_path, mine, theirs, slots=1) as ada:
        busy, waiting = await held(ada, mine, theirs)
        theirs.status = 200

        await ada.ask({"x-ppai-route": "ben"})
        client = await asyncio.wait_for(waiting, 5)

        assert (1, 2) == (len(mine.asked), len(theirs.asked) - 1)
        assert (200, "ben", "2") == (client.status, client.headers["x-ppai-peer"], client.headers["x-ppai-attempts"])
        assert 2 == ada.route_log.tail[-1]["attempts"]
        assert ["refused", "ok", "ok"] == [outcome.status for _, outcome in ada.node.outcomes]
        busy.cancel()
        await asyncio.wait([busy])
        assert 0 == len(ada.node.beliefs[ada.me.id].reservations) + ada.door.load.waiting


async def test_a_peer_that_does_not_begin_is_left_for_who_is_free_by_then(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Ben said that he is idle, and is still silent when ada's own engine is: she waits for him no longer than due."""
    mine.delay_s = theirs.delay_s = 30.0
    async with desk(tmp_path, mine, theirs, slots=1) as ada:
        busy = asyncio.create_task(ada.ask({"x-ppai-route": "local"}))
        await mine.until(lambda engine: engine.active == 1)
        waiting = asyncio.create_task(ada.ask(stream=True))
        await theirs.until(lambda engine: engine.active == 1)
        mine.delay_s = 0.0
        busy.cancel()
        await asyncio.wait([busy])

        client = await asyncio.wait_for(waiting, 10)
        await theirs.until(lambda engine: engine.active == 0)

        assert (200, "ada", "2") == (client.status, client.headers["x-ppai-peer"], client.headers["x-ppai-attempts"])
        assert client.body.endswith(b"data: [DONE]\n\n")
        assert ["cancelled", "cancelled", "ok"] == [outcome.status for _, outcome in ada.node.outcomes]
        assert 0 == len(ada.node.beliefs[ada.ben.id].reservations) == len(ada.node.beliefs[ada.ben.id].late)
        told = ada.route_log.tail[-1]
        assert [("ben", "cancelled", "peer_late")] == [
            (one["peer"], one["status"], one["code"]) for one in told["tried"][:1]
        ]


async def test_what_waits_at_our_door_has_our_next_slot(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """And what it waited there was waiting for our engine: beliefs and log count it."""
    async with desk(tmp_path, mine, theirs, slots=1) as ada:
        busy, waiting = await held(ada, mine, theirs)
        mine.delay_s = 0.0
        await asyncio.sleep(0.05)

        busy.cancel()
        client = await asyncio.wait_for(waiting, 5)

        assert (200, "ada") == (client.status, client.headers["x-ppai-peer"])
        assert ada.route_log.tail[-1]["ttft_s"] >= 0.05
        assert ada.node.outcomes[-1][1].ttft_s >= 0.05


async def test_who_hangs_up_in_line_leaves_nothing_behind(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    async with desk(tmp_path, mine, theirs, slots=1) as ada:
        busy, waiting = await held(ada, mine, theirs)

        waiting.cancel()
        await asyncio.wait([waiting])

        assert ["refused", "cancelled"] == [outcome.status for _, outcome in ada.node.outcomes]
        assert "cancelled" == ada.route_log.tail[-1]["status"]
        assert (1, 0) == (ada.door.load.running, ada.door.load.waiting)
        busy.cancel()
        await asyncio.wait([busy])


async def full(ada: Desk, theirs: ScriptedEngine) -> list[asyncio.Task[Recorder]]:
    """All that ada may have at ben: one request in his engine, and one in line."""
    tasks = [asyncio.create_task(ada.ask({"x-ppai-route": "ben"})) for _ in range(2)]
    async with asyncio.timeout(5):
        while not (theirs.active and ada.ben.door.load.waiting):
            await asyncio.sleep(0.005)
    return tasks


async def test_a_pinned_peer_that_is_busy_is_waited_for(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """And asked as soon as it has room: nobody else answers, and nobody is turned away."""
    theirs.delay_s = 30.0
    async with desk(tmp_path, mine, theirs, their_slots=1) as ada:
        busy = await full(ada, theirs)
        waiting = asyncio.create_task(ada.ask({"x-ppai-route": "ben"}))
        async with asyncio.timeout(5):
            while [] == [outcome for _, outcome in ada.node.outcomes if outcome.status == "refused"]:
                await asyncio.sleep(0.005)
        theirs.delay_s = 0.0
        busy[0].cancel()
        client = await asyncio.wait_for(waiting, 5)

        await asyncio.wait(busy)
        assert not ada.node.beliefs[ada.ben.id].reservations
    assert (200, "ben", "pinned") == (client.status, client.headers["x-ppai-peer"], client.headers["x-ppai-reason"])
    assert 2 <= int(client.headers["x-ppai-attempts"]) <= 4
    assert [] == mine.asked


async def test_who_hangs_up_while_a_pinned_peer_is_waited_for_leaves_nothing_behind(
    tmp_path: Path, theirs: ScriptedEngine
) -> None:
    theirs.delay_s = 30.0
    async with desk(tmp_path, None, theirs, their_slots=1) as ada:
        busy = await full(ada, theirs)
        waiting = asyncio.create_task(ada.ask({"x-ppai-route": "ben"}))
        async with asyncio.timeout(5):
            while len(ada.node.outcomes) < 1:
                await asyncio.sleep(0.005)
        waiting.cancel()
        await asyncio.wait([waiting])

        assert (True, "cancelled") == (waiting.cancelled(), ada.route_log.tail[-1]["status"])
        for task in busy:
            task.cancel()
        await asyncio.wait(busy)
        assert not ada.node.beliefs[ada.ben.id].reservations


async def test_a_pinned_peer_that_has_no_room_in_the_request_s_time_is_named_with_when_to_come_back(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    theirs.delay_s = 30.0
    async with desk(tmp_path, mine, theirs, their_slots=1, course=CourseConfig(within_s=1.2)) as ada:
        busy = await full(ada, theirs)
        began = time.monotonic()
        client = await ada.ask({"x-ppai-route": "ben"})
        waited_s = time.monotonic() - began

        for task in busy:
            task.cancel()
        await asyncio.wait(busy)
    assert (503, "peer_busy", []) == (client.status, client.error["code"], mine.asked)
    assert "`ben`" in client.error["message"]
    assert int(client.headers["retry-after"]) >= 1
    assert 0.5 <= waited_s < 5


async def test_what_may_not_leave_waits_in_line_with_the_rest(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """In the order of arrival: else an endless stream of such requests would keep all others out."""
    async with desk(tmp_path, mine, theirs, slots=1) as ada:
        busy, waiting = await held(ada, mine, theirs)
        pinned = asyncio.create_task(ada.ask(best_of=2))
        async with asyncio.timeout(5):
            while ada.door.load.waiting < 2:
                await asyncio.sleep(0.005)
        assert (1, 1) == (mine.active, len(mine.asked))

        busy.cancel()
        await mine.until(lambda engine: len(engine.asked) == 2)
        waiting.cancel()
        await mine.until(lambda engine: len(engine.asked) == 3)

        pinned.cancel()
        await asyncio.wait([busy, waiting, pinned])
    assert [None, None, 2] == [body.get("best_of") for body in mine.asked]


# --- what an engine does not say is tried ---

PICTURE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]


async def test_what_an_engine_does_not_say_is_tried_there(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    async with desk(tmp_path, mine, theirs) as ada:
        client = await ada.ask(messages=PICTURE)

    assert (200, "ada") == (client.status, client.headers["x-ppai-peer"])
    assert PICTURE == mine.asked[0]["messages"]


@pytest.mark.parametrize("status", [400, 422, 500, 501])
async def test_an_engine_s_refusal_of_what_it_did_not_say_decides_and_is_remembered(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, status: int
) -> None:
    mine.status, mine.error = status, b'{"error":{"message":"image input is not supported - hint: use an mmproj"}}'
    async with desk(tmp_path, mine, theirs) as ada:
        client = await ada.ask(messages=PICTURE)
        with pytest.raises(InvalidRequest) as caught:
            await ada.ask(messages=PICTURE)
        mine.status = 200
        text = await ada.ask()

    assert (status if status < 500 else 422) == client.status
    assert "mmproj" in str(client.error["message"])
    assert (422, "capability_missing") == (caught.value.status, caught.value.code)
    assert (200, "ada", 2) == (text.status, text.headers["x-ppai-peer"], len(mine.asked))


async def test_another_mistake_is_no_refusal_of_an_ability(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    mine.status, mine.error = 400, b'{"error":{"message":"temperature is too high"}}'
    async with desk(tmp_path, mine, theirs) as ada:
        answers = [await ada.ask(messages=PICTURE) for _ in range(2)]

    assert [(400, "temperature is too high")] * 2 == [(answer.status, answer.error["message"]) for answer in answers]
    assert 2 == len(mine.asked)


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
        "the request exceeds the available context size. try increasing the context size or enable context shift",
        "`inputs` tokens + `max_new_tokens` must be <= 4096; max_total_tokens is 4096",
        "input length exceeds the context length",
    ],
    ids=["vLLM, OpenAI", "llama.cpp", "TGI", "Ollama"],
)
async def test_a_prompt_too_long_for_one_model_goes_to_another(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, words: str
) -> None:
    """Only the engine counts its tokens. The model is not thought the worse of for its length."""
    mine.status, mine.error = 400, json.dumps({"error": {"message": words, "type": "BadRequestError"}}).encode()
    async with desk(tmp_path, mine, theirs) as ada:
        client = await ada.ask()

        assert 0 == ada.node.beliefs[ada.me.id].turns_seen
        ada.node.check("ok", "ok")
    assert (200, "ben", "2") == (client.status, client.headers["x-ppai-peer"], client.headers["x-ppai-attempts"])


@pytest.mark.parametrize("engine", ["ours", "theirs"])
async def test_an_engine_judges_what_only_by_our_estimate_is_too_long(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, engine: str
) -> None:
    """A prompt between the two estimates, and an answer that may be longer than the context. No engine says no."""
    mine.context_tokens = theirs.context_tokens = 1000
    between = [{"role": "user", "content": "word " * 1400}]  # about 1,400 tokens, at least 700
    async with desk(tmp_path, mine if engine == "ours" else None, theirs) as ada:
        answers = [await ada.ask(messages=between), await ada.ask(max_tokens=32_000), await ada.ask(max_tokens=10**9)]
        with pytest.raises(InvalidRequest) as caught:
            await ada.ask(messages=[{"role": "user", "content": "word " * 9000}])

    pins = engine == "theirs"  # beyond what a peer may be asked for
    assert [200, 200, 422 if pins else 200] == [answer.status for answer in answers]
    assert (400, "context_length_exceeded") == (caught.value.status, caught.value.code)


async def test_a_prompt_too_long_for_all_is_told_in_the_engine_s_words(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    error = b'{"error":{"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}'
    mine.status = theirs.status = 400
    mine.error = theirs.error = error
    async with desk(tmp_path, mine, theirs) as ada:
        client = await ada.ask()

    assert (400, error) == (client.status, client.body)


# --- what is written down ---


async def test_the_log_line_says_who_why_and_how_it_went(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    async with desk(tmp_path, mine, theirs) as ada:
        await ada.ask({"x-ppai-route": "ben"}, stream=True, stream_options={"include_usage": True})

        line = ada.route_log.tail[-1]
        assert [line] == [json.loads(written) for written in (tmp_path / "route.jsonl").read_text().splitlines()]
    expected = {
        "at": 1e9, "request": "r1", "endpoint": "chat/completions", "asked": "auto", "peer": "ben",
        "model": "scripted-1", "reason": "pinned", "attempts": 1, "status": "ok", "prompt_tokens": 7, "tokens": 4,
    }  # fmt: skip
    assert expected.items() <= line.items()
    assert ["ben"] == [one["peer"] for one in line["considered"]]
    assert 0 < line["ttft_s"] <= line["latency_s"]


async def test_a_request_is_recorded_while_it_runs_and_with_whom_it_is(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """For the page: who is asked now, though another was asked before, and what was decided among whom."""
    mine.status, theirs.delay_s = 500, 5.0
    async with desk(tmp_path, mine, theirs) as ada:
        asking = asyncio.create_task(ada.ask({"x-ppai-route": "auto"}))
        while not theirs.asked:
            await asyncio.sleep(0.01)
        [running] = ada.route_log.recent.all
        seen = running.is_running, running.line["peer"], running.line["status"]
        asking.cancel()
        await asyncio.wait([asking])

        [ended] = ada.route_log.recent.all
    assert (True, "ben", "running") == seen
    assert (False, "cancelled") == (ended.is_running, ended.line["status"])
    assert [("ada", "failed"), ("ben", "cancelled")] == [(one["peer"], one["status"]) for one in ended.line["tried"]]
    assert isinstance(ended.decided, Decided)
    explained = ended.decided.choice.explained()
    assert {"ada", "ben"} == {row.peer_name for row in (*explained.order, *explained.rest)}


async def test_what_is_kept_of_a_decision_holds_no_word_of_the_request(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Everything that a kept request leads to is looked at, however deep."""
    secret = "the canary sang at noon"
    async with desk(tmp_path, mine, theirs) as ada:
        messages = [{"role": "system", "content": secret}, {"role": "user", "content": f"tell me why {secret}"}]
        await ada.ask(messages=messages)
        seen, ahead = set[int](), list[object](ada.route_log.recent.all)
        texts = []
        while ahead:
            one = ahead.pop()
            if id(one) in seen or isinstance(one, type | ModuleType | FunctionType):
                continue
            seen.add(id(one))
            texts += [str(one)] if isinstance(one, str | bytes) else []
            ahead += gc.get_referents(one)

    assert len(texts) > 20
    assert [] == [text for text in texts if secret in text]


async def test_a_request_that_nobody_is_asked_has_its_line_and_its_count(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """A mistake in it (4xx), and nobody there (503)."""
    async with desk(tmp_path, None, theirs) as ada:
        with pytest.raises(InvalidRequest):
            await ada.ask(model="no-such-model")
        client = await ada.ask({"x-ppai-route": "local"})

        lines, metrics = ada.route_log.tail, ada.telemetry.exposition().decode()
    assert 503 == client.status
    assert [(404, "model_not_found"), (503, "not_ready")] == [(line["http_status"], line["reason"]) for line in lines]
    assert {("refused", 0, None)} == {(line["status"], line["attempts"], line["peer"]) for line in lines}
    assert 'ppai_refused_total{code="not_ready",status="503"} 1.0' in metrics


async def test_a_request_is_counted_whole_with_its_decision_its_stages_and_its_wait(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """One request of two attempts is one answer; a person's question who would answer is no decision."""
    async with desk(tmp_path, mine, theirs) as ada:
        await ada.ask({"x-ppai-route": "local"}, stream=True)
        await ada.dispatcher.decide("chat/completions", json.dumps(CHAT).encode(), {}, everybody=True)
        theirs.status = 500
        await ada.ask()
        metrics = ada.telemetry.exposition().decode()

    answers = [line for line in metrics.splitlines() if line.startswith("ppai_answers_total{")]
    decided = [line for line in metrics.splitlines() if line.startswith("ppai_decisions_total{")]
    assert 2 == sum(float(line.split()[-1]) for line in answers) == sum(float(line.split()[-1]) for line in decided)
    assert 'ppai_answers_total{reason="pinned",status="ok"} 1.0' in answers
    for counted in (
        'ppai_stage_seconds_count{stage="read"} 3.0',
        'ppai_wait_seconds_count{kind="actual"}',
        'ppai_time_to_first_token_seconds_count{target="local"} 1.0',
        'ppai_time_per_output_token_seconds_count{target="local"} 1.0',
    ):
        assert counted in metrics


@pytest.mark.parametrize(("hers", "his"), [(True, True), (True, False), (False, True)])
async def test_a_request_is_one_trace_over_two_peers_where_both_owners_say_so(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, hers: bool, his: bool
) -> None:
    """Read back from a collector that both send to, and no word of prompt or answer is in what it got."""
    with collecting() as collector:
        tracing = (
            OpenTelemetry(OtelConfig(collector.url, hers), "ada"),
            OpenTelemetry(OtelConfig(collector.url, his), "ben"),
        )
        async with desk(tmp_path, mine, theirs, tracing=tracing) as ada:
            await ada.ask({"x-ppai-route": "ben"}, stream=True)
            with pytest.raises(InvalidRequest):
                await ada.ask(model="no-such-model")
        for one in tracing:
            await one.close()

    spans = {(span.peer, span.kind, span.failed): span for span in collector.spans}
    whole, attempt, served = spans["ada", 2, False], spans["ada", 3, False], spans["ben", 2, False]
    assert (whole.id, whole.trace) == (attempt.parent, attempt.trace)
    assert (hers and his) == ((attempt.id, attempt.trace) == (served.parent, served.trace))
    assert ("chat scripted-1", "chat scripted-1") == (attempt.name, served.name)
    assert "model_not_found" == spans["ada", 2, True].attributes["error.type"]
    assert 1 == sum(point.count for point in collector.metrics["ben", "gen_ai.server.time_to_first_token"])
    assert not [word for word in (b"secret", b"three") if word in collector.raw]


async def test_no_log_holds_what_was_said(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither question nor answer, in the route log, the process log or the metrics."""
    async with desk(tmp_path, mine, theirs) as ada:
        await ada.ask({"x-ppai-route": "local"})
        await ada.ask({"x-ppai-route": "ben"}, stream=True)
        metrics = ada.telemetry.exposition().decode()

    written = (tmp_path / "route.jsonl").read_text() + caplog.text + metrics
    assert "secret" not in written
    assert "three" not in written
    assert 'ppai_requests_total{status="ok",target="local"} 1.0' in metrics
    assert 'ppai_requests_total{status="ok",target="remote"} 1.0' in metrics


# --- what is learnt from an answer ---


async def test_who_gave_the_whole_answer_is_told_and_who_failed_is_not(
    tmp_path: Path, mine: ScriptedEngine, theirs: ScriptedEngine
) -> None:
    """Of three attempts at most one is an answer; what was cut short or refused is none."""
    async with desk(tmp_path, mine, theirs) as ada:
        await ada.ask()
        mine.status = 500
        await ada.ask()
        theirs.status = 500
        await ada.ask()

    assert [("r1", "ada", "mine"), ("r1", "ben", "scripted-1")] == ada.answered
