"""An answer that breaks off goes on at another peer, and its client sees one answer."""

import asyncio
import json
import signal
from collections import Counter
from typing import Any

import pytest

from tests.e2e.network import CHAT, HELLO, SECRET, Cluster
from tests.fakes import going_on

WORDS = [f"w{number}" for number in range(60)]
TEXT = " ".join(WORDS)
TOKEN_S = 0.03
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


async def continuing(cluster: Cluster, by: str, name: str) -> bool:
    """Whether `by` knows that the agent of `name` goes on with answers."""
    peers = await cluster.get(by, "/ppai/v1/peers")
    return any(agent["continues"] for peer in peers if peer["name"] == name for agent in peer["agents"])


async def read(cluster: Cluster, name: str, headers: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """One stream to its end: its text, its events, its comments, and who began it."""
    async with cluster.http.post(
        cluster.peers[name].url + CHAT, json={**STREAM, **fields}, headers=headers
    ) as response:
        lines = [line.decode().rstrip("\n") async for line in response.content]
        by = response.headers["x-ppai-peer"]
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    events = [json.loads(one) for one in data if one != "[DONE]"]
    return {
        "by": by,
        "done": data[-1] == "[DONE]",
        "events": events,
        "comments": [line for line in lines if line.startswith(":")],
        "error": next((event["error"] for event in events if "error" in event), None),
        "text": "".join(
            choice["delta"].get("content") or "" for event in events for choice in event.get("choices", ())
        ),
    }


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


async def test_a_client_that_does_not_want_that_gets_the_error(cluster: Cluster) -> None:
    await start(cluster, "ben", "cleo", token_s=TOKEN_S)
    asking = asyncio.create_task(read(cluster, "ada", {"x-ppai-continue": "0"}))

    first = await begun(cluster, 1, 10)
    await asyncio.to_thread(cluster.peers[first].stop, signal.SIGKILL)
    answer = await asking

    assert "peer_unreachable" == answer["error"]["code"]
    assert (False, []) == (answer["done"], answer["comments"]) and TEXT.startswith(answer["text"])


@pytest.mark.slow
async def test_of_200_streams_and_three_peers_of_which_one_is_killed_no_client_sees_an_error(cluster: Cluster) -> None:
    await start(cluster, "ben", "cleo", "dan", slots=100, token_s=0.2)
    asking = [asyncio.create_task(read(cluster, "ada")) for _ in range(200)]

    first = await begun(cluster, 200, 10)
    await asyncio.to_thread(cluster.peers[first].stop, signal.SIGKILL)
    answers = await asyncio.gather(*asking)

    assert [] == [answer["error"] for answer in answers if answer["error"]]
    assert {TEXT} == {answer["text"] for answer in answers}
    went_on = Counter(comment for answer in answers for comment in answer["comments"])
    assert sum(went_on.values()) == sum(answer["by"] == first for answer in answers) > 20
