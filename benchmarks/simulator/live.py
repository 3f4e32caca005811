"""The simulator's claim on real processes: three peers with the embedded engine, one client, 60 requests at once.

Each mode gets three fresh peers. All three share this machine's cores, so the gain is what its cores allow.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Literal

import aiohttp
import numpy as np

from benchmarks.simulator.progress import say
from gateway.demo import NAMES, QUESTIONS, DemoPeer, start_peers

Mode = Literal["default", "local", "random"]
TOKENS = 24


def live(weights: Path, requests: int = 60, arrivals_per_s: float | None = None) -> dict[str, object]:
    """Rows by mode: seconds from asking to the last token. `arrivals_per_s` None: all at once."""
    runs = {mode: _run(mode, weights, requests, arrivals_per_s) for mode in ("default", "local", "random")}
    rows = [_row(mode, answers) for mode, answers in runs.items()]
    mean_s = {str(row["policy"]): float(str(row["mean_s"])) for row in rows}
    ratios = {f"default/{mode}": mean_s["default"] / mean_s[mode] for mode in ("local", "random")}
    return {"experiment": "live", "requests": requests, "per_s": arrivals_per_s, "rows": rows, "ratios": ratios}


def _run(mode: str, weights: Path, requests: int, arrivals_per_s: float | None) -> list[tuple[float, str]]:
    with tempfile.TemporaryDirectory(prefix="ppai-live-") as folder, ExitStack() as stack:
        for name in NAMES:
            home = Path(folder) / name
            home.mkdir()
            (home / "config.yaml").write_text(json.dumps({"schema": 1, "scheduler": {"mode": mode}}), encoding="utf-8")
        with redirect_stdout(sys.stderr):
            peers = start_peers(Path(folder), weights, stack)
        answers = asyncio.run(_burst(peers[0], requests, arrivals_per_s))
    say(f"live: {mode}: mean {np.mean([s for s, _ in answers]):.2f} s, {dict(Counter(peer for _, peer in answers))}")
    return answers


async def _burst(peer: DemoPeer, requests: int, arrivals_per_s: float | None) -> list[tuple[float, str]]:
    """[(seconds, who answered)], after one request that is not counted. Raises aiohttp.ClientResponseError."""
    rng = np.random.default_rng(1)
    gaps_s = np.zeros(requests) if arrivals_per_s is None else rng.exponential(1 / arrivals_per_s, requests)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(peer.url, connector=connector, raise_for_status=True) as session:
        await _ask(session, "Say yes.")
        tasks = []
        for i, gap_s in enumerate(gaps_s):
            await asyncio.sleep(gap_s)
            tasks.append(asyncio.create_task(_ask(session, f"{QUESTIONS[i % len(QUESTIONS)]} ({i})")))
        return list(await asyncio.gather(*tasks))


async def _ask(session: aiohttp.ClientSession, question: str) -> tuple[float, str]:
    body = {
        "model": "auto", "messages": [{"role": "user", "content": question}], "max_tokens": TOKENS, "stream": True,
    }  # fmt: skip
    began = time.perf_counter()
    async with session.post("/v1/chat/completions", json=body) as response:
        text = await response.read()
    if b"[DONE]" not in text or b'"error"' in text:
        raise RuntimeError(f"an answer was cut short: {text[-200:]!r}")
    return time.perf_counter() - began, response.headers["x-ppai-peer"]


def _row(mode: str, answers: list[tuple[float, str]]) -> dict[str, object]:
    seconds = np.array([s for s, _ in answers])
    half = 1.96 * float(seconds.std(ddof=1)) / len(seconds) ** 0.5
    mean_s = float(seconds.mean())
    return {
        "policy": mode, "x": None, "mean_s": mean_s, "p99_s": float(np.quantile(seconds, 0.99)), "accuracy": None,
        "ci": {"mean_s": [mean_s - half, mean_s + half]}, "answered_by": dict(Counter(peer for _, peer in answers)),
    }  # fmt: skip
