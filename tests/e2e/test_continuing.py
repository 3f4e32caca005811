"""An answer that breaks off goes on at another peer, and its client sees one answer."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from gateway.engines.embedded import EmbeddedConfig, EmbeddedEngine
from gateway.wire.bodies import TURNS
from tests import agents
from tests.e2e.network import CHAT, HELLO, SECRET, Cluster
from tests.embedded import running, smollm2
from tests.fakes import going_on

WORDS = [f"w{number}" for number in range(60)]
TEXT = " ".join(WORDS)
TOKEN_S = 0.03
AGENTS = {name: api for name, api in agents.going_on(TEXT).items() if name != "chat/completions"}
STREAM = {**HELLO, "model": "same", "stream": True, "stream_options": {"include_usage": True}}


async def start(cluster: Cluster, *names: str, slots: int = 64, **behaviour: Any) -> None:
    """Peers of these names with one model, known to go on with answers; and ada, who asks and has no engine."""
    env = {**SECRET, "PPAI_ENGINE_SLOTS": str(slots)}
    for name in names:
        seeds = ("--seed", cluster.seed()) if cluster.peers else ()
        await cluster.start(name, *seeds, env=env, **{"model": "same", **going_on(TEXT), **behaviour})
    await cluster.start("ada", "--seed", cluster.seed(), engine="none")
    async with asyncio.timeout(20):
        while not all([await continuing(cluster, "ada", name) for name in names]):
            await asyncio.sleep(0.05)


async def continuing(cluster: Cluster, by: str, name: str, endpoint: str = "chat/completions") -> bool:
    """Whether `by` knows that the agent of `name` goes on with answers at that endpoint."""
    peers = await cluster.get(by, "/ppai/v1/peers")
    return any(endpoint in agent["continues"] for peer in peers if peer["name"] == name for agent in peer["agents"])


async def read(cluster: Cluster, name: str, headers: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """One stream to its end: its text, its events, its comments, and who began it."""
    events, comments, text, is_done = [], [], "", False
    url, body = cluster.peers[name].url + CHAT, {**STREAM, **fields}
    async with cluster.http.post(url, json=body, headers=headers) as response:
        by = response.headers["x-ppai-peer"]
        async for line in response.content:
            said = line.decode().rstrip("\n")
            is_done = is_done or said == "data: [DONE]"
            comments += [said] if said.startswith(":") else []
            if not said.startswith("data: {"):
                continue
            events.append(json.loads(said[6:]))
            text += "".join(choice["delta"].get("content") or "" for choice in events[-1].get("choices", ()))
    error = next((event["error"] for event in events if "error" in event), None)
    return {"by": by, "done": is_done, "events": events, "comments": comments, "error": error, "text": text}


async def begun(cluster: Cluster, asked: int, words: int) -> str:
    """Who answers, once so many requests came to engines and the last one has said about so many words."""
    async with asyncio.timeout(30):
        while sum(engine.active for engine in cluster.engines.values()) < asked:
            await asyncio.sleep(0.01)
    await asyncio.sleep(words * TOKEN_S)
    return max(cluster.engines, key=lambda name: cluster.engines[name].active)


async def test_a_stream_of_a_peer_that_is_killed_goes_on_at_another(cluster: Cluster) -> None:
    await start(cluster, "ben", "cleo", token_s=TOKEN_S)
    asking = asyncio.create_task(read(cluster, "ada", max_tokens=50))

    first = await begun(cluster, 1, 10)
    await asyncio.to_thread(cluster.peers[first].stop, signal.SIGKILL)
    answer = await asking
    log = cluster.peers["ada"].home / "route.jsonl"
    await asyncio.to_thread(cluster.peers["ada"].wait, lambda: log.exists() and log.read_text(), "to log it")
    logged = json.loads(log.read_text().splitlines()[-1])

    other = {"ben": "cleo", "cleo": "ben"}[first]
    assert (first, None, True) == (answer["by"], answer["error"], answer["done"])
    assert " ".join(WORDS[:50]) == answer["text"]
    assert [f": continued by {other}"] == answer["comments"]
    assert 1 == len({(event["id"], event["created"], event["model"]) for event in answer["events"]})
    usage = answer["events"][-1]["usage"]
    assert (50, usage["prompt_tokens"] + 50) == (usage["completion_tokens"], usage["total_tokens"])
    asked = cluster.engines[other].asked[-1]
    said = asked["messages"][-1]["content"].split()
    assert WORDS[: len(said)] == said and 50 - len(said) == asked["max_tokens"] and asked["continue_final_message"]
    assert [(first, "failed"), (other, "ok")] == [(part["peer"], part["status"]) for part in logged["parts"]]
    async with cluster.http.get(cluster.peers["ada"].url + "/metrics") as response:
        metrics = await response.text()
    assert 'ppai_continued_total{status="ok",target="remote"} 1.0' in metrics


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ["messages", "responses"])
async def test_streams_of_coding_agents_go_on_at_another_peer_too(cluster: Cluster, endpoint: str) -> None:
    pages = {**going_on(TEXT)["pages"], **agents.OPENAPI}
    await start(cluster, "ben", "cleo", token_s=TOKEN_S, apis=AGENTS, pages=pages)
    asking = asyncio.create_task(stream_of(cluster, endpoint))

    first = await begun(cluster, 1, 15)
    await asyncio.to_thread(cluster.peers[first].stop, signal.SIGKILL)
    text, usage = agents.heard(endpoint, await asking)

    assert (TEXT, len(WORDS)) == (text, usage["output_tokens"])
    other = cluster.engines[{"ben": "cleo", "cleo": "ben"}[first]].asked[-1]
    said = agents.begun(other, TURNS[endpoint])
    assert 5 < len(said.split()) < len(WORDS) and TEXT.startswith(said)


async def stream_of(cluster: Cluster, endpoint: str) -> bytes:
    """A whole stream of named events."""
    bound = {"messages": "max_tokens", "responses": "max_output_tokens"}[endpoint]
    body = {"model": "same", "stream": True, TURNS[endpoint]: HELLO["messages"], bound: 200}
    async with cluster.http.post(f"{cluster.peers['ada'].url}/v1/{endpoint}", json=body) as response:
        return await response.read()


@pytest.mark.slow
async def test_a_client_that_does_not_want_that_gets_the_error(cluster: Cluster) -> None:
    await start(cluster, "ben", "cleo", token_s=TOKEN_S)
    asking = asyncio.create_task(read(cluster, "ada", {"x-ppai-continue": "0"}))

    first = await begun(cluster, 1, 10)
    await asyncio.to_thread(cluster.peers[first].stop, signal.SIGKILL)
    answer = await asking

    assert "peer_unreachable" == answer["error"]["code"]
    assert (False, []) == (answer["done"], answer["comments"]) and TEXT.startswith(answer["text"])


@pytest.mark.slow
@pytest.mark.parametrize(("model", "goes_on"), [("org/Same-GGUF", True), ("another", False)])
async def test_our_own_engine_is_followed_by_whoever_has_its_model(cluster: Cluster, model: str, goes_on: bool) -> None:
    """Under whatever name. Another model would go on in another voice, and is not asked."""
    await cluster.start("ada", **going_on(TEXT, model="same", cut_after=10))
    await cluster.start("ben", "--seed", cluster.seed(), **going_on(TEXT, model=model))
    await cluster.until_ready()
    async with asyncio.timeout(20):
        while not await continuing(cluster, "ada", "ben"):
            await asyncio.sleep(0.05)

    answer = await read(cluster, "ada", model="auto")

    assert "ada" == answer["by"]
    if goes_on:
        assert (TEXT, [": continued by ben"], None) == (answer["text"], answer["comments"], answer["error"])
        assert {"same"} == {event["model"] for event in answer["events"]}
    else:
        assert (" ".join(WORDS[:9]), []) == (answer["text"], answer["comments"])
        assert "stream_cut_short" == answer["error"]["code"]
        assert all("max_tokens" in body for body in cluster.engines["ben"].asked), "it was asked for its test alone"


@pytest.mark.slow
async def test_of_200_streams_and_three_peers_of_which_one_is_killed_no_client_sees_an_error(cluster: Cluster) -> None:
    await start(cluster, "ben", "cleo", "dan", slots=100, token_s=0.2)
    asking = [asyncio.create_task(read(cluster, "ada")) for _ in range(200)]

    first = await begun(cluster, 200, 10)
    await asyncio.to_thread(cluster.peers[first].stop, signal.SIGKILL)
    answers = await asyncio.gather(*asking)

    assert [] == [answer["error"] for answer in answers if answer["error"]]
    assert {TEXT} == {answer["text"] for answer in answers}
    went_on = Counter(
        comment for answer in answers for comment in answer["comments"] if comment.startswith(": continued")
    )
    assert sum(went_on.values()) == sum(answer["by"] == first for answer in answers) > 20


NUMBERS = "Write the numbers from 1 to 100, separated by commas."  # a story of SmolLM2 has ties, and so differs
TOKENS = 100
ASKED: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": [{"role": "user", "content": NUMBERS}], "max_tokens": TOKENS},
    "messages": {"messages": [{"role": "user", "content": NUMBERS}], "max_tokens": TOKENS},
    "responses": {"input": NUMBERS, "max_output_tokens": TOKENS},
}


@pytest.mark.slow
async def test_real_answers_killed_at_every_tenth_token_are_the_unbroken_ones(cluster: Cluster, tmp_path: Path) -> None:
    """Two real llama.cpp, a peer before each; where a peer is killed, a new one begins before its engine at once.

    Where what was said ends inside a word, its pieces may make other tokens when they are read at once, and the rest
    may differ; so may a greedy choice between two tokens that are equal but for rounding.
    """
    async with AsyncExitStack() as stack:
        engines = [
            await stack.enter_async_context(running(smollm2(), tmp_path / f"{number}.llama", EmbeddedConfig(slots=1)))
            for number in range(2)
        ]
        for engine in engines:
            await asyncio.wait_for(engine.ready(), 120)
        serving: dict[str, EmbeddedEngine] = {}
        for engine in engines:
            await serve(cluster, serving, engine)
        await cluster.start("ada", "--seed", cluster.seed(), engine="none")
        await until_known(cluster, serving)
        wholes = {endpoint: await answered(cluster, endpoint) for endpoint in ASKED}
        broken = [
            (endpoint, token, await killed(cluster, serving, endpoint, token))
            for endpoint, token in product(ASKED, range(10, TOKENS + 1, 10))
        ]

    for endpoint, token, answer in broken:
        print(f"{endpoint} killed at {token}: {differs(answer.text, wholes[endpoint].text) or 'equal'}")
    answers = [answer for _, _, answer in broken]
    assert {TOKENS} == {answer.tokens for answer in (*wholes.values(), *answers)}
    assert all(answer.is_done and answer.error is None for answer in answers)
    assert 0.9 * len(broken) <= sum(answer.text == wholes[endpoint].text for endpoint, _, answer in broken)


async def serve(cluster: Cluster, serving: dict[str, EmbeddedEngine], engine: EmbeddedEngine) -> None:
    """One more peer, before this engine."""
    name = f"peer{len(cluster.peers)}"
    seeds = ("--seed", cluster.seed()) if cluster.peers else ()
    env = SECRET | {"PPAI_ENGINE_API_KEY": engine.api_key}
    await cluster.start(name, *seeds, engine=engine.url, env=env)
    serving[name] = engine


async def until_known(cluster: Cluster, serving: Collection[str]) -> None:
    """All that serve are there, and known to go on with answers."""
    async with asyncio.timeout(60):
        while True:
            peers = {peer["name"]: peer for peer in await cluster.get("ada", "/ppai/v1/peers")}
            known = [peers[name] for name in serving if name in peers]
            if len(serving) == sum(
                peer["state"] == "alive" and peer["admission"] == "open" and
                any(set(ASKED) <= set(agent["continues"]) for agent in peer["agents"])
                for peer in known
            ):  # fmt: skip
                return
            await asyncio.sleep(0.1)


@dataclass
class Answer:
    """A stream of any API, as its client has it."""

    by: str
    text: str = ""
    tokens: int = 0  # as its usage says
    is_done: bool = False
    error: Any = None


async def killed(cluster: Cluster, serving: dict[str, EmbeddedEngine], endpoint: str, token: int) -> Answer:
    """One stream to its end, of which the peer that began it is killed at this token; afterwards two serve again."""
    async with asyncio.TaskGroup() as tasks:

        def kill(name: str) -> None:
            os.kill(cluster.peers[name].pid, signal.SIGKILL)
            tasks.create_task(serve(cluster, serving, serving.pop(name)))

        answer = await answered(cluster, endpoint, token, kill)
    await until_known(cluster, serving)
    return answer


async def answered(
    cluster: Cluster, endpoint: str, token: int = 0, act: Callable[[str], None] = lambda name: None
) -> Answer:
    """One stream to its end; at the token of this number `act` is called with the name of the peer that began it."""
    body, said = {"model": "auto", "temperature": 0, "stream": True, **ASKED[endpoint]}, 0
    if endpoint == "chat/completions":
        body["stream_options"] = {"include_usage": True}
    async with cluster.http.post(f"{cluster.peers['ada'].url}/v1/{endpoint}", json=body) as response:
        answer = Answer(response.headers["x-ppai-peer"])
        async for line in response.content:
            answer.is_done = answer.is_done or line == b"data: [DONE]\n"
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            answer.is_done = answer.is_done or event.get("type") in ("message_stop", "response.completed")
            answer.error = answer.error or event.get("error")
            usage = (event.get("response") or event).get("usage") or {}
            answer.tokens = usage.get("completion_tokens") or usage.get("output_tokens") or answer.tokens
            word = word_in(event)
            answer.text, said = answer.text + word, said + bool(word)
            if said == token and word:
                act(answer.by)
    return answer


def word_in(event: dict[str, Any]) -> str:
    """What an event of any API says."""
    if isinstance(event.get("delta"), str):
        return event["delta"] if event["type"] == "response.output_text.delta" else ""
    deltas = [choice["delta"] for choice in event.get("choices") or ()] + [event.get("delta") or {}]
    return "".join(delta.get("content") or delta.get("text") or "" for delta in deltas)


def differs(said: str, whole: str) -> str:
    """Where a text departs from the unbroken one, and how; empty where it does not."""
    if said == whole:
        return ""
    at = next((at for at, (one, other) in enumerate(zip(said, whole, strict=False)) if one != other), len(said))
    return f"{said[max(0, at - 30) : at]!r} goes on with {said[at : at + 30]!r}, not with {whole[at : at + 30]!r}"
