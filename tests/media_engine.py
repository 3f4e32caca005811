"""An engine that makes speech, hears it, ranks, draws and counts tokens, as scripts: what it was sent, it says."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway.wire.bodies import OTHERS

SPEECH = bytes(range(256)) * 4096  # 1 MiB


@dataclass
class MediaEngine:
    """It has the `endpoints`, and lists them in /openapi.json if it `tells`."""

    endpoints: Iterable[str] = tuple(OTHERS)
    model: str = "media-1"
    tells: bool = True
    status: int = 200
    cut_after: int | None = None  # bytes of speech, then the connection is closed
    stall_after: int | None = None  # bytes of speech, then no more come
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    hung_up: int = 0
    delay_s: float = 0.0
    url: str = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["MediaEngine"]:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_get("/v1/models", self._models)
        if self.tells:
            app.router.add_get("/openapi.json", self._page)
        for endpoint in self.endpoints:
            app.router.add_post(OTHERS[endpoint], self._answer)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": self.model, "owned_by": "media"}]})

    async def _page(self, request: web.Request) -> web.Response:
        return web.json_response({"paths": {OTHERS[endpoint]: {} for endpoint in self.endpoints}})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.content_type == "multipart/form-data":
            fields = await _form(request)
        else:
            fields = await request.json()
        self.asked.append((request.path, fields))
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.hung_up += 1
            raise
        if self.status != 200:
            return web.json_response({"error": {"message": "scripted failure"}}, status=self.status)
        if request.path == OTHERS["audio/speech"]:
            return await self._speech(request)
        return web.json_response({"text": "heard", "data": [{"b64_json": "aGk="}], "heard": fields})

    async def _speech(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "audio/wav"})
        await response.prepare(request)
        await response.write(SPEECH[: self.cut_after or self.stall_after])
        if self.stall_after is not None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.hung_up += 1
                raise
        if self.cut_after is not None:
            assert request.transport
            request.transport.abort()
        return response


async def _form(request: web.Request) -> dict[str, Any]:
    """A form's fields, of files their name, size and hash."""
    fields: dict[str, Any] = {}
    async for part in await request.multipart():
        name = part.name
        if part.filename is None:
            fields[name] = await part.text()
            continue
        size, digest = 0, hashlib.sha256()
        while piece := await part.read_chunk(1 << 16):
            size += len(piece)
            digest.update(piece)
        fields[name] = {"name": part.filename, "bytes": size, "sha256": digest.hexdigest()}
    return fields
