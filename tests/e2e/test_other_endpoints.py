"""Every endpoint but chat, through a real peer, as real llama.cpp answers it."""

import json
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from tests.e2e.peer import PeerProcess

HI = [{"role": "user", "content": "hi"}]
STREAMS = {
    "responses": ({"input": "hi", "max_output_tokens": 4}, "response.created", "response.completed"),
    "messages": ({"messages": HI, "max_tokens": 4}, "message_start", "message_stop"),
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with PeerProcess(tmp_path_factory.mktemp("other") / "home", "--engine", "embedded") as peer:
        yield peer.wait_ready().url


async def post(url: str, endpoint: str, body: dict[str, Any]) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.post(f"{url}/v1/{endpoint}", json=body) as response:
        return response.status, await response.text()


@pytest.mark.parametrize("endpoint", STREAMS)
async def test_named_streams_come_from_the_first_event_to_the_last(url: str, endpoint: str) -> None:
    body, first, last = STREAMS[endpoint]

    status, text = await post(url, endpoint, {"model": "auto", "stream": True, **body})

    events = text.removesuffix("\n\n").split("\n\n")
    assert 200 == status
    assert (f"event: {first}", f"event: {last}") == (events[0].split("\n")[0], events[-1].split("\n")[0])
    assert "[DONE]" not in text


@pytest.mark.parametrize(
    ("endpoint", "body", "path"),
    [
        ("responses", STREAMS["responses"][0], ("usage", "output_tokens")),
        ("messages", STREAMS["messages"][0], ("usage", "output_tokens")),
        ("messages/count_tokens", {"messages": HI}, ("input_tokens",)),
        ("completions", {"prompt": "once", "max_tokens": 4}, ("usage", "completion_tokens")),
    ],
)
async def test_whole_answers_pass(url: str, endpoint: str, body: dict[str, Any], path: tuple[str, ...]) -> None:
    status, text = await post(url, endpoint, {"model": "auto", **body})

    value = json.loads(text)
    for key in path:
        value = value[key]
    assert (200, True) == (status, value > 0)


async def test_a_completions_stream_ends_in_done(url: str) -> None:
    status, text = await post(url, "completions", {"model": "auto", "prompt": "once", "max_tokens": 4, "stream": True})

    assert (200, True) == (status, text.endswith("data: [DONE]\n\n"))


async def test_what_llama_cpp_has_beside_chat_is_answered_and_the_rest_named(url: str) -> None:
    body = {"content": "once upon a time"}
    async with aiohttp.ClientSession() as http, http.post(f"{url}/tokenize", json=body) as response:
        tokens = (response.status, len((await response.json())["tokens"]) > 2)
    status, said = await post(url, "rerank", {"query": "a", "documents": ["b"]})

    assert (200, True) == tokens
    assert (404, True) == (status, "`endpoints: [rerank]`" in said)
