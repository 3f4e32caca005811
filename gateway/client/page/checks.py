"""POST /ppai/v1/doctor: the checks of `ppai doctor`, made by the same functions inside the running peer."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import msgspec
from starlette.requests import Request

from gateway.client.calls import Calls
from gateway.client.owner import looks_of, owner_only
from gateway.client.running import RunningPeer
from gateway.client.status import peers_of, status_of
from gateway.server.answering import AsgiClient
from gateway.wire.errors import InvalidRequest, message_in

ASKING_S = 60.0  # s for one token of one of our engines


def add_checks(calls: Calls, peer: RunningPeer) -> None:
    examining = asyncio.Lock()

    @calls.post("/ppai/v1/doctor", owner_only(peer))
    async def doctor(_: Request) -> list[dict[str, Any]]:
        """What is wrong, or holds: one finding a check, each with its remedy. It takes seconds."""
        async with examining:  # two pages that ask at once do not ask the engines twice at once
            loop = asyncio.get_running_loop()

            def ask(body: Mapping[str, object]) -> str:
                return asyncio.run_coroutine_threadsafe(ask_here(peer, body), loop).result()

            looks = await looks_of(peer)  # first: what they find is in the pages
            found = await asyncio.to_thread(peer.examine, status_of(peer), peers_of(peer), ask, looks)
            return [asdict(one) for one in found]


async def ask_here(peer: RunningPeer, body: Mapping[str, object]) -> str:
    """Why our own engine did not answer a chat request that stays here; empty where it did."""
    said: list[dict[str, Any]] = []

    async def keep(message: dict[str, Any]) -> None:
        said.append(message)

    client, stays = AsgiClient(keep, {}, "doctor"), {"x-ppai-route": "local"}
    try:
        async with asyncio.timeout(ASKING_S):
            await peer.dispatcher.answer("chat/completions", msgspec.json.encode(body), stays, client, "doctor")
    except InvalidRequest as error:
        return error.message
    except TimeoutError:
        return f"no answer within {ASKING_S:.0f} s"
    if said[0]["status"] == 200:
        return ""
    return message_in(b"".join(message.get("body", b"") for message in said[1:]))
