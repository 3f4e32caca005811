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
ASKED: dict[str, dict[str, Any]] = {
    "responses": {"input": "hi", "max_output_tokens": 9},
    "messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
    "messages/count_tokens": {"messages": [{"role": "user", "content": "hi"}]},
}
WITH = {"apis": agents.APIS, "pages": agents.OPENAPI}
BY = [pytest.param("ada", marks=pytest.mark.slow), "ben"]  # delegated is the harder one


async def post(cluster: Cluster, endpoint: str, by: str = "auto", **fields: Any) -> tuple[int, dict[str, str], str]:
    body, headers = {"model": "auto", **ASKED[endpoint], **fields}, {"x-ppai-route": by}
    async with cluster.http.post(f"{cluster.peers['ada'].url}/v1/{endpoint}", json=body, headers=headers) as response:
        return response.status, dict(response.headers), await response.text()


@pytest.mark.slow
@pytest.mark.parametrize("by", ["ada", "ben"])
@pytest.mark.parametrize("endpoint", ["responses", "messages"])
async def test_named_events_come_byte_for_byte(cluster: Cluster, endpoint: str, by: str) -> None:
    await start(cluster, "ada", "ben", **WITH)

    status, headers, said = await post(cluster, endpoint, by, stream=True)

    asked = cluster.engines[by].asked[-1]
    assert (200, by) == (status, headers["x-ppai-peer"])
    assert b"".join(agents.APIS[endpoint](asked)).decode() == said
    async with asyncio.timeout(5):
        route_log = cluster.peers["ada"].home / "route.jsonl"  # written after the answer's last byte
        while not (route_log.exists() and route_log.read_text().endswith("\n")):
            await asyncio.sleep(0.02)
    line = json.loads(route_log.read_text().splitlines()[-1])
    assert (endpoint, 7, 3, "ok") == tuple(line[key] for key in ("endpoint", "prompt_tokens", "tokens", "status"))


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", agents.APIS)
async def test_where_no_engine_has_it_the_error_says_who_would(cluster: Cluster, endpoint: str) -> None:
    """In the endpoint's own form; what an engine does not tell is tried once, and remembered."""
    await cluster.start("ada", pages={})
    engine = cluster.engines["ada"]
    engine.status, engine.error = 404, b'{"detail":"Not Found"}'

    first, second = [await post(cluster, endpoint) for _ in range(2)]

    assert [404, 404] == [first[0], second[0]]
    assert 1 == sum(path == f"/v1/{endpoint}" for path in engine.paths)
    error = json.loads(second[2])
    assert "Install" in error["error"]["message"]
    assert ("error" if endpoint.startswith("messages") else None) == error.get("type")


@pytest.mark.slow
async def test_a_peer_whose_engine_has_it_not_is_not_asked(cluster: Cluster) -> None:
    await cluster.start("ada", **WITH)
    await cluster.start("ben", "--seed", cluster.seed())
    await cluster.until_ready()

    async with asyncio.timeout(10):  # until ben has told of his agents
        while (answer := await post(cluster, "responses", "ben"))[0] != 404:
            await asyncio.sleep(0.05)
    asked = len(cluster.engines["ben"].asked)
    again = await post(cluster, "responses", "ben")

    assert "peer_endpoint" == json.loads(answer[2])["error"]["code"] == json.loads(again[2])["error"]["code"]
    assert asked == len(cluster.engines["ben"].asked)


@pytest.mark.parametrize("endpoint", [pytest.param("responses", marks=pytest.mark.slow), "messages"])
async def test_an_answer_that_breaks_at_any_event_ends_in_its_own_error(cluster: Cluster, endpoint: str) -> None:
    """The client is told in the form of the API, unless only the event was lost that ends every answer."""
    await start(cluster, "ada", "ben", **WITH)
    ben = cluster.engines["ben"]
    events = agents.APIS[endpoint]({**ASKED[endpoint], "model": "model-ben", "stream": True, "store": False})

    for cut in range(1, len(events)):
        ben.cut_after = cut
        status, headers, said = await post(cluster, endpoint, "ben", stream=True)

        assert (200, "ben") == (status, headers["x-ppai-peer"])
        if b'"stop_reason": "end_turn"' in events[cut - 1]:  # the whole answer: its last event says nothing more
            assert said.startswith(b"".join(events[:cut]).decode()) and said.endswith('{"type":"message_stop"}\n\n')
            continue
        kept, _, error = said.rpartition("event: error\n")
        assert b"".join(events[:cut]).decode() == kept
        assert '"type":"error"' in error


@pytest.mark.slow
async def test_a_client_that_leaves_ends_the_other_peers_answer(cluster: Cluster) -> None:
    await start(cluster, "ada", "ben", **WITH, token_s=60)
    body, headers = {"model": "auto", **ASKED["responses"], "stream": True}, {"x-ppai-route": "ben"}
    url = f"{cluster.peers['ada'].url}/v1/responses"

    async with cluster.http.post(url, json=body, headers=headers) as response:
        await response.content.readline()

    await cluster.engines["ben"].until(lambda engine: engine.hung_up == 1, timeout_s=1.0)
