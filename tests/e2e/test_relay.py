"""Real peers, one reached through a relay alone: answers, many at once, a relay that dies and comes back."""

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.network import CHAT, HELLO, SECRET, Cluster, cluster_in
from tests.e2e.peer import ppai
from tests.fakes import ScriptedEngine, free_port

pytestmark = pytest.mark.slow

TEXT, TOKEN_S = " ".join(f"w{number}" for number in range(40)), 0.05
PIN = {"x-ppai-route": "ben"}
RELAY = {**SECRET, "PPAI_RELAY_SERVE": "true", "PPAI_RELAY_HOST": "127.0.0.1", "PPAI_RELAY_PORT": "0"}


async def relays_of(cluster: Cluster, name: str) -> list[dict[str, Any]]:
    return list((await cluster.get(name, "/ppai/v1/status"))["network"]["relays"])


async def is_up(cluster: Cluster, name: str = "ben") -> bool:
    return any(row["at"] != [] for row in await relays_of(cluster, name))


async def eventually(condition: Any, within_s: float = 20.0) -> float:
    """Seconds until the coroutine that `condition` makes is true."""
    began = time.monotonic()
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.05)
    return time.monotonic() - began


def says_slowly(cluster: Cluster) -> ScriptedEngine:
    """Ben's engine: TEXT, one word every TOKEN_S."""
    engine = cluster.engines["ben"]
    engine.answer, engine.token_s = lambda body: TEXT, TOKEN_S
    return engine


async def outcome(cluster: Cluster) -> tuple[str, str]:
    """How a stream of ben's ends for ada, and what came of it. It fails after 20 s, or where the end is not told."""
    text, is_done, error = "", False, None
    url = cluster.peers["ada"].url + CHAT
    async with (
        asyncio.timeout(20),
        cluster.http.post(url, json={**HELLO, "stream": True}, headers=PIN) as response,
    ):
        if response.status != 200:
            assert (await response.json())["error"]["message"]
            return "refused", ""
        async for line in response.content:
            is_done = is_done or line.startswith(b"data: [DONE]")
            if line.startswith(b"data: {"):
                event = json.loads(line[6:])
                error = error or event.get("error")
                text += "".join(choice["delta"].get("content") or "" for choice in event.get("choices", ()))
    assert is_done is (error is None) and (error is None or error["message"])
    return ("whole" if is_done else "told in the stream"), text


@pytest.fixture
async def relayed(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Ada and a relay, and ben, whose card names an address where nobody answers, and the relay's."""
    async with cluster_in(tmp_path) as cluster:
        port = free_port()
        relay = await cluster.start("relay", "--peer-port", str(port), env=RELAY)
        seed = ("--seed", f"127.0.0.1:{port}")
        await cluster.start("ada", *seed)
        env = {**SECRET, "PPAI_NETWORK_RELAY": f"127.0.0.1:{port}", "PPAI_ENGINE_SLOTS": "32"}
        await cluster.start("ben", *seed, "--advertise", f"127.0.0.1:{free_port()}", env=env)
        await cluster.until(lambda seen: "ben" in [row["name"] for row in seen["relay"]])
        done = await asyncio.to_thread(ppai, "approve", "ben", "--relay", "--home", str(relay.home))
        assert 0 == done.returncode, done.stderr
        await eventually(lambda: is_up(cluster))
        await cluster.until_answered("ada", PIN)
        yield cluster


async def test_a_peer_answers_through_a_relay(relayed: Cluster) -> None:
    status, headers, body = await relayed.ask("ada", PIN)

    assert (200, "ben", "from ben") == (status, headers["x-ppai-peer"], body["choices"][0]["message"]["content"])
    (ben,) = [row for row in await relayed.get("ada", "/ppai/v1/peers") if row["name"] == "ben"]
    assert ben["path"] == ben["addresses"][1]


async def test_a_peer_of_0_1_0_is_put_through_to_the_only_peer_there(relayed: Cluster, older: Path) -> None:
    """It names nobody in its hello, and reads the card up to what it knows."""
    port = relayed.seed().rpartition(":")[2]
    await relayed.start("old", "--seed", f"127.0.0.1:{port}", code=older)

    status, headers, _ = await relayed.until_answered("old", PIN)

    assert (200, "ben") == (status, headers["x-ppai-peer"])


async def test_what_peers_tell_each_other_through_a_relay_is_counted(relayed: Cluster) -> None:
    """Nobody asks anything: what passes the relay is gossip, probes and looks."""

    async def passed() -> int:
        return sum(row["bytes"] for row in (await relayed.get("relay", "/ppai/v1/status"))["network"]["relayed"])

    before, began = await passed(), time.monotonic()
    await asyncio.sleep(15)
    per_s = (await passed() - before) / (time.monotonic() - began)

    print(f"{per_s / 1000:.1f} kB/s through the relay to and from one of three peers")
    assert 0 < per_s < 50_000


async def test_twenty_streams_at_once_go_through(relayed: Cluster) -> None:
    """All twenty are answered together, and each whole."""
    engine = says_slowly(relayed)
    reading = [asyncio.create_task(outcome(relayed)) for _ in range(20)]

    await engine.until(lambda seen: 20 == seen.active, 20)

    assert {("whole", TEXT)} == set(await asyncio.gather(*reading))


async def test_a_relay_that_is_restarted_under_load(relayed: Cluster) -> None:
    """20 streams without pause: each ends whole or in words, none hangs, and the engine is asked no more than that."""
    engine, ended, took, over = says_slowly(relayed), Counter[str](), list[float](), asyncio.Event()
    asked_before = len(engine.asked)

    async def ask_on() -> None:
        while not over.is_set():
            began = time.monotonic()
            how, text = await outcome(relayed)
            assert TEXT.startswith(text)
            ended[how] += 1
            took.append(time.monotonic() - began)
            await asyncio.sleep(0 if how == "whole" else 0.2)

    asking = [asyncio.create_task(ask_on()) for _ in range(20)]
    await engine.until(lambda seen: 20 == seen.active, 20)
    relayed.peers["relay"].stop(signal.SIGKILL)
    killed = dict(ended)
    await asyncio.to_thread(relayed.peers["relay"].__enter__)
    await asyncio.to_thread(relayed.peers["relay"].wait_ready)
    began = time.monotonic()
    await engine.until(lambda seen: 20 == seen.active, 30)
    took_s = time.monotonic() - began
    over.set()
    await asyncio.gather(*asking)

    print(f"before {killed}, in all {dict(ended)}; the longest took {max(took):.1f} s; 20 at once {took_s:.1f} s after")
    assert len(engine.asked) - asked_before <= ended.total()
    assert ended["told in the stream"] and ended["whole"] >= 20
    assert max(took) < 10 and took_s < 10


async def test_a_relay_that_dies_and_returns(relayed: Cluster) -> None:
    """Who asks meanwhile is told at once; answers come again soon after the relay is back."""
    relayed.peers["relay"].stop(signal.SIGKILL)
    status, _, _ = await relayed.ask("ada", PIN)
    assert status >= 500

    await asyncio.to_thread(relayed.peers["relay"].__enter__)
    began = time.monotonic()
    await asyncio.to_thread(relayed.peers["relay"].wait_ready)
    up_s = time.monotonic() - began
    await relayed.until_answered("ada", PIN)
    took_s = time.monotonic() - began - up_s

    print(f"answers again {took_s:.1f} s after the relay listens")
    assert took_s < 10
