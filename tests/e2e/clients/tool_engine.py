"""A scripted engine that calls tools and keeps to schemas, whatever a small model would do."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.fakes import ScriptedEngine

WORDS = "Good morning."


@dataclass
class ToolEngine(ScriptedEngine):
    """Calls the tool that is named, or the first one, and says WORDS when it has been told what the tool found.

    A schema is filled in: "Oslo" for a text, true for a truth, 7 for a number.
    """

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        if request.path not in ("/v1/chat/completions", "/v1/completions"):
            raise web.HTTPNotFound
        return await super()._generate(request)

    async def _whole(self, request: web.Request, body: dict[str, Any], words: list[str]) -> web.Response:
        if "prompt" in body:
            choice = {"index": 0, "text": WORDS, "finish_reason": "stop"}
            return web.json_response(
                {**self._head("text_completion"), "choices": [choice], "usage": self._usage(body, words)}
            )
        call = _called(body)
        message = {"role": "assistant", "content": None if call else _words(body), **_calls(call)}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if call else "stop"}
        return web.json_response(
            {**self._head("chat.completion"), "choices": [choice], "usage": self._usage(body, words)}
        )

    async def _stream(self, request: web.Request, body: dict[str, Any], words: list[str]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        call = _called(body)
        for delta in _pieces(call, _words(body)):
            await self._event(response, [{"index": 0, "delta": delta, "finish_reason": None}])
        await self._event(response, [{"index": 0, "delta": {}, "finish_reason": "tool_calls" if call else "stop"}])
        if (body.get("stream_options") or {}).get("include_usage"):
            await self._event(response, [], usage=self._usage(body, words))
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _event(self, response: web.StreamResponse, choices: list[Any], **more: Any) -> None:
        event = {**self._head("chat.completion.chunk"), "choices": choices, **more}
        await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": self.model}


def _called(body: dict[str, Any]) -> tuple[str, str] | None:
    """(name, arguments) of the tool that this request calls; None: it is answered in words."""
    tools = {tool["function"]["name"]: tool["function"] for tool in body.get("tools") or ()}
    if not tools or body["messages"][-1]["role"] == "tool":
        return None
    choice = body.get("tool_choice")
    name = choice["function"]["name"] if isinstance(choice, dict) else next(iter(tools))
    return name, json.dumps(_filled(tools[name]["parameters"]))


def _words(body: dict[str, Any]) -> str:
    wanted = body.get("response_format") or {}
    return json.dumps(_filled(wanted["json_schema"]["schema"])) if "json_schema" in wanted else WORDS


def _filled(schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        return {name: _filled(field) for name, field in schema.get("properties", {}).items()}
    return {"boolean": True, "number": 7, "integer": 7}.get(schema.get("type", ""), "Oslo")


def _calls(call: tuple[str, str] | None) -> dict[str, Any]:
    if call is None:
        return {}
    return {"tool_calls": [{"id": "call-1", "type": "function", "function": {"name": call[0], "arguments": call[1]}}]}


def _pieces(call: tuple[str, str] | None, words: str) -> Iterator[dict[str, Any]]:
    """The deltas of a stream: a call's arguments come in pieces, as engines send them."""
    yield {"role": "assistant", "content": None if call else ""}
    if call is None:
        yield from ({"content": word} for word in words.partition(" ") if word)
        return
    name, arguments = call
    yield {
        "tool_calls": [{"index": 0, "id": "call-1", "type": "function", "function": {"name": name, "arguments": ""}}]
    }
    for piece in (arguments[:5], arguments[5:]):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
