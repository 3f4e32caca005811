"""Streams of Responses and Messages, as scripted engines say them whose answers break off and go on."""

import json
from typing import Any

from gateway.serving.continuing.begun import begun
from gateway.serving.continuing.said import Said
from gateway.wire.codec import view_of
from gateway.wire.request import Request, read_request
from tests import agents

ASKED: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "completions": {"prompt": "once"},
    "messages": {"messages": [{"role": "user", "content": "hi"}]},
    "responses": {"input": "hi"},
    "embeddings": {"input": "hi"},
}
MANY = " ".join(f"w{number}" for number in range(9))


def read(endpoint: str, **fields: Any) -> Request:
    return read_request(endpoint, json.dumps({**ASKED[endpoint], "stream": True, **fields}).encode())


def heard(endpoint: str, parts: list[bytes], **fields: Any) -> Said:
    """An answer of which the client has these parts."""
    said = begun(read(endpoint, **fields))
    assert said is not None
    for part in parts:
        said.hear(part)
    return said


def events(endpoint: str, request: Request, text: str = MANY, *, is_sparse: bool = False, **other: str) -> list[bytes]:
    """The data of an engine's events.

    `is_sparse`: as llama.cpp says them: without numbers and places, and at their ends with what was begun elsewhere.
    """
    body = {name: json.loads(bytes(view_of(value))) for name, value in request.fields.items()}
    said = agents.going_on(text)[endpoint]({"model": "m", **body})
    found = [json.loads(event.partition(b"data: ")[2]) for event in said]
    if is_sparse:
        kept = ("sequence_number", "output_index", "content_index")
        found = [{name: value for name, value in event.items() if name not in kept} for event in found]
        found = [_with_begun(event, agents.begun(body, "input")) for event in found]
    written = [json.dumps(event) for event in found]
    for old, new in other.items():
        written = [event.replace(old, new) for event in written]
    return [event.encode() for event in written]


def _with_begun(said: Any, text: str) -> Any:
    if isinstance(said, list):
        return [_with_begun(each, text) for each in said]
    if not isinstance(said, dict):
        return said
    return {
        name: f"{text}{value}" if name == "text" and value else _with_begun(value, text) for name, value in said.items()
    }


def stream(data: list[bytes]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (json.loads(event)["type"].encode(), event) for event in data)
