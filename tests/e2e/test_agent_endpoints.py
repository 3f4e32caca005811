"""Responses and Messages through two real peers: asked at ada, answered by ben's engine, or by her own."""

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pytest

from tests import agents
from tests.e2e.network import Cluster, start

TOOL = {"type": "function", "name": "read_file", "parameters": {"type": "object", "properties": {}}}
ANTHROPIC_TOOL = {"name": "read_file", "input_schema": {"type": "object", "properties": {}}}
ASKED: dict[str, dict[str, Any]] = {
    "responses": {"input": "hi", "max_output_tokens": 9},
    "messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
    "messages/count_tokens": {"messages": [{"role": "user", "content": "hi"}]},
}
WITH = {"apis": agents.APIS, "pages": agents.OPENAPI}
BY = ["ada", "ben"]


async def post(cluster: Cluster, endpoint: str, by: str = "auto", **fields: Any) -> tuple[int, dict[str, str], str]:
    body, headers = {"model": "auto", **ASKED[endpoint], **fields}, {"x-ppai-route": by}
    async with cluster.http.post(f"{cluster.peers['ada'].url}/v1/{endpoint}", json=body, headers=headers) as response:
        return response.status, dict(response.headers), await response.text()


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("endpoint", ["responses", "messages"])
async def test_named_events_come_byte_for_byte(cluster: Cluster, endpoint: str, by: str) -> None:
    await start(cluster, "ada", "ben", **WITH)

    status, headers, said = await post(cluster, endpoint, by, stream=True)

    asked = cluster.engines[by].asked[-1]
    assert (200, by) == (status, headers["x-ppai-peer"])
    assert b"".join(agents.APIS[endpoint](asked)).decode() == said
    async with asyncio.timeout(5):
        while not (route_log := cluster.peers["ada"].home / "route.jsonl").exists():
            await asyncio.sleep(0.02)
    line = json.loads(route_log.read_text().splitlines()[-1])
    assert (endpoint, 7, 3, "ok") == tuple(line[key] for key in ("endpoint", "prompt_tokens", "tokens", "status"))


@pytest.mark.parametrize("by", BY)
async def test_whole_answers_and_counts_come_as_they_are(cluster: Cluster, by: str) -> None:
    await start(cluster, "ada", "ben", **WITH)

    for endpoint, answer in agents.APIS.items():
        status, headers, said = await post(cluster, endpoint, by)

        assert (200, by) == (status, headers["x-ppai-peer"])
        assert answer(cluster.engines[by].asked[-1]) == json.loads(said)


async def test_the_name_that_was_asked_for_comes_back_wherever_one_stands(cluster: Cluster, tmp_path: Path) -> None:
    settings = tmp_path / "aliases.yaml"
    settings.write_text("routing: {aliases: {my-model: model-ada}}\n")
    await cluster.start("ada", "--config", str(settings), **WITH)

    for endpoint in ("responses", "messages"):
        for stream in (True, False):
            status, _, said = await post(cluster, endpoint, model="my-model", stream=stream)

            assert (200, 0) == (status, said.count("model-ada"))
            assert "my-model" in said


async def test_the_openai_sdk_runs_its_tools_at_another_peer(cluster: Cluster) -> None:
    await start(cluster, "ada", "ben", **WITH)
    at_ben: dict[str, Any] = {"model": "auto", "tools": [TOOL], "extra_headers": {"x-ppai-route": "ben"}}

    async with openai.AsyncOpenAI(base_url=f"{cluster.peers['ada'].url}/v1", api_key="x", max_retries=0) as client:
        first = await client.responses.create(input="read a.py", **at_ben)
        (call,) = first.output
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "print(1)"}
        items: Any = [{"role": "user", "content": "read a.py"}, call.model_dump(), result]
        async with client.responses.stream(input=items, **at_ben) as stream:
            kinds = [event.type async for event in stream]
            last = await stream.get_final_response()

    assert ("read_file", '{"path": "a.py"}') == (call.name, call.arguments)
    assert "one two three" == last.output_text
    assert ["response.created", "response.completed"] == [kinds[0], kinds[-1]]
    assert 2 == len(cluster.engines["ben"].asked)
    assert [False, False] == [body["store"] for body in cluster.engines["ben"].asked]
