"""A real peer with two workers: what is lost with one of them, what with the owner, and that the owner counts all."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.discovery.loopback import until
from tests.e2e.peer import PeerProcess, ppai
from tests.fakes import ScriptedEngine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="workers are for Linux"),
]
CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "hi"}]}
LONG = {**HELLO, "stream": True}


@pytest.fixture
def engine() -> Iterator[ScriptedEngine]:
    with ScriptedEngine(token_s=0.02, answer=lambda body: "word " * 200).serving_beside() as engine:
        yield engine


@pytest.fixture
def peer(engine: ScriptedEngine, tmp_path: Path) -> Iterator[PeerProcess]:
    env = {"PPAI_CLIENT_WORKERS": "2"}
    with PeerProcess(tmp_path / "home", "--engine", engine.url, env=env) as peer:
        yield peer.wait_ready()


@pytest.fixture
async def http(peer: PeerProcess) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(peer.url, timeout=aiohttp.ClientTimeout(20)) as http:
        yield http


def workers(peer: PeerProcess) -> list[psutil.Process]:
    return [one for one in psutil.Process(peer.pid).children() if "gateway.workers.process" in one.cmdline()]


async def stream(http: aiohttp.ClientSession, lines: list[str] | None = None) -> str:
    """What a stream says, and `broken` behind it where its connection breaks; its lines are added as they come."""
    lines = [] if lines is None else lines
    try:
        async with http.post(CHAT, json=LONG) as answer:
            async for line in answer.content:
                lines.append(line.decode())
    except aiohttp.ClientError:
        lines.append("broken")
    return "".join(lines)


async def speaking(http: aiohttp.ClientSession, count: int) -> list[asyncio.Task[str]]:
    """So many streams, of each of which a word has come."""
    heard = [list[str]() for _ in range(count)]
    streams = [asyncio.create_task(stream(http, lines)) for lines in heard]
    await until(lambda: all(any("word" in line for line in lines) for lines in heard), 20)
    return streams


async def test_the_owner_counts_what_workers_pass_on(http: aiohttp.ClientSession, peer: PeerProcess) -> None:
    answers = await asyncio.gather(*(stream(http) for _ in range(8)))

    assert [200] * 8 == [said.count("word") for said in answers]
    log = peer.home / "route.jsonl"
    await until(lambda: log.exists() and log.read_text().count("\n") == 8)
    assert ["ok"] * 8 == [json.loads(line)["status"] for line in log.read_text().splitlines()]
    async with http.get("/metrics") as metrics:
        counted = await metrics.text()
    assert 'status="ok"' in counted
    status = peer.get("/ppai/v1/status")[1]
    assert {"wanted": 2, "running": 2, "ended": 0} == status["workers"]


async def test_with_a_worker_its_streams_are_lost_and_no_other(http: aiohttp.ClientSession, peer: PeerProcess) -> None:
    streams = await speaking(http, 12)
    first, second = workers(peer)
    first.send_signal(signal.SIGKILL)
    said = await asyncio.gather(*streams)

    whole = [one for one in said if one.endswith("data: [DONE]\n\n")]
    lost = [one for one in said if one.endswith("broken")]
    assert 12 == len(whole) + len(lost) and whole and lost
    await until(lambda: peer.get("/ppai/v1/status")[1]["workers"] == {"wanted": 2, "running": 2, "ended": 1}, 20)
    await until(lambda: peer.get("/ppai/v1/status")[1]["engine"]["running"] == 0)  # what the lost ones held is free
    assert second.pid in {one.pid for one in workers(peer)}
    assert 200 == (await stream(http)).count("word")


async def test_with_the_owner_all_end_and_streams_say_so(http: aiohttp.ClientSession, peer: PeerProcess) -> None:
    streams = await speaking(http, 8)
    there = workers(peer)
    os.kill(peer.pid, signal.SIGKILL)
    said = await asyncio.gather(*streams)

    assert all('"stopping"' in one and "word" in one for one in said)
    await until(lambda: not any(one.is_running() and one.status() != "zombie" for one in there), 5)


async def test_a_key_that_is_revoked_is_refused_by_all(http: aiohttp.ClientSession, peer: PeerProcess) -> None:
    home = ("--home", str(peer.home))
    ppai("key", "add", "phone", *home)  # one is left: keys are asked for
    key = ppai("key", "add", "editor", *home).stdout.strip()

    async def statuses(headers: dict[str, str]) -> set[int]:
        async def one() -> int:
            async with aiohttp.ClientSession(peer.url) as own, own.get("/v1/models", headers=headers) as answer:
                return answer.status

        return set(await asyncio.gather(*(one() for _ in range(12))))

    given = {"authorization": f"Bearer {key}"}
    assert {200} == await statuses(given)
    ppai("key", "remove", "editor", *home)
    assert {401} == await statuses(given)


async def test_a_peer_that_stops_lets_streams_end(http: aiohttp.ClientSession, peer: PeerProcess) -> None:
    streams = await speaking(http, 4)
    stopping = asyncio.create_task(asyncio.to_thread(peer.stop))

    assert [200] * 4 == [said.count("word") for said in await asyncio.gather(*streams)]
    assert 0 == await stopping
