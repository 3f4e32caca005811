"""A delegated request on the answering peer's engine, over TLS on loopback, as the asking peer sees it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from discovery.records import Agent
from gateway.agent.agent import PersonalAgent
from gateway.agent.settings import AgentSettings
from gateway.capacity.limits import Limits
from gateway.engines.engine_state import EngineModel, EngineState
from gateway.peering.frames import TOLD, Receipt
from gateway.peering.given import Given
from gateway.peering.hop.reply import FIELDS_REFUSED
from gateway.peering.remote import PeerUpstream
from gateway.privacy.fields import delegation, may_travel
from gateway.serving.deciding.targets import Attempt, Target
from gateway.serving.forward import Forwarder
from gateway.upstream import Patience, Reply, Upstream, UpstreamError
from gateway.wire.request import read_request
from tests.fakes import ScriptedEngine
from tests.gateway.peering.asking import CHAT, ask, delegated, until
from tests.gateway.serving.forwarding import Line, Recorder
from tests.peers import PATIENCE, Pair, two_peers


async def forward(
    pair: Pair, fields: Mapping[str, object], *others: PeerUpstream, patience: Patience = PATIENCE
) -> tuple[Recorder, list[Attempt]]:
    """What a client of ada's gets when ben is asked first."""
    asked = json.dumps(fields).encode()
    client, attempts = Recorder(), list[Attempt]()
    request = read_request("chat/completions", asked)
    sent = delegation("chat/completions", "scripted-1", "scripted-1", may_travel(request, trusted=True))
    targets = [
        Target(upstream, sent, "scripted-1", "scripted-1", {}, began=0.0) for upstream in (pair.upstream(), *others)
    ]
    await Forwarder(request, Line(targets, attempts), patience, asyncio.get_running_loop().time).run(client, {})
    return client, attempts


# --- answers ---


class Pirate:
    """A personal agent that puts a prompt before the conversation (see gateway.upstream.Personal)."""

    def over(self, engine: Upstream, *, is_own: bool) -> Upstream:
        assert not is_own, "another peer asks"
        return PersonalAgent("pirate", AgentSettings(prompt="You are a pirate.")).over(engine, is_own=is_own)


async def test_a_personal_agent_answers_whom_its_owner_allows_and_is_not_there_for_others(tmp_path: Path) -> None:
    """The same refusal as for a name that nobody has."""
    pirate = Agent("pirate", "pirate", 4096, kind="agent", base="scripted-1")
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        pair.ben.doors.serve([Agent("scripted-1", "scripted-1", 4096), pirate], {"pirate": Pirate()})
        _, said = await ask(pair, delegated("pirate"))
        refused = []
        may_use = lambda agent, peer: agent != "pirate" or peer != pair.ada.id  # noqa: E731
        pair.ben.app._delegations._given = lambda peer: Given(peer, Limits(), may_use)
        for agent in ("pirate", "nobody"):
            with pytest.raises(UpstreamError) as caught:
                await ask(pair, delegated(agent))
            refused.append((caught.value.status, caught.value.code, caught.value.message))
        _, plain = await ask(pair, delegated())

    assert "pirate" == json.loads(said)["model"]
    assert [["You are a pirate.", "hi"], ["hi"]] == [[m["content"] for m in body["messages"]] for body in engine.asked]
    assert refused[0] == refused[1]
    assert "scripted-1" == json.loads(plain)["model"]


class FromDocuments:
    """The reply that its engine gave, and where it came from."""

    def __init__(self, reply: Reply, from_documents: bool | None) -> None:
        self._reply, self.is_from_documents = reply, from_documents

    def __getattr__(self, name: str) -> object:
        return getattr(self._reply, name)


class Librarian:
    """A personal agent that says of its answer where it came from, as the reply that its engine gave ends."""

    def __init__(self, from_documents: bool | None) -> None:
        self._from_documents = from_documents

    def over(self, engine: Upstream, *, is_own: bool) -> Upstream:
        return self._Over(engine, self._from_documents)

    class _Over:
        def __init__(self, engine: Upstream, from_documents: bool | None) -> None:
            self._engine, self._from_documents = engine, from_documents

        @asynccontextmanager
        async def open(self, *args: object, **more: object) -> AsyncIterator[object]:
            async with self._engine.open(*args, **more) as reply:  # type: ignore[arg-type]
                yield FromDocuments(reply, self._from_documents)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("said", [True, False, None])
async def test_a_receipt_says_whether_the_answer_came_from_documents(
    tmp_path: Path, said: bool | None, stream: bool
) -> None:
    """Whoever forwards the answer learns it, and passes over its absence."""
    librarian = Agent("scripted-1", "scripted-1", 4096, kind="agent", base="scripted-1")
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        pair.ben.doors.serve([librarian], {"scripted-1": Librarian(said)})
        _, attempts = await forward(pair, {**CHAT, "model": "scripted-1", "stream": stream})

    assert [("ok", said)] == [(attempt.status, attempt.from_documents) for attempt in attempts]


@pytest.mark.parametrize("endpoint", ["completions", "embeddings", "messages", "responses"])
async def test_a_personal_agent_answers_chat_alone(tmp_path: Path, endpoint: str) -> None:
    pirate = Agent("pirate", "pirate", 4096, kind="agent", base="scripted-1")
    fields: dict[str, object] = {"prompt": "hi"} if endpoint == "completions" else {"input": "hi"}
    fields |= {"store": False} if endpoint == "responses" else {}
    body = {"model": "pirate", **(CHAT if endpoint == "messages" else fields), "max_tokens": 5}
    body = {key: it for key, it in body.items() if key != "max_tokens" or endpoint in ("messages", "completions")}
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        pair.ben.doors.serve([pirate], {"pirate": Pirate()})
        asked = json.dumps({"endpoint": endpoint, "agent": "pirate", "body": body}).encode()
        with pytest.raises(UpstreamError) as caught:
            await ask(pair, asked)

    assert (404, []) == (caught.value.status, engine.asked)


async def test_a_streamed_answer(tmp_path: Path) -> None:
    """The engine's events byte for byte, and a receipt that counts what the engine counted."""
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        reply, said = await ask(pair, delegated(stream=True, stream_options={"include_usage": True}), stream=True)

    assert said.endswith(b"data: [DONE]\n\n")
    contents = [json.loads(e[6:])["choices"] for e in said.split(b"\n\n")[:-2]]
    assert "one two three four" == "".join(c[0]["delta"].get("content", "") for c in contents if c)
    assert ("scripted-1", 7, 4) == (reply.receipt.model, reply.receipt.prompt_tokens, reply.receipt.tokens)
    assert [] == pair.failures


async def test_without_usage_tokens_are_counted_by_events(tmp_path: Path) -> None:
    """As for our own engine's streams: less the role chunk, the last one and [DONE]."""
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        reply, _ = await ask(pair, delegated(stream=True), stream=True)

    assert 4 == reply.receipt.tokens


async def test_a_whole_answer(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        reply, said = await ask(pair, delegated())

    assert "one two three four" == json.loads(said)["choices"][0]["message"]["content"]
    assert (200, 7, 4) == (reply.status, reply.receipt.prompt_tokens, reply.receipt.tokens)


@pytest.mark.parametrize(
    ("family", "fields", "limit"), [("", {}, 32768), ("", {"max_tokens": 5}, 5), ("vllm", {}, None)]
)
async def test_the_engine_is_told_of_a_bound(
    tmp_path: Path, family: str, fields: dict[str, object], limit: int | None
) -> None:
    """The request's own, else the protocol's; none where its context ends it and the protocol's would not fit."""
    scripted = ScriptedEngine(owned_by=family, context_tokens=4096 if family else 0)
    async with scripted.serving() as engine, two_peers(tmp_path, engine) as pair:
        await ask(pair, delegated(**fields))

    assert limit == engine.asked[-1].get("max_tokens")


async def test_a_hundred_delegated_requests_make_one_handshake(tmp_path: Path) -> None:
    """Whole answers and streams alike go over the connection that was dialled to say hello."""
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:

        def dialled() -> set[int]:
            here = psutil.Process().net_connections("tcp")
            return {c.laddr.port for c in here if c.raddr and c.raddr.port == pair.ben.address.port}

        used = dialled()
        for number in range(100):
            await ask(pair, delegated(stream=number % 2 == 0), stream=number % 2 == 0)
            if number % 10 == 0:
                used |= dialled()

    assert 100 == len(engine.asked)
    assert 1 == len(used)


async def test_the_engine_is_asked_for_the_agent(tmp_path: Path) -> None:
    """Whatever `model` says, and with every field that may travel as it was."""
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        await ask(pair, delegated(model="something else", temperature=0.5, seed=7))

        assert [{**CHAT, "model": "scripted-1", "temperature": 0.5, "seed": 7}] == engine.asked
        assert not [name for name in engine.request_headers[0] if "ppai" in name]


async def test_the_clients_own_mistake_is_its_own(tmp_path: Path) -> None:
    """A 400 of the engine is the answer: it is passed on, receipted."""
    error = b'{"error":{"message":"temperature is too high","type":"invalid_request_error","param":null,"code":null}}'
    async with ScriptedEngine(status=400, error=error).serving() as engine, two_peers(tmp_path, engine) as pair:
        client, attempts = await forward(pair, CHAT)

    assert (400, json.loads(error)) == (client.status, json.loads(client.body))
    assert ["ok"] == [attempt.status for attempt in attempts]


async def test_queued_keeps_a_slow_engine_s_peer_alive(tmp_path: Path) -> None:
    """The engine takes several times the silence that the asker bears."""
    async with (
        ScriptedEngine(delay_s=0.6).serving() as engine,
        two_peers(tmp_path, engine, heartbeat_s=0.05) as pair,
    ):
        open_stream = pair.ada.transport.open_stream
        upstream = PeerUpstream(pair.ben.id, "ben", open_stream, lambda *_: None, silence_s=0.25)
        async with upstream.open("", (delegated(stream=True),), {}, stream=True, patience=PATIENCE) as reply:
            events = [event async for event in reply.events()]

    assert events[-1].is_done


# --- refusals ---


async def test_a_closed_door_is_a_429_in_band(tmp_path: Path) -> None:
    """The asker goes on to the next candidate, and knows when to come back."""
    async with ScriptedEngine(delay_s=30).serving() as engine, two_peers(tmp_path, engine, slots=1) as pair:
        taken = [asyncio.create_task(ask(pair, delegated())) for _ in range(2)]  # one runs, one waits
        await until(lambda: 1 == pair.ben.door.load.waiting)
        taken.append(asyncio.create_task(pair.ben.door.remote_turn("cat")))  # another peer's: the limit
        await until(lambda: "closed" == pair.ben.door.admission)

        client, attempts = await forward(pair, CHAT)

        for task in taken:
            task.cancel()
        await asyncio.wait(taken)
        await until(lambda: 0 == pair.ben.door.load.remote_running + pair.ben.door.load.waiting)
    assert (429, ["refused"]) == (client.status, [attempt.status for attempt in attempts])
    assert int(client.headers["retry-after"]) >= 1
    assert 1 == len(engine.asked)


async def test_a_refusal_is_the_next_candidate_s_chance(tmp_path: Path) -> None:
    async with (
        ScriptedEngine(status=503).serving() as full,
        ScriptedEngine().serving() as engine,
        two_peers(tmp_path / "1", full) as first,
        two_peers(tmp_path / "2", engine) as second,
    ):
        client, attempts = await forward(first, {**CHAT, "stream": True}, second.upstream())

    assert (200, ["refused", "ok"]) == (client.status, [attempt.status for attempt in attempts])
    assert client.body.endswith(b"data: [DONE]\n\n")


async def test_an_engine_that_fails_is_not_the_client_s_mistake(tmp_path: Path) -> None:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        for status, code in {500: 502, 404: 502, 401: 502, 429: 429, 503: 503}.items():
            engine.status = status
            with pytest.raises(UpstreamError) as caught:
                await ask(pair, delegated())

            assert code == caught.value.status
    assert [] == pair.failures


BROKEN = [
    ScriptedEngine(status=500, error=b"failed at http://10.0.0.7:8000"),
    ScriptedEngine(cut_after=0),
    ScriptedEngine(cut_after=2),
    ScriptedEngine(raw=[b"data: " + b"x" * (1 << 20) + b"\n\n"]),
    ScriptedEngine(headers={"content-encoding": "br"}),
]


@pytest.mark.parametrize("engine", BROKEN, ids=["error", "silent end", "cut", "endless event", "compressed"])
async def test_however_an_engine_fails_other_peers_hear_a_code_and_nothing_of_where_it_is(
    tmp_path: Path, engine: ScriptedEngine
) -> None:
    async with engine.serving(), two_peers(tmp_path, engine) as pair:
        with pytest.raises(UpstreamError) as caught:
            await ask(pair, delegated(stream=True), stream=True)
        port = engine.url.rpartition(":")[2]

    assert caught.value.message in {f"ben: {words}" for words in TOLD.values()}
    assert not [word for word in ("127.0.0.1", port, "10.0.0.7") if word in caught.value.message]


async def test_an_engine_that_is_gone_is_not_named_to_other_peers(tmp_path: Path) -> None:
    async with two_peers(tmp_path, ScriptedEngine(url="http://127.0.0.1:9")) as pair:
        pair.ben.door.engine._engine.state = EngineState(None, models=(EngineModel("scripted-1"),))  # type: ignore[attr-defined]
        pair.ben.doors.serve([Agent("scripted-1", "scripted-1", 0)])
        with pytest.raises(UpstreamError) as caught:
            await ask(pair, delegated())

    assert f"ben: {TOLD['engine_unreachable']}" == caught.value.message


REFUSED = {
    "n": delegated(n=2),
    "user": delegated(user="alice"),
    "unknown field": delegated(lora_path="/etc"),
    "remote image": delegated(
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://10.0.0.1/"}}]}]
    ),
    "response_format": delegated(response_format={"type": "json_object"}),
    "too many tokens": delegated(max_tokens=10**9),
    "no messages": delegated(messages=[]),
    "a temperature in words": delegated(temperature="hot"),
    "no JSON": b"hello",
    "no text": b'{"endpoint":"chat/completions","agent":"scripted-1","body":{"messages":[{"role":"\xff"}]}}',
    "another endpoint": delegated(endpoint="../../shutdown"),
    "another agent": delegated(agent="gpt-4o"),
}


async def test_what_may_not_travel_is_refused_and_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In-band, before the engine or the queue hear of it; and it is no bug of ours."""
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine, trusted=False) as pair:
        for name, body in REFUSED.items():
            with pytest.raises(UpstreamError) as caught:
                await ask(pair, body)

            expected = (503, "peer_no_agent") if name == "another agent" else (422, FIELDS_REFUSED)
            assert expected == (caught.value.status, caught.value.code), name
        assert ([], 0) == (engine.asked, pair.ben.door.pulse(pair.ben.id).arrivals)
        served = f'ppai_served_total{{status="refused"}} {len(REFUSED)}.0'
        assert served in pair.ben.telemetry.exposition().decode()
    assert [] == pair.failures
    assert "bug=" not in caplog.text


async def test_a_body_of_a_million_values_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    """It would hold everybody up; as many bytes in a few values are welcome."""
    many = delegated(messages=[{"role": "user", "content": ""}] * 30_000)
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        with pytest.raises(UpstreamError) as caught:
            await ask(pair, many)
        assert (FIELDS_REFUSED, []) == (caught.value.code, engine.asked)

        await ask(pair, delegated(messages=[{"role": "user", "content": "x" * len(many)}]))
        assert 1 == len(engine.asked)


async def test_one_peer_s_requests_leave_a_place_for_another_s(tmp_path: Path) -> None:
    """In the engine and in line, whatever the first does with its own."""
    async with ScriptedEngine(delay_s=30).serving() as engine, two_peers(tmp_path, engine, slots=4) as pair:
        taken = [asyncio.create_task(ask(pair, delegated())) for _ in range(12)]
        await until(lambda: 3 == sum(task.done() for task in taken))  # two run, seven wait, three are refused

        async with asyncio.timeout(5):
            with await pair.ben.door.remote_turn("cat"):
                assert 3 == pair.ben.door.load.remote_running
        for task in taken:
            task.cancel()
        await asyncio.wait(taken)


async def test_a_request_is_never_delegated_twice(tmp_path: Path) -> None:
    """A delegation knows agents of the peer's own engine only: there is nobody to pass it on to."""
    async with ScriptedEngine(model="ours").serving() as engine, two_peers(tmp_path, engine) as pair:
        with pytest.raises(UpstreamError, match="no such agent"):
            await ask(pair, delegated(agent="theirs"))
        with pytest.raises(UpstreamError, match="no such agent"):
            await ask(pair, delegated(agent="auto"))

        assert [] == engine.asked


# --- what breaks ---


async def test_an_engine_that_breaks_in_mid_stream_is_told_in_band(tmp_path: Path) -> None:
    """`broke` on the hop, an error event at the client, and nobody else is asked."""
    async with ScriptedEngine(cut_after=3).serving() as engine, two_peers(tmp_path, engine) as pair:
        client, attempts = await forward(pair, {**CHAT, "stream": True}, pair.upstream())

        assert 1 == len(engine.asked)
        assert 'ppai_served_total{status="failed"} 1.0' in pair.ben.telemetry.exposition().decode()
    last = client.body.strip().split(b"\n\n")[-1]
    assert "peer_broke" == json.loads(last.removeprefix(b"data: "))["error"]["code"]
    assert b"[DONE]" not in client.body
    assert ["failed"] == [attempt.status for attempt in attempts]
    assert [] == pair.failures  # the peer lives, its engine broke


async def test_an_engine_that_breaks_before_its_first_event_is_a_refusal(tmp_path: Path) -> None:
    async with ScriptedEngine(cut_after=0).serving() as engine, two_peers(tmp_path, engine) as pair:
        with pytest.raises(UpstreamError) as caught:
            await ask(pair, delegated(stream=True), stream=True)

    assert "peer_refused" == caught.value.code


@pytest.mark.parametrize("window", ["queued", "before the first event", "mid-stream", "whole"])
async def test_a_client_that_hangs_up_at_the_asker_frees_the_engine_behind_the_peer(
    tmp_path: Path, window: str
) -> None:
    slow = {"delay_s": 30.0} if window != "mid-stream" else {"token_s": 0.02, "answer": lambda body: "word " * 5000}
    async with ScriptedEngine(**slow).serving() as engine, two_peers(tmp_path, engine, slots=1) as pair:  # type: ignore[arg-type]
        stream = window != "whole"
        work = asyncio.create_task(forward(pair, {**CHAT, "stream": stream}))
        await engine.until(lambda e: e.active == 1)
        if window == "queued":
            first, work = work, asyncio.create_task(forward(pair, {**CHAT, "stream": stream}))
            await until(lambda: 1 == pair.ben.door.load.waiting)
        if window == "mid-stream":
            await until(lambda: pair.ben.door.load.remote_running == 1 and engine.active == 1)

        work.cancel()
        await asyncio.wait([work])

        if window == "queued":
            await until(lambda: 0 == pair.ben.door.load.waiting)
            assert (1, 0) == (engine.active, engine.hung_up)
            first.cancel()
            await asyncio.wait([first])
        await engine.until(lambda e: (0, 1) == (e.active, e.hung_up))
        await until(lambda: (0, 0) == (pair.ben.door.load.running, pair.ben.door.load.waiting))
    assert [] == pair.failures


async def test_a_receipt_tells_waiting_and_serving_apart(tmp_path: Path) -> None:
    async with ScriptedEngine(token_s=0.02).serving() as engine, two_peers(tmp_path, engine, slots=1) as pair:
        first = asyncio.create_task(ask(pair, delegated()))
        await engine.until(lambda e: e.active == 1)
        receipts: list[Receipt] = [reply.receipt for reply, _ in (await ask(pair, delegated()), await first)]

    assert 0 < receipts[0].queued_ms <= receipts[1].served_ms
    assert receipts[1].queued_ms < 80 <= min(receipt.served_ms for receipt in receipts)
