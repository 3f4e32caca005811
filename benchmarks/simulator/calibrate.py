"""Measures the step time a + b·x of a real engine: x streams at once, seconds a token, least squares.

The embedded engine (llama.cpp, SmolLM2 135M, one thread) is timed by its own CPU clock, which other work on the
machine does not change. Any other OpenAI server, at --engine URL, is timed by the wall clock.
"""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import numpy as np

from benchmarks.progress import say
from gateway.engines.embedded import EmbeddedConfig, EmbeddedEngine
from gateway.home.folder import Home
from gateway.home.weights import locate

STREAMS = (1, 2, 4, 8)
TOKENS = 96
REPEATS = 3  # the least of them counts: whatever else the machine does only ever adds time
_WORDS = "the river carries what the mountain lets go and the sea keeps what the river brings "


async def calibrate(engine: str | None) -> dict[str, object]:
    """{"prefill_s", "step_s" (a), "stream_s" (b), "points": [[x, seconds a token]]}."""
    async with AsyncExitStack() as stack:
        headers, clock = {}, time.perf_counter
        if engine is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            model = locate("smollm2", Home.default().weights)
            embedded = EmbeddedEngine(model, EmbeddedConfig(slots=max(STREAMS)), folder / "engine.log")
            await embedded.start()
            stack.push_async_callback(embedded.stop)
            watch = asyncio.create_task(embedded.run())
            stack.callback(watch.cancel)
            async with asyncio.timeout(60):
                await embedded.ready()
            assert embedded.url and embedded.pid, "a ready engine has an address and a process"
            engine, headers = embedded.url, {"authorization": f"Bearer {embedded.api_key}"}
            clock = _cpu_clock(embedded.pid)
        connector = aiohttp.TCPConnector(force_close=True)  # llama.cpp drops idle connections between rounds
        session = await stack.enter_async_context(aiohttp.ClientSession(engine, headers=headers, connector=connector))
        models = await (await session.get("/v1/models")).json()
        return await _measure(session, models["data"][0]["id"], clock)


def fit(points: list[tuple[int, float]]) -> tuple[float, float]:
    """(a, b), both at least 0, from (streams, seconds a token)."""
    x, y = np.array(points, dtype=np.float64).T
    b, a = np.polyfit(x, y, 1)
    if a < 0:
        return 0.0, float((x @ y) / (x @ x))
    return float(a), max(0.0, float(b))


async def _measure(session: aiohttp.ClientSession, model: str, clock: Callable[[], float]) -> dict[str, object]:
    async def round_s(prompts: list[str], tokens: int) -> float:
        began = clock()
        await asyncio.gather(*(_stream(session, model, prompt, tokens) for prompt in prompts))
        return clock() - began

    await round_s(["warm"], 4)
    points = []
    for streams in STREAMS:
        rounds = [await round_s([f"{repeat} {i}" for i in range(streams)], TOKENS) for repeat in range(REPEATS)]
        points.append((streams, min(rounds) / TOKENS))
        say(f"calibrate: {streams} streams, {1000 * points[-1][1]:.2f} ms a token")
    words = 16 * len(_WORDS.split())  # a common word is about one token
    prompts = [await round_s([f"{repeat} " + 16 * _WORDS], 1) for repeat in range(REPEATS)]
    step_s, stream_s = fit(points)
    return {"model": model, "prefill_s": min(prompts) / words, "step_s": step_s, "stream_s": stream_s, "points": points}


async def _stream(session: aiohttp.ClientSession, model: str, prompt: str, tokens: int) -> None:
    body = {
        "model": model, "prompt": prompt, "max_tokens": tokens, "stream": True, "temperature": 0, "ignore_eos": True,
    }  # fmt: skip
    async with session.post("/v1/completions", json=body) as response:
        response.raise_for_status()
        events = [json.loads(line[6:]) async for line in response.content if line.startswith(b"data: {")]
    if not events:
        raise RuntimeError("the engine answered without a single token")


def _cpu_clock(pid: int) -> Callable[[], float]:
    """Seconds of processor time that a process has used (Linux)."""
    ticks, stat = os.sysconf("SC_CLK_TCK"), Path(f"/proc/{pid}/stat")

    def seconds() -> float:
        fields = stat.read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / ticks

    return seconds
