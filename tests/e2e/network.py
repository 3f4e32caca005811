"""Several real peer processes on loopback, each before an engine of its own, as one test sees them."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from tests.e2e.peer import PeerProcess
from tests.fakes import ScriptedEngine

CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "hi"}]}
SECRET = {"PPAI_SECRET": "9f1c6b0e4d7a23588e5bd0c1f76a2943"}


class Cluster:
    """Peers by name, each before an engine of its own that says `from NAME`."""

    def __init__(self, folder: Path, http: aiohttp.ClientSession, stack: contextlib.AsyncExitStack) -> None:
        self.peers: dict[str, PeerProcess] = {}
        self.engines: dict[str, ScriptedEngine] = {}
        self.http = http
        self._folder, self._stack = folder, stack

    async def start(
        self,
        name: str,
        *args: str,
        env: dict[str, str] | None = None,
        code: Path | None = None,
        python: Path | str = sys.executable,
        **behaviour: Any,
    ) -> PeerProcess:
        """One more peer, run from this checkout or from `code`; with `engine=""` before those of its settings."""
        url = behaviour.pop("engine", None)
        if url is None:
            paths = {"/v1/chat/completions": {}, "/v1/embeddings": {}}  # other peers hear only what an engine tells
            behaviour = {"pages": {"/openapi.json": {"paths": paths}}, **behaviour}
            engine = ScriptedEngine(**{"model": f"model-{name}", "answer": lambda body: f"from {name}", **behaviour})
            self.engines[name] = self._stack.enter_context(engine.serving_beside())
            url = engine.url
        env = {"PPAI_SCHEDULER_EXPLORATION": "0", **(SECRET if env is None else env)}  # no lot in a test
        before = ("--engine", url) if url else ()
        env |= {} if url else {"PPAI_ENGINE_SCRAPE_INTERVAL_S": ""}
        peer = PeerProcess(self._folder / name, "--name", name, *before, *args, env=env, python=python)
        peer.code = code
        self.peers[name] = await asyncio.to_thread(peer.__enter__)
        self._stack.push_async_callback(asyncio.to_thread, peer.stop)
        await asyncio.to_thread(peer.wait_ready)
        return peer

    def seed(self) -> str:
        """An address of the first peer that runs."""
        first = self.peers[next(filter(self.is_running, self.peers))]
        card = first.get("/ppai/v1/status")[1]
        return card["network"]["addresses"][0]

    async def get(self, name: str, path: str) -> Any:
        async with self.http.get(self.peers[name].url + path) as response:
            return await response.json()

    async def until(
        self, condition: Callable[[dict[str, list[dict[str, Any]]]], bool], timeout_s: float = 10.0
    ) -> float:
        """Seconds until `condition` holds on everybody's `ppai peers`; fails after `timeout_s`.

        A peer that ends, and takes no connection any more, is not among them.
        """
        began = time.monotonic()
        while True:
            seen = {}
            for name in filter(self.is_running, self.peers):
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    seen[name] = await self.get(name, "/ppai/v1/peers")
            if condition(seen):
                return time.monotonic() - began
            if time.monotonic() - began > timeout_s:
                logs = "\n".join(f"--- {name}\n{peer.output[-2000:]}" for name, peer in self.peers.items())
                raise AssertionError(f"not within {timeout_s} s: {json.dumps(seen, indent=1)[:3000]}\n{logs}")
            await asyncio.sleep(0.05)

    async def until_ready(self) -> float:
        """Everybody knows everybody as alive, allowed and open."""
        return await self.until(
            lambda seen: all(
                sum(p["state"] == "alive" and p["rights"] and p["admission"] == "open" for p in peers) == len(seen) - 1
                for peers in seen.values()
            )
        )

    async def until_answered(self, name: str, headers: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        """`ask`, until the answer is a 200."""
        async with asyncio.timeout(10):
            while (answer := await self.ask(name, headers))[0] != 200:
                await asyncio.sleep(0.05)
        return answer

    def is_running(self, name: str) -> bool:
        return psutil.pid_exists(self.peers[name].pid) and psutil.Process(self.peers[name].pid).status() not in (
            psutil.STATUS_ZOMBIE,
            psutil.STATUS_STOPPED,
        )

    async def ask(
        self, name: str, headers: dict[str, str] | None = None, **fields: Any
    ) -> tuple[int, dict[str, str], Any]:
        """One question to `name`'s endpoint: (status, headers, JSON)."""
        body = {**HELLO, **fields}
        async with self.http.post(self.peers[name].url + CHAT, json=body, headers=headers) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return response.status, headers, await response.json()


@contextlib.asynccontextmanager
async def cluster_in(folder: Path) -> AsyncIterator[Cluster]:
    """An empty one; what it starts ends with it."""
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        contextlib.AsyncExitStack() as stack,
    ):
        yield Cluster(folder, http, stack)


async def start(cluster: Cluster, *names: str, **behaviour: Any) -> None:
    """Peers that share a secret and know each other."""
    for name in names:
        seeds = ("--seed", cluster.seed()) if cluster.peers else ()
        await cluster.start(name, *seeds, **behaviour)
    await cluster.until_ready()
