"""What breaks real clients, row by row: an engine does it, and the real openai SDK behind a peer is none the worse.

Each row was seen to hurt the SDK where a gateway passes it on (docs/decisions.md).
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest

from tests.e2e.peer import PeerProcess
from tests.fakes import ScriptedEngine, held_port

HI: Any = [{"role": "user", "content": "hi"}]
IDLE_S = 0.5  # between two events, as this peer bears it
DONE = b"data: [DONE]\n\n"


def chunk(content: str | None = "a", **fields: Any) -> bytes:
    """One event of a chat stream, without its blank line."""
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None, **fields}
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "scripted-1", "choices": [choice]}
    return b"data: " + json.dumps(base).encode()


USAGE = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"scripted-1","choices":[],'
    b'"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}\n\n'
)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with held_port() as port:
        yield port


@pytest.fixture(scope="module")
def peer(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeerProcess]:
    """One for all rows; each serves an engine of its own on the same port."""
    env = {"PPAI_CLIENT_IDLE_TIMEOUT_S": str(IDLE_S)}
    with PeerProcess(
        tmp_path_factory.mktemp("rows") / "home", "--engine", f"http://127.0.0.1:{port}", env=env
    ) as process:
        yield process


@asynccontextmanager
async def served(peer: PeerProcess, port: int, retries: int = 0, **behaviour: Any) -> AsyncIterator[Any]:
    """(the SDK, the engine)"""
    async with ScriptedEngine(**behaviour).serving(port) as engine:
        await engine.until(lambda engine: bool(engine.paths))  # the peer has noticed that it is another engine
        await asyncio.to_thread(peer.wait, lambda: peer.get("/ready")[0] == 200, "to be ready")
        async with openai.AsyncOpenAI(
            base_url=f"{peer.url}/v1", api_key="none", max_retries=retries, timeout=20
        ) as client:
            yield client, engine


async def streamed(client: openai.AsyncOpenAI, **options: Any) -> tuple[str, list[Any]]:
    """(the words, the chunks); raises what the SDK raises."""
    chunks = [c async for c in await client.chat.completions.create(model="auto", messages=HI, stream=True, **options)]
    return "".join(choice.delta.content or "" for c in chunks for choice in c.choices), chunks


BROKEN = {
    "ends without [DONE] or a finish": (chunk() + b"\n\n",),
    "stops in the middle of a line": (chunk() + b"\n\n", chunk()[:40]),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_a_stream_that_breaks_is_an_error_and_never_a_short_answer(
    how: str, peer: PeerProcess, port: int
) -> None:
    async with served(peer, port, raw=BROKEN[how]) as (client, _):
        with pytest.raises(openai.APIError) as caught:
            await streamed(client)

    assert "stream_cut_short" == caught.value.code


async def test_an_error_after_tokens_keeps_its_code(peer: PeerProcess, port: int) -> None:
    error = b'data: {"error":{"message":"out of memory","type":"server_error","param":null,"code":"oom"}}\n\n'
    async with served(peer, port, raw=(chunk() + b"\n\n", error, DONE)) as (client, _):
        with pytest.raises(openai.APIError, match="out of memory") as caught:
            await streamed(client)

    assert "oom" == caught.value.code


PASSES = {
    "comments": (b": keep-alive\n\n", chunk() + b"\n\n", b": ping\n\n", chunk() + b"\n\n", DONE),
    "events without data": (b"event: ping\n\n", chunk() + b"\n\nretry: 1000\n\n", chunk() + b"\n\n", DONE),
    "ids and then a comment": (b"id: 1\n" + chunk() + b"\n\n", b": x\n\n", b"id: 2\n" + chunk() + b"\n\n", DONE),
    "one line end between events": (chunk() + b"\n" + chunk() + b"\n\n", DONE),
    "CRLF": ((chunk() + b"\n\n" + chunk() + b"\n\n" + DONE).replace(b"\n", b"\r\n"),),
    "chunks cut anywhere": tuple((chunk() + b"\n\n" + chunk() + b"\n\n" + DONE)[i : i + 7] for i in range(0, 600, 7)),
}


@pytest.mark.parametrize("how", PASSES)
async def test_what_engines_put_between_events_hurts_nobody(how: str, peer: PeerProcess, port: int) -> None:
    async with served(peer, port, raw=PASSES[how]) as (client, _):
        words, _ = await streamed(client)

    assert "aa" == words


@pytest.mark.parametrize("asked", [True, False])
async def test_a_chunk_without_choices_is_for_who_asked_for_usage(asked: bool, peer: PeerProcess, port: int) -> None:
    """Clients that did not ask read `choices[0]` of every chunk."""
    options = {"stream_options": {"include_usage": True}} if asked else {}
    async with served(peer, port, raw=(chunk() + b"\n\n", USAGE, DONE)) as (client, engine):
        _, chunks = await streamed(client, **options)

    assert engine.asked[0]["stream_options"] == {"include_usage": True}
    assert ([7] if asked else []) == [c.usage.prompt_tokens for c in chunks if c.usage]
    assert asked or all(c.choices for c in chunks)


async def test_a_stalled_stream_ends_in_an_error_long_before_the_sdk_gives_up(peer: PeerProcess, port: int) -> None:
    began = time.perf_counter()
    async with served(peer, port, raw=(chunk() + b"\n\n",), token_s=60) as (client, _):
        with pytest.raises(openai.APIError) as caught:
            await streamed(client)

    assert "engine_timeout" == caught.value.code
    assert time.perf_counter() - began < 10


async def test_a_busy_engine_is_asked_again_when_it_said(peer: PeerProcess, port: int) -> None:
    """`retry-after-ms` goes beside `retry-after`: the SDK waits so long, and not half a second and more."""
    async with served(peer, port, retries=2, status=429, headers={"retry-after": "0.05"}) as (client, engine):
        with pytest.raises(openai.RateLimitError) as caught:
            await streamed(client)

    assert (3, "50") == (len(engine.asked), caught.value.response.headers["retry-after-ms"])
    assert engine.asked_at[-1] - engine.asked_at[0] < 0.8  # the SDK's own waits would be 0.5 s and 1 s, less a quarter


@pytest.mark.parametrize(("status", "sent"), [(500, 500), (529, 529), (409, 502)])
async def test_what_may_be_tried_again_is_tried_again(status: int, sent: int, peer: PeerProcess, port: int) -> None:
    """An engine's 409 says nothing to a client: for it, the engine behind this peer broke."""
    async with served(peer, port, retries=1, status=status, headers={"retry-after": "0.01"}) as (client, engine):
        with pytest.raises(openai.APIStatusError) as caught:
            await client.chat.completions.create(model="auto", messages=HI)

    assert (2, sent) == (len(engine.asked), caught.value.status_code)


async def test_a_long_wait_is_told_as_it_is(peer: PeerProcess, port: int) -> None:
    async with served(peer, port, status=429, headers={"retry-after": "300"}) as (client, _):
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(model="auto", messages=HI)

    headers = caught.value.response.headers
    assert ("300", "300000") == (headers["retry-after"], headers["retry-after-ms"])


@pytest.mark.parametrize(("status", "said", "tries"), [(503, "false", 2), (400, "true", 1)])
async def test_an_engine_does_not_say_whether_another_peer_may_do_better(
    status: int, said: str, tries: int, peer: PeerProcess, port: int
) -> None:
    """`x-should-retry` is not passed on: what this engine thinks of itself is not so of the network."""
    headers = {"x-should-retry": said, "retry-after": "0.01"}
    async with served(peer, port, retries=1, status=status, headers=headers) as (client, engine):
        with pytest.raises(openai.APIStatusError) as caught:
            await client.chat.completions.create(model="auto", messages=HI)

    assert tries == len(engine.asked)
    assert "x-should-retry" not in caught.value.response.headers


async def test_an_error_has_the_request_id(peer: PeerProcess, port: int) -> None:
    async with served(peer, port, status=500) as (client, _):
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(model="auto", messages=HI, extra_headers={"x-request-id": "mine"})

    assert "mine" == caught.value.request_id


TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
PIXEL = "data:image/png;base64,iVBORw0KGgo="
ASKED: dict[str, dict[str, Any]] = {
    "tools": {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False},
    "logprobs and seed": {"logprobs": True, "top_logprobs": 2, "seed": 7, "logit_bias": {"1": -100}},
    "a schema": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    },
    "fields of one engine alone": {"extra_body": {"guided_regex": "a+", "chat_template_kwargs": {"thinking": False}}},
}


@pytest.mark.parametrize("what", ASKED)
@pytest.mark.parametrize("stream", [True, False])
async def test_what_is_asked_reaches_the_engine_as_it_was_written(
    what: str, stream: bool, peer: PeerProcess, port: int
) -> None:
    options = dict(ASKED[what])
    async with served(peer, port) as (client, engine):
        reply = await client.chat.completions.create(model="scripted-1", messages=HI, stream=stream, **options)
        if stream:
            assert [c async for c in reply]

    expected = {"model": "scripted-1", "messages": HI, "stream": stream, **options.pop("extra_body", {}), **options}
    asked = engine.asked[0]
    if stream:
        assert {"include_usage": True} == asked.pop("stream_options")
    assert expected == asked


async def test_images_reach_a_model_that_sees(peer: PeerProcess, port: int) -> None:
    parts: Any = [{"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    seeing = {"id": "scripted-1", "owned_by": "somebody", "architecture": {"input_modalities": ["text", "image"]}}
    async with served(peer, port, models=json.dumps({"data": [seeing]}).encode()) as (client, engine):
        # The peer looks at the list of models every few looks only.
        await asyncio.to_thread(
            peer.wait, lambda: "image" in peer.get("/v1/models/auto")[1]["architecture"]["input_modalities"], "to see"
        )
        await client.chat.completions.create(model="auto", messages=[{"role": "user", "content": parts}])

    assert [{"role": "user", "content": parts}] == engine.asked[-1]["messages"]


async def test_a_tool_call_in_pieces_arrives_in_the_same_pieces(peer: PeerProcess, port: int) -> None:
    """As the engine's bytes, but for nothing."""
    pieces = [("weather", '{"ci'), (None, 'ty": "Os'), (None, 'lo"}')]
    calls = [
        [{"index": 0, "id": "c0", "type": "function", "function": {"name": name, "arguments": arguments}}]
        for name, arguments in pieces
    ]
    raw = [chunk(None, delta={"tool_calls": call}) + b"\n\n" for call in calls]
    async with served(peer, port, raw=(*raw, chunk(None, delta={}, finish_reason="tool_calls") + b"\n\n", DONE)) as (
        client, _,
    ):  # fmt: skip
        _, chunks = await streamed(client, tools=[TOOL])

    heard = [call for c in chunks for call in c.choices[0].delta.tool_calls or ()]
    assert [(name, arguments) for name, arguments in pieces] == [
        (call.function.name, call.function.arguments) for call in heard
    ]
    assert "tool_calls" == chunks[-1].choices[0].finish_reason


async def test_replies_call_the_model_as_it_was_asked_for(port: int, tmp_path: Any) -> None:
    """Where the name had to be rewritten for the engine; and as it is where `auto` was asked for."""
    aliases = tmp_path / "config.yaml"
    aliases.write_text("routing: {aliases: {gpt-4o: auto}}\n")
    url = f"http://127.0.0.1:{port}"
    with PeerProcess(tmp_path / "home", "--engine", url, "--config", str(aliases)) as peer:
        async with served(peer, port) as (client, engine):
            for asked, told in (("gpt-4o", "gpt-4o"), ("auto", "scripted-1")):
                whole = await client.chat.completions.create(model=asked, messages=HI)
                chunks = await client.chat.completions.create(model=asked, messages=HI, stream=True)
                assert {told} == {whole.model} | {chunk.model async for chunk in chunks}

    assert ["scripted-1"] * 4 == [body["model"] for body in engine.asked]
