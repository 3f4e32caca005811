"""A client that gives up after a short silence outlives a long prefill, at its own engine and over the hop."""

import asyncio
import time
from pathlib import Path

import aiohttp
import httpx
import openai
import pytest
from aiohttp import web

from tests.e2e.network import CHAT, HELLO, SECRET, Cluster
from tests.e2e.peer import PeerProcess
from tests.router_engine import ScriptedRouter, progress

TOLD = ["peer", "model", "score", "cost-s", "reason", "attempts"]


async def ask(cluster: Cluster, at: str, patience_s: float, **fields: object) -> tuple[aiohttp.ClientResponse, bytes]:
    """The answer to a stream of which some byte came at least every `patience_s`."""
    patience = aiohttp.ClientTimeout(total=None, sock_read=patience_s)
    headers = {"x-ppai-route": at}
    body = {**HELLO, "stream": True, **fields}
    async with cluster.http.post(
        cluster.peers["ada"].url + CHAT, json=body, headers=headers, timeout=patience
    ) as response:
        return response, await response.read()


async def survive(cluster: Cluster, patience_s: float, prefill_s: float, keepalive_s: float) -> None:
    env = {**SECRET, "PPAI_CLIENT_KEEPALIVE_S": str(keepalive_s)}
    await cluster.start("ada", env=env, delay_s=prefill_s)
    await cluster.start("ben", "--seed", cluster.seed(), delay_s=prefill_s)
    await cluster.until_ready()
    for at, name in (("local", "ada"), ("ben", "ben")):
        began = time.monotonic()
        response, body = await ask(cluster, at, patience_s)
        assert time.monotonic() - began > prefill_s, "the engine prefilled"
        comments = [line for line in body.decode().split("\n") if line.startswith(":")]
        said = dict(word.split("=", 1) for word in comments[-1].removeprefix(": ppai ").split(" "))
        assert (200, False) == (response.status, "x-ppai-peer" in response.headers)
        assert (name, "1", TOLD) == (said["peer"], said["attempts"], list(said))
        assert {": ppai waiting"} == set(comments[:-1])
        assert f'"from {name}"'.split(" ")[0].encode() in body and body.endswith(b"data: [DONE]\n\n")


@pytest.mark.slow
async def test_a_client_with_a_short_read_timeout_survives_a_prefill(cluster: Cluster) -> None:
    await survive(cluster, patience_s=0.6, prefill_s=2.0, keepalive_s=0.1)

    read = httpx.Timeout(10, read=0.6)
    async with openai.AsyncOpenAI(
        base_url=cluster.peers["ada"].url + "/v1", api_key="none", timeout=read, max_retries=0
    ) as sdk:
        asked = [{"role": "user", "content": "hi"}]
        stream = await sdk.chat.completions.create(model="auto", messages=asked, stream=True)  # type: ignore[call-overload]
        words = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    assert "".join(words) in ("from ada", "from ben")


@pytest.mark.slow
async def test_a_client_with_a_read_timeout_of_3_s_survives_a_prefill_of_20_s(cluster: Cluster) -> None:
    await survive(cluster, patience_s=3.0, prefill_s=20.0, keepalive_s=1.0)


async def test_without_signs_of_life_it_would_not(cluster: Cluster) -> None:
    """And who leaves is noticed at the engine, as ever."""
    await cluster.start("ada", delay_s=2.0)

    with pytest.raises(aiohttp.SocketTimeoutError):
        await ask(cluster, "local", 0.3)
    await asyncio.to_thread(
        cluster.peers["ada"].wait, lambda: cluster.engines["ada"].hung_up == 1, "to hang up at its engine"
    )


async def test_an_engine_that_refuses_after_a_sign_of_life_is_told_in_the_stream(cluster: Cluster) -> None:
    await cluster.start("ada", env={**SECRET, "PPAI_CLIENT_KEEPALIVE_S": "0.1"}, delay_s=1.0, cut_after=0)

    response, body = await ask(cluster, "local", 0.6)

    assert (200, "text/event-stream; charset=utf-8") == (response.status, response.headers["content-type"])
    assert b'"stream_cut_short"' in body and b": ppai " in body and b"[DONE]" not in body


@pytest.mark.slow
@pytest.mark.parametrize("by", ["ada", "ben"])
async def test_signs_of_life_say_how_far_the_engine_is_with_loading_the_model(cluster: Cluster, by: str) -> None:
    """As llama.cpp tells it as a router, at one's own or over the hop; for others where its owner lets them load."""
    router = ScriptedRouter(tells=[progress("cold", 0.42)])
    env = {**SECRET, "PPAI_CLIENT_KEEPALIVE_S": "0.2", "PPAI_ENGINE_LOAD_FOR_OTHERS": "true"}
    async with router.serving(), asyncio.timeout(40):
        await cluster.start(by, engine=router.url, env=env)
        if by == "ben":
            await cluster.start("ada", "--seed", cluster.seed(), engine="none", env=env)
            await cluster.until(lambda seen: any(peer["admission"] == "open" for peer in seen["ada"]))
        said, body = b"", {**HELLO, "model": "cold", "stream": True}
        async with cluster.http.post(cluster.peers["ada"].url + CHAT, json=body) as response:
            async for line in response.content:
                said += line
                if b"loaded=42%" in line:
                    router.loaded.set()

    assert said.startswith(b": ppai waiting") and f"peer={by}".encode() in said
    assert b"hello" in said and said.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [True, pytest.param(False, marks=pytest.mark.slow)])
async def test_while_an_engine_loads_and_nobody_else_can_it_is_told_how_far_and_when_to_come_back(
    tmp_path: Path, stream: bool
) -> None:
    """In the engine's own words: llama.cpp answers every page with a 503 until its model is there."""

    async def loading(request: web.Request) -> web.Response:
        return web.json_response({"error": {"code": 503, "message": "Loading model, 43 %"}}, status=503)

    app = web.Application()
    app.router.add_route("*", "/{page:.*}", loading)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    peer = PeerProcess(tmp_path / "home", "--engine", f"http://127.0.0.1:{runner.addresses[0][1]}")
    await asyncio.to_thread(peer.__enter__)
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(10):
            message = ""
            while "Loading" not in message:
                async with http.post(peer.url + CHAT, json={**HELLO, "stream": stream}) as response:
                    message = (await response.json())["error"]["message"]
    finally:
        await asyncio.to_thread(peer.stop)
        await runner.cleanup()

    assert (503, "2") == (response.status, response.headers["retry-after"])
    assert "is still loading its model (it says: Loading model, 43 %)" in message
