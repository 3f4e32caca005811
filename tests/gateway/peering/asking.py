"""Asking a peer: bodies of delegations, and what comes of them."""

import asyncio
import json

from gateway.peering.hop.reply import PeerReply
from gateway.upstream import Patience
from tests.peers import PATIENCE, Pair

CHAT = {"messages": [{"role": "user", "content": "hi"}]}


def delegated(agent: str = "scripted-1", endpoint: str = "chat/completions", **fields: object) -> bytes:
    """The body of a delegation, without asking whether it may travel."""
    return json.dumps({"endpoint": endpoint, "agent": agent, "body": {**CHAT, **fields}}).encode()


async def ask(
    pair: Pair, body: bytes, *, stream: bool = False, patience: Patience = PATIENCE
) -> tuple[PeerReply, bytes]:
    """The reply, and what it said. Raises UpstreamError."""
    opened = pair.upstream().open("chat/completions", (body,), {}, stream=stream, patience=patience)
    async with opened as reply:
        if not reply.is_stream:
            return reply, await reply.read()
        return reply, b"".join([event.raw async for event in reply.events()])


async def until(condition, within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.002)
