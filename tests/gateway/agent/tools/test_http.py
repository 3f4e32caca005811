"""A server of tools at an address: what it sends is bounded, and where it is gone that is said."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web

from gateway.agent.settings import ToolSettings
from gateway.agent.tools.server import Server
from tests.gateway.agent.tools.test_server import until

TOOL = {"name": "echo", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}


class Site:
    """A server by hand; `mode` says how it answers calls."""

    def __init__(self) -> None:
        self.mode, self.url, self.authorizations = "good", "", set[str | None]()
        self.is_down = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.authorizations.add(request.headers.get("authorization"))
        if self.is_down or request.method != "POST":
            return web.Response(status=503 if self.is_down else 405)
        asked = await request.json()
        if "id" not in asked:
            return web.Response(status=202)
        info = {"name": "x", "version": "1"}
        results = {
            "initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info},
            "tools/list": {"tools": [TOOL]},
        }
        if asked["method"] == "tools/call":
            return await self.call(request, asked)
        if asked["method"] not in results:
            error = {"code": -32601, "message": "unknown"}
            return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "error": error})
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": results[asked["method"]]})

    async def call(self, request: web.Request, asked: dict) -> web.StreamResponse:
        if self.mode == "hang":
            await asyncio.sleep(600)
        if self.mode in ("endless", "stream"):
            response = web.StreamResponse(
                headers={"content-type": "application/json" if self.mode == "endless" else "text/event-stream"}
            )
            await response.prepare(request)
            while True:
                await response.write(b"x" * 65536 if self.mode == "endless" else b": x" * 20000 + b"\n\n")
        words = "x" * 6_000_000 if self.mode == "big" else "hello"
        content = [{"type": "text", "text": words}]
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": {"content": content}})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Site"]:
        app = web.Application()
        app.router.add_route("*", "/mcp", self.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
        try:
            yield self
        finally:
            await runner.cleanup()


@asynccontextmanager
async def running(url: str, **more: object) -> AsyncIterator[Server]:
    server = Server(ToolSettings("site", url=url, **more), "nora", connect_s=5, pause_s=0.01)
    task = asyncio.create_task(server.run())
    try:
        yield server
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_it_is_called_with_the_owners_headers() -> None:
    async with Site().serving() as site, running(site.url, headers={"authorization": "Bearer t"}) as server:
        await until(lambda: server.tools)

        assert "hello" == (await server.call("echo", {})).text
        assert {"Bearer t"} == site.authorizations


@pytest.mark.parametrize("mode", ["big", "endless", "stream"])
async def test_what_is_too_large_ends_the_call(mode: str) -> None:
    async with Site().serving() as site, running(site.url) as server:
        await until(lambda: server.tools)
        site.mode = mode

        async with asyncio.timeout(20):
            result = await server.call("echo", {})

        assert result.is_error and "over 4 MiB" in result.text


async def test_a_call_that_hangs_can_be_left() -> None:
    async with Site().serving() as site, running(site.url) as server:
        await until(lambda: server.tools)
        site.mode = "hang"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await server.call("echo", {})
        site.mode = "good"

        assert "hello" == (await server.call("echo", {})).text


async def test_nobody_there_is_said_and_given_up_in_the_end() -> None:
    async with Site().serving() as site:
        gone = site.url
    async with running(gone) as server:
        await until(lambda: server.problem and "disabled" in server.problem)


async def test_what_is_no_address_is_said() -> None:
    server = Server(ToolSettings("site", url="ftp://x"), "nora", pause_s=0.01)

    await server.run()

    assert server.problem and "must begin with http:// or https://" in server.problem
