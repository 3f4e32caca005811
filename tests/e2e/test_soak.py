"""A quarter of an hour of mixed load on three peers: nothing grows, nothing stays open, nothing fails unasked.

PPAI_SOAK_S=60 tries it in a minute; the slope of memory is judged where ten minutes follow the warm-up, and
a leak shows in both halves of them. Memory is what no file backs, swapped out or not: what else a process has in
memory depends on how much of it the system spares for files.
"""

import asyncio
import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import numpy as np
import psutil
import pytest

from tests.e2e.network import CHAT, SECRET, Cluster

SOAK_S = float(os.environ.get("PPAI_SOAK_S", "900"))
WARM_UP_S = SOAK_S / 3  # encoders are loaded, caches fill, buffers find their size
WARM_UP_PACE = 3  # times as many requests meanwhile: at an ordinary pace memory still finds its size while it is judged
JUDGED_FROM_S = 590.0  # of samples: the noise of a shorter run is larger than the bound
SLOPE_LIMIT = 1 << 19  # bytes in ten minutes
SHORT_GROWTH_LIMIT = 10 << 20  # bytes, of a shorter run
WORKERS = 8
AWAY_S, HERE_S = min(10.0, SOAK_S / 12), min(50.0, SOAK_S / 6)  # of the peer that comes and goes
QUESTIONS = [f"What is {a} times {b}, and which city has {a} bridges?" for a in range(2, 10) for b in range(2, 8)]


@dataclass
class Load:
    """What was asked for, by kind, and every answer that was not as it should be."""

    http: aiohttp.ClientSession
    rng: random.Random
    done: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    async def work(self, urls: list[str], warm: float, until: float) -> None:
        """Ask until then, `WARM_UP_PACE` times as often before `warm`; both on the monotonic clock."""
        kinds = (self.whole, self.stream, self.abandoned_call, self.abandoned_stream)
        while time.monotonic() < until:
            kind, url = self.rng.choice(kinds), self.rng.choice(urls)
            route = self.rng.choice(["auto", "auto", "auto", "local", "ben", "cleo"])
            question = {"role": "user", "content": self.rng.choice(QUESTIONS)}
            body = {"messages": [question], "max_tokens": 64, "stream": kind in (self.stream, self.abandoned_stream)}
            try:
                async with asyncio.timeout(30):
                    await kind(url + CHAT, body, {"x-ppai-route": route})
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                self.failures.append(f"{kind.__name__} {route}: {error!r}")
            self.done[kind.__name__] = self.done.get(kind.__name__, 0) + 1
            await asyncio.sleep(self.rng.uniform(0.1, 0.4) / (WARM_UP_PACE if time.monotonic() < warm else 1))

    async def whole(self, url: str, body: object, headers: dict[str, str]) -> None:
        async with self.http.post(url, json=body, headers=headers) as response:
            text = await response.text()
            if _is_away(response.status, headers):
                return
            if response.status != 200 or '"from ' not in text:
                self.failures.append(f"whole {headers}: {response.status} {text[:300]}")

    async def stream(self, url: str, body: object, headers: dict[str, str]) -> None:
        async with self.http.post(url, json=body, headers=headers) as response:
            text = await response.text()
            if _is_away(response.status, headers):
                return
            if headers["x-ppai-route"] == "cleo" and '"code":"peer_not_found"' in text:
                return  # it waited for the peer, with a sign of life, until that had left
            if response.status != 200 or not text.endswith("data: [DONE]\n\n") or '"error"' in text:
                self.failures.append(f"stream {headers}: {response.status} {text[-300:]}")

    async def abandoned_call(self, url: str, body: object, headers: dict[str, str]) -> None:
        asking = asyncio.create_task(self.whole(url, body, headers))
        await asyncio.wait({asking}, timeout=self.rng.uniform(0.0, 0.05))
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    async def abandoned_stream(self, url: str, body: object, headers: dict[str, str]) -> None:
        async with self.http.post(url, json=body, headers=headers) as response:
            await response.content.readany()
            response.close()


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(SOAK_S + 300)
async def test_a_quarter_of_an_hour_of_mixed_load_leaves_nothing_behind(cluster: Cluster) -> None:
    for name in ("ada", "ben", "cleo"):
        seeds = ("--seed", cluster.seed()) if cluster.peers else ()
        await cluster.start(name, *seeds, env={**SECRET, "PPAI_ENGINE_SCRAPE_INTERVAL_S": "1"}, token_s=0.01)
    await cluster.until_ready()
    load, until = Load(cluster.http, random.Random(1)), time.monotonic() + SOAK_S
    warm = until - SOAK_S + WARM_UP_S
    staying = {name: psutil.Process(cluster.peers[name].pid) for name in ("ada", "ben")}

    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in staying}
    async with asyncio.TaskGroup() as tasks:
        for _ in range(WORKERS):
            tasks.create_task(load.work([cluster.peers[name].url for name in staying], warm, until))
        tasks.create_task(_come_and_go(cluster, "cleo", until))
        while (now := time.monotonic()) < until:
            for name, process in staying.items():
                samples[name].append((now, _held_bytes(process.pid)))
            await asyncio.sleep(SOAK_S / 450)

    judged = {name: [s for s in held if s[0] > warm] for name, held in samples.items()}
    slopes = {name: [_slope(half) * 600 for half in _halves(held)] for name, held in judged.items()}
    growth = {name: held[-1][1] - held[0][1] for name, held in judged.items()}
    answered = {name: len(engine.asked) for name, engine in cluster.engines.items()}
    print(f"done {load.done}, engines asked {answered}, bytes in ten minutes {slopes}, bytes in all {growth}")
    for engine in cluster.engines.values():
        await engine.until(lambda e: e.active == 0)
    await _until_no_upstream_is_open(cluster, staying)
    assert [] == load.failures[:20]
    assert min(load.done.values()) > SOAK_S / 10
    assert min(answered.values()) > 0  # delegated to the one that leaves and returns, too
    if SOAK_S - WARM_UP_S >= JUDGED_FROM_S:
        assert max(min(halves) for halves in slopes.values()) < SLOPE_LIMIT, slopes  # a leak goes on, a step does not
    assert max(growth.values()) < SHORT_GROWTH_LIMIT, growth


def _is_away(status: int, headers: dict[str, str]) -> bool:
    """Who insists on the peer that comes and goes has asked for this error; nobody else has."""
    return headers["x-ppai-route"] == "cleo" and status in (404, 502, 503)


async def _come_and_go(cluster: Cluster, name: str, until: float) -> None:
    """Leave politely, stay away, return from the same home; here at the end."""
    peer = cluster.peers[name]
    while time.monotonic() + HERE_S + AWAY_S + 5 < until:
        await asyncio.sleep(HERE_S)
        await asyncio.to_thread(peer.stop)
        await asyncio.sleep(AWAY_S)
        peer.url = ""
        await asyncio.to_thread(peer.__enter__)
        await asyncio.to_thread(peer.wait_ready)


async def _until_no_upstream_is_open(cluster: Cluster, staying: dict[str, psutil.Process]) -> None:
    """One connection to its engine may stay: the one that reads its load."""
    ports = {int(engine.url.rpartition(":")[2]) for engine in cluster.engines.values()}
    async with asyncio.timeout(15):
        while any(
            sum(bool(c.raddr) and c.raddr.port in ports for c in process.net_connections("tcp")) > 1
            for process in staying.values()
        ):
            await asyncio.sleep(0.2)


def _held_bytes(pid: int) -> int:
    """What the process has of memory that no file backs."""
    rows = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return sum(int(row[1]) << 10 for row in rows if row[0] in ("Anonymous:", "Swap:"))


def _halves(held: list[tuple[float, float]]) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    return held[: len(held) // 2], held[len(held) // 2 :]


def _slope(held: list[tuple[float, float]]) -> float:
    """Bytes a second, by least squares."""
    at, size = np.array(held).T
    return float(np.polyfit(at - at[0], size, 1)[0])
