"""The life of a request at the asking peer: ada and ben with their own engines, on loopback."""

import asyncio
import json
import time
from pathlib import Path
from statistics import median

import pytest
from aiohttp import web

from gateway.upstream import Patience
from gateway.wire.codec import LARGE_BYTES
from gateway.wire.errors import InvalidRequest
from tests.fakes import ScriptedEngine
from tests.gateway.serving.desk import CHAT, desk, excluded
from tests.gateway.serving.forwarding import Recorder
from tests.gateway.serving.test_translated import Shouting

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


# --- who answers ---


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
