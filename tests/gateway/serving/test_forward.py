"""Switch freely before the first event, never after it; whatever happens, the client is told."""

import json

import pytest

from tests.fakes import ScriptedEngine
from tests.garbage import garbage
from tests.gateway.serving.forwarding import forward


async def test_a_stream_passes_unchanged() -> None:
    async with ScriptedEngine().serving() as engine:
        client, attempts = await forward(engine)

    assert (200, "text/event-stream; charset=utf-8") == (client.status, client.content_type)
    assert client.body.endswith(b"data: [DONE]\n\n")
    assert [("ok", 4)] == [(attempt.status, attempt.tokens) for attempt in attempts]


async def test_a_whole_answer_passes_unchanged() -> None:
    async with ScriptedEngine().serving() as engine:
        client, attempts = await forward(engine, stream=False)

    assert "one two three four" == json.loads(client.body)["choices"][0]["message"]["content"]
    assert [("ok", 7, 4)] == [(attempt.status, attempt.prompt_tokens, attempt.tokens) for attempt in attempts]


@pytest.mark.parametrize(
    ("said", "told"), [("nan", None), ("inf", "86400"), ("-inf", "1"), ("1e999", "86400"), ("Wed, 21 Oct 2026", None)]
)
async def test_a_retry_after_that_is_no_time_is_no_bug(said: str, told: str | None) -> None:
    async with ScriptedEngine(status=429, headers={"retry-after": said}).serving() as busy:
        client, _ = await forward(busy)

    assert (429, told) == (client.status, client.headers.get("retry-after"))


@pytest.mark.parametrize("stream", [True, False])
async def test_what_an_answer_claims_is_held_against_what_was_seen(stream: bool) -> None:
    """Our own engine's too: one answer that says 2^31 must not move what we expect of the next hundred."""
    usage = b'"usage":{"prompt_tokens":2147483647,"completion_tokens":2147483647}'
    said = b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\ndata: {"choices":[],' + usage + b"}\n\ndata: [DONE]\n\n"
    whole = b'{"choices":[{"message":{"content":"hi"}}],' + usage + b"}"
    fake = ScriptedEngine(raw=[said]) if stream else ScriptedEngine(status=201, error=whole)
    async with fake.serving() as engine:
        _, (attempt,) = await forward(engine, stream=stream)

    assert 0 < attempt.tokens < 200
    assert 4096 <= attempt.prompt_tokens < 5000


@pytest.mark.parametrize("stream", [True, False])
async def test_a_failing_target_is_followed_by_the_next(stream: bool) -> None:
    async with (
        ScriptedEngine(status=500).serving() as broken,
        ScriptedEngine(status=429).serving() as busy,
        ScriptedEngine().serving() as good,
    ):
        client, attempts = await forward("http://127.0.0.1:9", broken, busy, good, stream=stream)

    assert (200, "p3", "4") == (client.status, client.headers["x-ppai-peer"], client.headers["x-ppai-attempts"])
    assert ["failed", "failed", "refused", "ok"] == [attempt.status for attempt in attempts]


@pytest.mark.parametrize("stream", [True, False])
async def test_attempts_that_fail_leave_nothing_to_the_collector(stream: bool) -> None:
    """An error leads by its traceback to whoever keeps it, and so would the request and its answer stay."""
    with garbage() as found:
        async with (
            ScriptedEngine(status=500).serving() as broken,
            ScriptedEngine(cut_after=2).serving() as cut,
            ScriptedEngine(raw=[b"no HTTP"]).serving() as odd,
        ):
            await forward("http://127.0.0.1:9", broken, odd, cut, stream=stream)
            await forward("http://127.0.0.1:9", stream=stream)

    assert [] == found


async def test_a_stream_that_dies_before_its_first_event_is_followed_by_the_next() -> None:
    async with ScriptedEngine(cut_after=0).serving() as dying, ScriptedEngine().serving() as good:
        client, _ = await forward(dying, good)

    assert (200, "p1") == (client.status, client.headers["x-ppai-peer"])


async def test_after_the_first_event_an_error_is_told_in_band() -> None:
    """And nobody else is asked: the client has part of an answer already."""
    async with ScriptedEngine(cut_after=3).serving() as dying, ScriptedEngine().serving() as good:
        client, attempts = await forward(dying, good)

    assert (200, "p0", 0) == (client.status, client.headers["x-ppai-peer"], len(good.asked))
    last = client.body.strip().split(b"\n\n")[-1]
    assert "stream_cut_short" == json.loads(last.removeprefix(b"data: "))["error"]["code"]
    assert b"[DONE]" not in client.body
    assert ["failed"] == [attempt.status for attempt in attempts]


async def test_the_clients_own_mistake_is_not_retried() -> None:
    error = b'{"error":{"message":"no such role","type":"invalid_request_error","code":400}}'
    async with ScriptedEngine(status=400, error=error).serving() as first, ScriptedEngine().serving() as second:
        client, _ = await forward(first, second)

    assert (400, error, 0) == (client.status, client.body, len(second.asked))


async def test_an_upstream_429_stays_a_429_with_its_retry_after() -> None:
    async with ScriptedEngine(status=429, headers={"retry-after": "7"}).serving() as busy:
        client, _ = await forward(busy)

    assert (429, "7", "7000") == (client.status, client.headers["retry-after"], client.headers["retry-after-ms"])
    assert "rate_limit_error" == client.error["type"]


async def test_errors_of_another_shape_become_openai_errors() -> None:
    async with ScriptedEngine(status=404, error=b'{"detail":"Not Found"}').serving() as engine:
        client, _ = await forward(engine)

    assert (404, "Not Found") == (client.status, client.error["message"])


async def test_nobody_to_ask_is_a_503() -> None:
    client, _ = await forward()

    assert (503, "no_candidate") == (client.status, client.error["code"])


@pytest.mark.parametrize("stream", [True, False])
async def test_a_rewritten_model_is_restored_in_replies(stream: bool) -> None:
    async with ScriptedEngine(answer=lambda body: 'say "model":"scripted-1"').serving() as engine:
        client, _ = await forward(engine, stream=stream, shown="gpt-4o")

    replies = (
        [json.loads(e.removeprefix(b"data: ")) for e in client.body.split(b"\n\n")[:-2]]
        if stream
        else [json.loads(client.body)]
    )
    assert {"gpt-4o"} == {reply["model"] for reply in replies}
    assert b'\\"model\\":\\"scripted-1\\"' in client.body


MESSAGES = (
    b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":31}}}\n\n'
    b'event: ping\ndata: {"type":"ping"}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":4}}\n\n'
)


STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


async def test_a_stream_of_named_events_ends_without_done() -> None:
    async with ScriptedEngine(raw=[MESSAGES, STOP]).serving() as engine:
        client, attempts = await forward(engine, endpoint="messages")

    assert MESSAGES + STOP == client.body
    assert [("ok", 31, 4)] == [(attempt.status, attempt.prompt_tokens, attempt.tokens) for attempt in attempts]


async def test_a_stream_of_named_events_that_is_cut_ends_in_an_error_event() -> None:
    async with ScriptedEngine(raw=[MESSAGES]).serving() as engine:
        client, attempts = await forward(engine, endpoint="messages")

    told = client.body.removeprefix(MESSAGES)
    assert told.startswith(b"event: error\ndata: ")
    error = json.loads(told.partition(b"data: ")[2])
    assert ("error", "api_error", "r1") == (error["type"], error["error"]["type"], error["request_id"])
    assert "too early" in error["error"]["message"]
    assert ["failed"] == [attempt.status for attempt in attempts]


async def test_an_error_of_an_engine_in_another_form_is_told_in_anthropic_s() -> None:
    """llama.cpp tells errors of /v1/messages in OpenAI's form."""
    said = b'{"error":{"code":400,"message":"no user","type":"invalid_request_error"}}'
    async with ScriptedEngine(status=400, error=said).serving() as engine:
        client, _ = await forward(engine, endpoint="messages")
    async with ScriptedEngine(raw=[MESSAGES, b"data: " + said + b"\n\n"]).serving() as engine:
        streamed, _ = await forward(engine, endpoint="messages")

    expected = {"type": "error", "error": {"type": "invalid_request_error", "message": "no user"}, "request_id": "r1"}
    assert (400, expected) == (client.status, json.loads(client.body))
    expected["error"]["type"] = "api_error"
    assert expected == json.loads(streamed.body.removeprefix(MESSAGES + b"event: error\ndata: "))


async def test_who_cannot_take_a_prompt_does_not_hide_that_another_is_busy() -> None:
    """In whichever order they were asked: waiting helps."""
    too_long = b'{"error":{"message":"maximum context length is 4096 tokens"}}'
    async with (
        ScriptedEngine(status=503, headers={"retry-after": "7"}).serving() as busy,
        ScriptedEngine(status=400, error=too_long).serving() as small,
    ):
        answers = [(await forward(*engines))[0] for engines in ((busy, small), (small, busy), (small,))]

    assert [(503, "7"), (503, "7"), (400, None)] == [(each.status, each.headers.get("retry-after")) for each in answers]


async def test_everybody_is_busy_is_overloaded_to_anthropic_s_clients() -> None:
    async with ScriptedEngine(status=503, headers={"retry-after": "7"}).serving() as busy:
        client, _ = await forward(busy, busy, endpoint="messages")

    assert (529, "overloaded_error", "7") == (client.status, client.error["type"], client.headers["retry-after"])


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_an_engine_without_the_endpoint_is_told_in_openais_form(status: int) -> None:
    async with ScriptedEngine(status=status, error=b'{"detail":"Not Found"}').serving() as engine:
        client, _ = await forward(engine, endpoint="responses")

    assert (404, "endpoint_not_served") == (client.status, client.error["code"])
    assert "ask /v1/chat/completions" in str(client.error["message"])


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":4}}\n\n'


async def test_the_usage_chunk_is_counted_and_not_passed_on_unasked() -> None:
    said, done = b'data: {"choices":[{"delta":{"content":"hi"}}],"usage":null}\n\n', b"data: [DONE]\n\n"
    async with ScriptedEngine(raw=[said, USAGE, done]).serving() as engine:
        client, attempts = await forward(engine)

    assert said + done == client.body
    assert [(7, 4)] == [(attempt.prompt_tokens, attempt.tokens) for attempt in attempts]


async def test_when_everybody_is_busy_the_client_hears_when_the_first_will_not_be() -> None:
    async with (
        ScriptedEngine(status=429, headers={"retry-after": "9"}).serving() as one,
        ScriptedEngine(status=503, headers={"retry-after": "4"}).serving() as other,
    ):
        client, _ = await forward(one, other)

    assert (503, "saturated", "4") == (client.status, client.error["code"], client.headers["retry-after"])


async def test_a_broken_one_among_the_busy_is_told_as_it_is() -> None:
    async with ScriptedEngine(status=429).serving() as busy, ScriptedEngine(status=500).serving() as broken:
        client, _ = await forward(busy, broken)

    assert (500, "upstream_500") == (client.status, client.error["code"])


def streaming(endpoint: str, *data: str) -> ScriptedEngine:
    """An engine that streams whatever it is asked."""
    return ScriptedEngine(apis={endpoint: lambda body: [f"data: {each}\n\n".encode() for each in data]})


DELTAS = ['{"choices":[{"delta":{"content":"he"}}]}', '{"choices":[{"delta":{"content":"y"},"finish_reason":"stop"}]}']
RESPONSES = ['{"type":"response.created"}', '{"type":"response.completed","response":{"output":[],"usage":{}}}']


@pytest.mark.parametrize(
    ("endpoint", "data", "told"),
    [
        ("chat/completions", [*DELTAS, "[DONE]"], {"content": "hey", "role": "assistant"}),
        ("chat/completions", DELTAS, {"content": "hey", "role": "assistant"}),
        ("responses", RESPONSES, {"output": [], "usage": {}}),
    ],
)
async def test_a_stream_that_nobody_asked_for_is_told_whole(endpoint: str, data: list[str], told: object) -> None:
    async with streaming(endpoint, *data).serving() as engine:
        client, attempts = await forward(engine, endpoint=endpoint, stream=False)

    said = json.loads(client.body)
    assert (200, "application/json", ["ok"]) == (client.status, client.content_type, [each.status for each in attempts])
    assert told == (said["choices"][0]["message"] if "choices" in said else said)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (DELTAS[:1], "too early"),
        ([DELTAS[0], '{"error":{"message":"out of memory"}}'], "out of memory"),
        (["[DONE]"], "told no answer"),
        ([*DELTAS, "[]", "[DONE]"], "cannot be read"),
    ],
)
async def test_one_that_fails_is_followed_by_the_next(data: list[str], code: str) -> None:
    async with streaming("chat/completions", *data).serving() as engine, ScriptedEngine().serving() as good:
        failed, _ = await forward(engine, stream=False)
        client, attempts = await forward(engine, good, stream=False)

    assert 500 <= failed.status and code in json.loads(failed.body)["error"]["message"]
    assert (200, ["failed", "ok"]) == (client.status, [each.status for each in attempts])
