"""Reading an engine's pages: bounded, never redirected, and what each refusal means."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiohttp import web

from gateway.engines.engine_api import PAGE_LIMIT_BYTES, EngineApi, StillLoading
from gateway.engines.family import Listing
from gateway.upstream import UpstreamError
from tests.fakes import ScriptedEngine
from tests.gateway.engines.apis import api_at


@asynccontextmanager
async def api_of(engine: ScriptedEngine) -> AsyncIterator[EngineApi]:
    async with engine.serving():
        yield api_at(engine.url, {"authorization": "Bearer key"})


@asynccontextmanager
async def api_answering(status: int, headers: dict[str, str] | None = None) -> AsyncIterator[EngineApi]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers, text="{}")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield api_at(f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


async def test_a_page_is_read_as_what_it_should_be() -> None:
    async with api_of(ScriptedEngine(model="tiny", context_tokens=512)) as api:
        listing = await api.get("/v1/models", Listing)

    assert [("tiny", 512)] == [(entry.id, entry.max_model_len) for entry in listing.data]


async def test_the_key_goes_along_with_what_is_asked_and_posted() -> None:
    engine = ScriptedEngine()
    async with api_of(engine) as api:
        await api.post("/v1/chat/completions", {"messages": []}, dict)
        status = await api.status_of("/v1/chat/completions", {"messages": []})

    assert 200 == status
    assert ["Bearer key"] * 2 == [headers["authorization"] for headers in engine.request_headers]
    assert [{"messages": []}] * 2 == engine.asked


@pytest.mark.parametrize(
    ("status", "raised", "says"),
    [
        (401, UpstreamError, "set engine.api_key or PPAI_ENGINE_API_KEY"),
        (403, UpstreamError, "set engine.api_key or PPAI_ENGINE_API_KEY"),
        (404, UpstreamError, "GET /page answered 404"),
        (500, UpstreamError, "GET /page answered 500"),
        (503, StillLoading, "{}"),
    ],
)
async def test_each_refusal_says_what_it_means(status: int, raised: type[Exception], says: str) -> None:
    async with api_answering(status) as api:
        with pytest.raises(raised, match=says):
            await api.get("/page", dict)


async def test_a_redirect_is_not_followed() -> None:
    """Not to a place that nobody configured, and not with the engine's key."""
    async with api_answering(302, {"location": "http://127.0.0.1:9/"}) as api:
        with pytest.raises(UpstreamError, match="answered 302"):
            await api.get("/page", dict)
        assert b"" == await api.text("/page")


@pytest.mark.parametrize("page", [b"<html>", b"[1, 2]", b'{"data": 7}', b""])
async def test_what_is_missing_or_of_another_form_is_not_found(page: bytes) -> None:
    async with api_of(ScriptedEngine(models=page)) as api:
        assert await api.find("/v1/models", Listing) is None
        assert await api.find("/nowhere", Listing) is None


async def test_an_endless_page_is_cut() -> None:
    page = b'{"data": [' + b" " * (PAGE_LIMIT_BYTES + (1 << 20)) + b"]}"
    async with api_of(ScriptedEngine(models=page)) as api:
        text = await api.text("/v1/models")
        with pytest.raises(msgspec.DecodeError):
            await api.get("/v1/models", Listing)

    assert PAGE_LIMIT_BYTES < len(text) < len(page)
