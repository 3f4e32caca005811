"""Real peers, one reached through a relay alone: answers, many at once, a relay that dies and comes back."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.network import SECRET, Cluster, cluster_in
from tests.e2e.peer import ppai

pytestmark = pytest.mark.slow

PIN = {"x-ppai-route": "ben"}
RELAY = {**SECRET, "PPAI_RELAY_SERVE": "true", "PPAI_RELAY_HOST": "127.0.0.1", "PPAI_RELAY_PORT": "0"}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


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


@pytest.fixture
async def relayed(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Ada and a relay, and ben, whose card names an address where nobody answers, and the relay's."""
    async with cluster_in(tmp_path) as cluster:
        port = free_port()
        relay = await cluster.start("relay", "--peer-port", str(port), env=RELAY)
        seed = ("--seed", f"127.0.0.1:{port}")
        await cluster.start("ada", *seed)
        env = {**SECRET, "PPAI_NETWORK_RELAY": f"127.0.0.1:{port}"}
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
    answers = await asyncio.gather(*(relayed.ask("ada", PIN) for _ in range(20)))

    assert {200} == {status for status, _, _ in answers}


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
