"""The simulator's claims on real processes: three peers with the embedded engine, and one client of one of them.

The client sends a burst, or requests one after another (--per-s), or conversations (--turns), whose next turn is
quicker at the peer that read the last one. Each case gets three fresh peers. All three share this machine's cores, so
that the gain is what its cores allow.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import aiohttp
import numpy as np

from benchmarks.progress import say
from gateway.cli.demo.peers import NAMES, DemoPeer, start_peers
from gateway.cli.demo.show import QUESTIONS

Played = TypeVar("Played")
TOKENS = 24
TALKS = 3  # conversations at once: one for each peer's engine
THINKING_S = 0.5  # between an answer and the next turn, on average
MODES: Mapping[str, Mapping[str, object]] = {
    mode: {"scheduler": {"mode": mode}} for mode in ("default", "local", "random")
}
FORGETFUL: Mapping[str, object] = {"beliefs": {"sessions": {"limit": 0}}}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: seconds from asking to the last token, and who gave it; `text` is its words."""

    seconds: float
    peer: str
    text: str


def live(weights: Path, requests: int = 60, arrivals_per_s: float | None = None) -> dict[str, object]:
    """Rows by mode: seconds from asking to the last token. `arrivals_per_s` None: all at once."""
    runs = {
        mode: _with_peers(config, weights, lambda peer: _burst(peer, requests, arrivals_per_s))
        for mode, config in MODES.items()
    }
    rows = []
    for mode, answers in runs.items():
        by = dict(Counter(answer.peer for answer in answers))
        rows.append(_row(mode, answers, answered_by=by))
        say(f"live: {mode}: mean {rows[-1]['mean_s']:.2f} s, {by}")
    ratios = _ratios(rows, "default", ("local", "random"))
    return {"experiment": "live", "requests": requests, "per_s": arrivals_per_s, "rows": rows, "ratios": ratios}


def conversations(weights: Path, turns: int) -> dict[str, object]:
    """Rows with and without the memory of who has read a conversation: later turns only; `stayed` of them did."""
    rows = []
    for name, config in (("default", {}), ("forgetful", FORGETFUL)):
        talks = _with_peers(config, weights, lambda peer: _talks(peer, turns))
        later = [answer for talk in talks for answer in talk[1:]]
        stayed = np.mean([one.peer == next_.peer for talk in talks for one, next_ in pairwise(talk)])
        rows.append(_row(name, later, stayed=float(stayed)))
        say(f"live: {name}: mean {rows[-1]['mean_s']:.2f} s, {100 * stayed:.0f} % of the turns stayed")
    return {"experiment": "live", "turns": turns, "rows": rows, "ratios": _ratios(rows, "default", ("forgetful",))}


def _with_peers(
    config: Mapping[str, object], weights: Path, play: Callable[[DemoPeer], Awaitable[list[Played]]]
) -> list[Played]:
    with tempfile.TemporaryDirectory(prefix="ppai-live-") as folder, ExitStack() as stack:
        for name in NAMES:
            home = Path(folder) / name
            home.mkdir()
            (home / "config.yaml").write_text(json.dumps({"schema": 1, **config}), encoding="utf-8")
        with redirect_stdout(sys.stderr):
            peers = start_peers(Path(folder), weights, stack)
        return asyncio.run(_played(play, peers[0]))


async def _played(play: Callable[[DemoPeer], Awaitable[list[Played]]], peer: DemoPeer) -> list[Played]:
    return await play(peer)


async def _burst(peer: DemoPeer, requests: int, arrivals_per_s: float | None) -> list[Answer]:
    """After one request that is not counted. Raises aiohttp.ClientResponseError."""
    rng = np.random.default_rng(1)
    gaps_s = np.zeros(requests) if arrivals_per_s is None else rng.exponential(1 / arrivals_per_s, requests)
    async with _client(peer) as session:
        await _ask(session, [_said("user", "Say yes.")])
        tasks = []
        for i, gap_s in enumerate(gaps_s):
            await asyncio.sleep(gap_s)
            question = f"{QUESTIONS[i % len(QUESTIONS)]} ({i})"
            tasks.append(asyncio.create_task(_ask(session, [_said("user", question)])))
        return list(await asyncio.gather(*tasks))


async def _talks(peer: DemoPeer, turns: int) -> list[list[Answer]]:
    async with _client(peer) as session:
        await _ask(session, [_said("user", "Say yes.")])
        return list(await asyncio.gather(*(_talk(session, number, turns) for number in range(TALKS))))


async def _talk(session: aiohttp.ClientSession, number: int, turns: int) -> list[Answer]:
    """One conversation about a text of some 300 tokens; every turn sends all that was said before."""
    rng = np.random.default_rng(number)
    text = " ".join(f"Item {i} of list {number} costs {rng.integers(10, 99)} coins." for i in range(24))
    said, answers = [_said("system", text)], list[Answer]()
    for turn in range(turns):
        said.append(_said("user", f"{QUESTIONS[(turn + number) % len(QUESTIONS)]} ({turn})"))
        answers.append(await _ask(session, said))
        said.append(_said("assistant", answers[-1].text))
        await asyncio.sleep(rng.exponential(THINKING_S))
    return answers


def _client(peer: DemoPeer) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(peer.url, connector=aiohttp.TCPConnector(limit=0), raise_for_status=True)


def _said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


async def _ask(session: aiohttp.ClientSession, messages: list[dict[str, str]]) -> Answer:
    body = {"model": "auto", "messages": messages, "max_tokens": TOKENS, "stream": True}
    began, words = time.perf_counter(), []
    async with session.post("/v1/chat/completions", json=body) as response:
        events = await response.read()
    if b"[DONE]" not in events or b'"error"' in events:
        raise RuntimeError(f"an answer was cut short: {events[-200:]!r}")
    for line in events.splitlines():
        if line.startswith(b"data: {"):
            words += [choice["delta"].get("content") or "" for choice in json.loads(line[6:])["choices"]]
    return Answer(time.perf_counter() - began, response.headers["x-ppai-peer"], "".join(words))


def _row(policy: str, answers: list[Answer], **more: object) -> dict[str, object]:
    seconds = np.array([answer.seconds for answer in answers])
    mean_s, half = float(seconds.mean()), 1.96 * float(seconds.std(ddof=1)) / len(seconds) ** 0.5
    return {
        "policy": policy, "x": None, "mean_s": mean_s, "p99_s": float(np.quantile(seconds, 0.99)), "accuracy": None,
        "ci": {"mean_s": [mean_s - half, mean_s + half]}, **more,
    }  # fmt: skip


def _ratios(rows: list[dict[str, object]], one: str, others: tuple[str, ...]) -> dict[str, float]:
    mean_s = {str(row["policy"]): float(str(row["mean_s"])) for row in rows}
    return {f"{one}/{other}": mean_s[one] / mean_s[other] for other in others}
