"""A server that speaks Anthropic's API as its documentation shows it, scripted, on a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

WORDS = ("Good", " morning", ".")


@dataclass
class ScriptedAnthropic:
    """`status` other than 200 is answered with an error of Anthropic's form; `token_s` is waited after each word."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    token_s: float = 0.0
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    active: int = 0
    url: str = ""

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator["ScriptedAnthropic"]:
        app = web.Application()
        app.router.add_post("/v1/messages", self._messages)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        self.keys.append(request.headers.get("x-api-key", ""))
        if self.status != 200:
            error = {"type": "error", "error": {"type": "scripted_error", "message": "scripted failure"}}
            return web.json_response(error, status=self.status, headers=self.headers)
        self.active += 1
        try:
            return await (self._stream(request, body) if body.get("stream") else self._whole(body))
        finally:
            self.active -= 1

    async def _whole(self, body: dict[str, Any]) -> web.Response:
        await asyncio.sleep(self.token_s)
        content = [{"type": "text", "text": "".join(WORDS)}]
        return web.json_response(_message(body, content, "end_turn", {"input_tokens": 12, "output_tokens": 3}))

    async def _stream(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        begun = _message(body, [], None, {"input_tokens": 12, "output_tokens": 1})
        await _send(response, "message_start", message=begun)
        await _send(response, "content_block_start", index=0, content_block={"type": "text", "text": ""})
        await _send(response, "ping")
        for word in WORDS:
            await _send(response, "content_block_delta", index=0, delta={"type": "text_delta", "text": word})
            await asyncio.sleep(self.token_s)
        await _send(response, "content_block_stop", index=0)
        end = {"stop_reason": "end_turn", "stop_sequence": None}
        await _send(response, "message_delta", delta=end, usage={"output_tokens": 3})
        await _send(response, "message_stop")
        return response


def _message(body: dict[str, Any], content: list[Any], reason: str | None, usage: dict[str, int]) -> dict[str, Any]:
    return {
        "id": "msg_01", "type": "message", "role": "assistant", "model": body["model"], "content": content,
        "stop_reason": reason, "stop_sequence": None, "usage": usage,
    }  # fmt: skip


async def _send(response: web.StreamResponse, kind: str, **fields: object) -> None:
    await response.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode())
