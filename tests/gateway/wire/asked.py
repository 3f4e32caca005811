"""Requests for tests of what is known of a body, and what is written anew."""

import json
from typing import Any

from gateway.wire.codec import pieces_of
from gateway.wire.request import Request, read_request

URL = "http://169.254.169.254/latest"
IMAGE = "data:image/png;base64,AAAA"


def chat(*messages: Any, **fields: Any) -> Request:
    return read_request("chat/completions", json.dumps({"messages": messages, **fields}).encode())


def user(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


def raw(messages: bytes) -> Request:
    return read_request("chat/completions", b'{"messages":[' + messages + b"]}")


def image(url: object, **more: object) -> dict[str, Any]:
    return user([{"type": "image_url", "image_url": {"url": url, **more}}])


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **function}}


def nested(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(levels - 1):
        inner = {"x": inner}
    return inner


def written(request: Request, name: str) -> Any:
    return json.loads(b"".join(pieces_of(request.written[name])))
