"""llama.cpp as a router, scripted as its documentation shows it: two models on disk, one loaded when it is asked."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class ScriptedRouter:
    """A request for the model that is not loaded waits until `loaded` is set; `tells` are the events meanwhile."""

    status: dict[str, str] = field(default_factory=lambda: {"warm": "loaded", "cold": "unloaded"})
    tells: list[dict[str, Any]] = field(default_factory=list)
    loaded: asyncio.Event = field(default_factory=asyncio.Event)
    load: tuple[int, int] = (0, 0)  # running and waiting
    paths: list[str] = field(default_factory=list)
    followers: int = 0
    url: str = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["ScriptedRouter"]:
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/props", self._props)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/models/sse", self._sse)
        app.router.add_post("/v1/chat/completions", self._chat)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _models(self, request: web.Request) -> web.Response:
        self.paths.append(request.path_qs)
        entries = [
            {
                "id": model, "object": "model", "owned_by": "llamacpp", "created": 1, "status": {"value": value},
                "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
                "meta": {"n_ctx_train": 8192, "n_params": 135_000_000} if value == "loaded" else None,
            }
            for model, value in self.status.items()
        ]  # fmt: skip
        return web.json_response({"object": "list", "data": entries})

    async def _props(self, request: web.Request) -> web.Response:
        self.paths.append(request.path_qs)
        if "model" not in request.query:
            return web.json_response({"role": "router", "max_instances": 4, "models_autoload": True})
        assert request.query["autoload"] == "false" and self.status[request.query["model"]] == "loaded"
        caps = {"supports_tools": False}
        return web.json_response(
            {"total_slots": 2, "chat_template_caps": caps, "default_generation_settings": {"n_ctx": 2048}}
        )

    async def _metrics(self, request: web.Request) -> web.Response:
        self.paths.append(request.path_qs)
        assert request.query["autoload"] == "false" and self.status[request.query["model"]] == "loaded"
        running, waiting = self.load
        return web.Response(text=f"llamacpp:requests_processing {running}\nllamacpp:requests_deferred {waiting}\n")

    async def _sse(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        self.followers += 1
        for event in self.tells:
            await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        await self.loaded.wait()
        return response

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if self.status[body["model"]] != "loaded":
            self.status[body["model"]] = "loading"
            await self.loaded.wait()
            self.status[body["model"]] = "loaded"
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        for choice in ({"delta": {"content": "hello"}}, {"delta": {}, "finish_reason": "stop"}):
            said = json.dumps({**chunk, "choices": [{"index": 0, **choice}]})
            await response.write(f"data: {said}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response


def progress(model: str, value: object, current: str = "text_model", *stages: str) -> dict[str, Any]:
    """An event that says how far a model is."""
    told = {"stages": list(stages or ("text_model",)), "current": current, "value": value}
    return {"model": model, "event": "model_status", "data": {"status": "loading", "progress": told}}
