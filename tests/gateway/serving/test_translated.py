"""A client of an API that nobody here has gets chat's answers in it, whole and as a stream, errors included."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from gateway.serving.relaying import STREAM
from gateway.serving.translated import Translated, fields_of
from gateway.upstream import UpstreamError
from gateway.wire.errors import error_event
from gateway.wire.events import DONE
from gateway.wire.request import read_request
from tests.gateway.serving.forwarding import Recorder


class Shouting:
    """Adapters of an API that says a chat in capitals."""

    endpoints = frozenset({"responses", "messages"})

    def are_installed(self) -> bool:
        return True

    def asked(self, endpoint: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        turn = {"role": "user", "content": fields["input"]}
        return {"model": fields.get("model"), "messages": [turn], "stream": fields.get("stream")}

    def whole(self, endpoint: str, fields: Mapping[str, Any], answer: bytes) -> bytes:
        return answer.upper()

    async def events(
        self, endpoint: str, fields: Mapping[str, Any], chunks: AsyncIterator[bytes]
    ) -> AsyncIterator[tuple[str, bytes]]:
        yield "begun", b"{}"
        async for chunk in chunks:
            if b"odd" in chunk:
                raise ValueError
            yield "said", chunk.upper()
        yield "done", b"{}"


def translated(client: Recorder, endpoint: str = "messages") -> Translated:
    return Translated(client, endpoint, {}, Shouting())


async def test_a_stream_is_said_as_it_comes() -> None:
    """However many events come at once, and wherever their bytes are cut."""
    client = Recorder()
    told = translated(client)
    await told.start(200, STREAM, {"x-ppai-peer": "ben"})
    await told.send(b'data: {"a":1}\n\ndata: {"b"', more=True)
    await told.comment(b": ppai waiting\n\n")
    assert b"event: begun\ndata: {}\n\n" in client.body
    await told.send(b":2}\n\n" + DONE, more=False)

    events = [b"event: begun\ndata: {}\n\n", b'event: said\ndata: {"A":1}\n\n', b": ppai waiting\n\n"]
    events += [b'event: said\ndata: {"B":2}\n\n', b"event: done\ndata: {}\n\n"]
    assert sorted(events) == sorted(part + b"\n\n" for part in client.body.split(b"\n\n")[:-1])
    assert (200, {"x-ppai-peer": "ben"}, True) == (client.status, client.headers, client.is_complete)


@pytest.mark.parametrize("endpoint", ["messages", "responses"])
async def test_an_answer_that_breaks_off_ends_in_the_error_of_its_api(endpoint: str) -> None:
    client = Recorder()
    told = translated(client, endpoint)
    await told.start(200, STREAM, {})
    await told.send(b'data: {"a":1}\n\n', more=True)
    await told.send(error_event("chat/completions", "r1", 1, message="it broke", code="stream_cut_short"), more=False)
    await told.close()

    *_, last, _ = client.body.split(b"\n\n")
    assert last.startswith(b'event: error\ndata: {"type":"error"') and b"it broke" in last
    assert client.is_complete and b"done" not in client.body


async def test_what_cannot_be_said_is_an_error_of_whoever_said_it() -> None:
    client = Recorder()
    told = translated(client)
    await told.start(200, STREAM, {})

    with pytest.raises(UpstreamError, match="cannot be said as /v1/messages"):
        await told.send(b'data: {"odd":1}\n\n', more=True)
        await told.send(DONE, more=False)


async def test_whole_answers_and_refusals_are_in_its_form() -> None:
    client, refused = Recorder(), Recorder()
    await translated(client).answer(200, "application/json", b'{"a":1}', {})
    await translated(refused).answer(429, "application/json", b'{"error":{"message":"later"}}', {"retry-after": "2"})

    assert (200, b'{"A":1}') == (client.status, client.body)
    said = json.loads(refused.body)
    assert (429, "error", "rate_limit_error", "later") == (
        refused.status, said["type"], said["error"]["type"], said["error"]["message"],
    )  # fmt: skip
    assert {"retry-after": "2"} == refused.headers


def test_of_responses_nothing_is_stored() -> None:
    request = read_request("responses", b'{"model":"m","input":[{"role":"user","content":"hi"}],"tools":null}')

    assert {"model": "m", "input": [{"role": "user", "content": "hi"}], "tools": None, "store": False} == fields_of(
        request
    )
