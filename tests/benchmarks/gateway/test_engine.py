"""The mock engine as its clients see it: as many words as were asked for, usage only for who asks."""

import json

import aiohttp
import pytest

from benchmarks.gateway.engine import INTERVAL_S, MODEL
from tests.benchmarks.gateway.test_driver import listening


async def ask(port: int, **body: object) -> str:
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    async with aiohttp.ClientSession() as http, http.post(url, json=body) as response:
        assert 200 == response.status
        return await response.text()


@pytest.mark.parametrize("words", [1, 3])
async def test_a_stream_has_as_many_words_as_were_asked_for(words: int) -> None:
    async with listening() as port:
        said = await ask(port, stream=True, max_tokens=words)

    events = [event.removeprefix("data: ") for event in said.split("\n\n")]
    assert ["[DONE]", ""] == events[-2:]
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events[:-2]]
    assert [{"content": " word"}] * words + [{}] == deltas


@pytest.mark.parametrize("asked", [True, False])
async def test_usage_comes_where_it_was_asked_for(asked: bool) -> None:
    async with listening() as port:
        said = await ask(port, stream=True, max_tokens=1, stream_options={"include_usage": asked})

    assert asked is ('"usage"' in said)


async def test_a_connection_is_kept_and_the_model_is_listed() -> None:
    async with listening() as port, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as http:
        for path, status in (("/v1/models", 200), ("/health", 200), ("/nowhere", 404), ("/v1/models", 200)):
            async with http.get(f"http://127.0.0.1:{port}{path}") as response:
                assert status == response.status
                listed = await response.json()

    assert [MODEL] == [model["id"] for model in listed["data"]]


async def test_whole_answers_do_not_wait() -> None:
    async with listening() as port:
        answer = json.loads(await ask(port, max_tokens=1000))

    assert "Good morning, and welcome." == answer["choices"][0]["message"]["content"]
    assert INTERVAL_S > 0
