"""Asks through the demo's endpoint, and counts: which agent answered, whether it is right, what a model says alone."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.cli.demo.agents import GENERALIST, OWNERS, Asked
from gateway.cli.demo.peers import DemoPeer
from gateway.cli.own_peer import OwnPeer
from gateway.home.folder import Home
from profiler.grading.short import contains

ANSWER_TOKENS = 24


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and how it came about."""

    text: str
    agent: str  # generalist where it is a bare model's, whoever serves it
    peer: str
    reason: str
    took_s: float
    went_on: tuple[str, ...] = ()  # peers that went on after the first one died

    @property
    def line(self) -> str:
        """The text in one line."""
        return " ".join(self.text.split())


@dataclass(frozen=True, slots=True)
class Counted:
    """One of the queries that are counted: answered through the network, and by the local model alone."""

    asked: Asked
    through: Answer
    alone: Answer

    @property
    def is_found(self) -> bool:
        """Whether it reached the agent that it is for."""
        return self.through.agent == self.asked.agent

    @property
    def right(self) -> tuple[bool, bool]:
        """Through the network, and alone."""
        return is_right(self.through.text, self.asked.answer), is_right(self.alone.text, self.asked.answer)


def is_right(text: str, answer: str) -> bool:
    """Whether the answer stands in what was said, the line of sources left out."""
    return contains(text.partition("\n\nSource")[0], answer)


async def ask(
    client: Any,
    peer: DemoPeer,
    question: str,
    *,
    stream: bool = False,
    alone: bool = False,
    begun: Callable[[str], None] = lambda peer: None,
) -> Answer:
    """Ask the peer; `alone`: its own bare model. `begun` is told who answers as soon as that one does."""
    began = time.monotonic()
    text = model = ""
    create = client.chat.completions.with_streaming_response.create
    to = {"model": peer.bare_model, "extra_headers": {"x-ppai-route": "local"}} if alone else {"model": "auto"}
    async with create(
        messages=[{"role": "user", "content": question}], max_tokens=ANSWER_TOKENS, temperature=0, stream=stream, **to,
    ) as response:  # fmt: skip
        headers = response.headers
        begun(headers["x-ppai-peer"])
        if stream:
            async for chunk in await response.parse():
                text += chunk.choices[0].delta.content or "" if chunk.choices else ""
        else:
            whole = await response.parse()
            text, model = whole.choices[0].message.content, whole.model
    went_on: tuple[str, ...] = ()
    if stream:
        line = await _route_line(peer, headers["x-request-id"])
        went_on = tuple(part["peer"] for part in line.get("parts", ())[1:])
    agent = model if model in OWNERS.values() else GENERALIST
    return Answer(text, agent, headers["x-ppai-peer"], headers["x-ppai-reason"], time.monotonic() - began, went_on)


async def _route_line(peer: DemoPeer, request_id: str) -> dict[str, Any]:
    """The route log's line of one request, which is written when the answer is complete; empty where none comes."""
    for _ in range(40):
        lines = await asyncio.to_thread(OwnPeer(Home(peer.home)).get, "/ppai/v1/events")
        if line := next((line for line in lines if line["request"] == request_id), None):
            return dict(line)
        await asyncio.sleep(0.05)
    return {}


async def count(client: Any, peer: DemoPeer, asked: Asked) -> Counted:
    """Ask a question through the network, and the local model alone."""
    return Counted(asked, await ask(client, peer, asked.question), await ask(client, peer, asked.question, alone=True))


def summary(counted: Sequence[Counted]) -> list[str]:
    """What the counted queries come to, and those that went elsewhere or were answered wrongly."""
    lines = []
    for agent in OWNERS.values():
        of = [one for one in counted if one.asked.agent == agent]
        found, right, alone = (
            sum(one.is_found for one in of), sum(one.right[0] for one in of), sum(one.right[1] for one in of),
        )  # fmt: skip
        lines.append(f"  {agent:14} {found} of {len(of)} reached it; right by it: {right}, by the local model: {alone}")
    for one in counted:
        if not one.is_found:
            by_lot = ", tried out by lot" if one.through.reason == "explored" else ""
            lines.append(f"      went to {one.through.agent} of {one.through.peer}{by_lot}: {one.asked.question}")
        elif one.asked.agent != GENERALIST and not one.right[0]:
            lines.append(f"      wrong: {one.asked.question} > {one.through.line}")
    found, total = sum(one.is_found for one in counted), len(counted)
    right, alone = sum(one.right[0] for one in counted), sum(one.right[1] for one in counted)
    lines.append(f"{found} of {total} reached the right agent ({found / total:.0%}).")
    lines.append(
        f"Right answers: {right} of {total} through the network, {alone} by the local model alone."
        " A quotation counts as right where it holds the answer."
    )
    return lines
