"""Switch freely before the first event, never after it; whatever happens, the client is told."""

import asyncio
import json
from collections.abc import Mapping

import msgspec
import pytest

from gateway.engines.openai_http import OpenAIEngine
from gateway.serving.continuing.said import Said
from gateway.serving.forward import Attempt, Forwarder, Target
from gateway.upstream import Patience
from gateway.wire.request import encode_request, read_request
from tests import agents
from tests.fakes import ScriptedEngine, going_on

PATIENCE = Patience(first_event_s=2, idle_s=2, whole_s=2)


class Recorder:
    """The client's side, in memory."""

    def __init__(self) -> None:
        self.has_started, self.request_id, self.sent = False, "r1", 0
        self.status, self.content_type, self.headers, self.body, self.is_complete = 0, "", {}, b"", False
        self.pushed = list[int]()  # how many events each time

    async def start(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        assert not self.has_started
        self.has_started, self.status, self.content_type, self.headers = True, status, content_type, dict(headers)

    async def answer(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str]) -> None:
        await self.start(status, content_type, headers)
        await self.send(body, more=False)

    async def send(self, body: bytes, *, more: bool, count: int = 1) -> None:
        assert self.has_started and not self.is_complete
        self.body, self.sent = self.body + body, self.sent + count
        self.is_complete = not more

    def push(self, events: bytes, count: int) -> bool:
        assert self.has_started and not self.is_complete and count == events.count(b"\n\n")
        self.body, self.sent = self.body + events, self.sent + count
        self.pushed.append(count)
        return True

    async def comment(self, said: bytes) -> None:
        assert self.has_started and not self.is_complete
        self.body += said

    @property
    def error(self) -> dict[str, object]:
        return json.loads(self.body)["error"]


class Line:
    """Targets in a fixed order; every attempt is kept."""

    def __init__(self, targets: list[Target], attempts: list[Attempt]) -> None:
        self._targets, self._attempts = iter(targets), attempts

    async def next(self) -> Target | None:
        return next(self._targets, None)

    def untold(self) -> frozenset[str]:
        return frozenset()

    async def go_on(self, said: Said) -> bool:
        return False

    def observe(self, attempt: Attempt) -> None:
        self._attempts.append(attempt)


class GoingOn(Line):
    """Those who go on with what the first of them began, asked for the rest."""

    def __init__(self, targets: list[Target], attempts: list[Attempt]) -> None:
        super().__init__(targets[:1], attempts)
        self._others, self.asked = targets[1:], list[str]()

    async def go_on(self, said: Said) -> bool:
        self.asked.append(said.text)
        body = encode_request(said.rest(), "scripted-1", {"continue_final_message": True})
        others, self._others = [msgspec.structs.replace(target, body=body) for target in self._others], self._others[1:]
        self._targets = iter(others)
        return bool(others)


async def forward(
    *engines: ScriptedEngine | str,
    stream: bool = True,
    shown: str = "scripted-1",
    endpoint: str = "chat/completions",
    kind: type[Line] = Line,
    client: Recorder | None = None,
    **fields: object,
) -> tuple[Recorder, list[Attempt]]:
    texts = {"completions": {"prompt": "hi"}, "responses": {"input": "hi"}}
    asked: dict[str, object] = {**texts.get(endpoint, {"messages": [{"role": "user", "content": "hi"}]})}
    body = json.dumps({**asked, "stream": stream, **fields}).encode()
    client, attempts = client or Recorder(), list[Attempt]()
    targets = [
        Target(
            OpenAIEngine(engine if isinstance(engine, str) else engine.url),
            (body,),
            "scripted-1",
            shown,
            {"x-ppai-peer": f"p{index}"},
            began=-1.0,
        )
        for index, engine in enumerate(engines)
    ]
    line, clock = kind(targets, attempts), iter(range(10_000)).__next__
    forwarder = Forwarder(read_request(endpoint, body), line, PATIENCE, clock, continues=kind is GoingOn)
    await forwarder.run(client, {})
    assert client.is_complete
    return client, attempts


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


async def test_an_engine_that_compresses_unasked_is_not_unpacked() -> None:
    async with ScriptedEngine(raw=[b"bomb"], headers={"content-encoding": "gzip"}).serving() as engine:
        client, _ = await forward(engine)

    assert (502, "bad_encoding") == (client.status, client.error["code"])


async def test_a_line_of_10_mb_is_given_up_before_it_is_held() -> None:
    async with ScriptedEngine(raw=[b"data: ", *[b"x" * (1 << 20)] * 10]).serving() as engine:
        client, _ = await forward(engine)

    assert (502, "bad_stream") == (client.status, client.error["code"])


async def test_a_character_cut_in_half_between_chunks_arrives_whole() -> None:
    event = 'data: {"choices":[{"delta":{"content":"\u00e9\U0001f600"}}]}\n\n'.encode()
    middle = event.index(b"\xf0") + 2
    pieces = [event[:middle], event[middle:], b"data: [DONE]\n\n"]
    async with ScriptedEngine(raw=pieces, token_s=0.01).serving() as engine:
        client, _ = await forward(engine)

    assert b"".join(pieces) == client.body


# --- streams as engines really send them ---


def chunk(**fields: object) -> bytes:
    return b"data: " + json.dumps({"object": "chat.completion.chunk", **fields}).encode() + b"\n\n"


SAID = chunk(choices=[{"index": 0, "delta": {"content": "hello"}, "finish_reason": None}])
ENDED = chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
USED = chunk(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4})
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [SAID, ENDED, b"data: [DONE] \n\n"],
        [SAID, ENDED],
        [SAID, ENDED, USED],
        [b"\xef\xbb\xbf" + SAID, ENDED, DONE],
    ],
    ids=["a blank behind [DONE]", "without [DONE]", "without [DONE], with usage", "a BOM"],
)
@pytest.mark.parametrize("label", ["text/event-stream", "text/plain; charset=utf-8", "application/octet-stream"])
async def test_a_stream_that_is_told_loosely_is_a_stream(pieces: list[bytes], label: str) -> None:
    async with ScriptedEngine(raw=pieces, headers={"content-type": label}).serving() as engine:
        client, (attempt,) = await forward(engine)

    assert (200, "text/event-stream; charset=utf-8") == (client.status, client.content_type)
    assert SAID + ENDED + DONE == client.body
    assert "ok" == attempt.status


async def test_a_stream_that_ends_before_its_answer_did_is_cut() -> None:
    """Without a finish_reason nothing says that this was all."""
    async with ScriptedEngine(raw=[SAID]).serving() as engine:
        client, (attempt,) = await forward(engine)

    assert ("failed", "stream_cut_short") == (attempt.status, attempt.error)
    assert b"stream_cut_short" in client.body


async def test_an_error_event_in_mid_stream_is_a_failure() -> None:
    """The client is told in-band, once; beliefs and metrics hear that it failed, by its engine."""
    error = b'data: {"error":{"message":"out of memory","type":"server_error"}}\n\n'
    async with ScriptedEngine(raw=[SAID, error, DONE]).serving() as engine:
        client, (attempt,) = await forward(engine)

    assert ("failed", True) == (attempt.status, attempt.by_engine)
    assert (1, 0) == (client.body.count(b"out of memory"), client.body.count(DONE))


@pytest.mark.parametrize("endpoint", ["chat/completions", "completions"])
async def test_an_engine_that_ignores_that_a_stream_was_asked_for(endpoint: str) -> None:
    choice = {"message": {"content": "hello"}} if endpoint == "chat/completions" else {"text": "hello"}
    whole = json.dumps({"choices": [{**choice, "finish_reason": "stop"}]}).encode()
    async with ScriptedEngine(page=whole).serving() as engine:
        client, (attempt,) = await forward(engine, endpoint=endpoint)

    assert (200, "text/event-stream; charset=utf-8", "ok") == (client.status, client.content_type, attempt.status)
    assert client.body.endswith(DONE)
    assert (b"hello" in client.body) and b'"finish_reason":"stop"' in client.body


async def test_who_hangs_up_after_the_last_byte_was_answered() -> None:
    """The engine may keep its connection open for a while after [DONE]; the client does not wait for that."""
    client, attempts = Recorder(), list[Attempt]()

    class HangsUp(Recorder):
        async def send(self, body: bytes, *, more: bool, count: int = 1) -> None:
            await super().send(body, more=more, count=count)
            if not more:
                raise asyncio.CancelledError

    async with ScriptedEngine(raw=[SAID, ENDED, DONE]).serving() as engine:
        client = HangsUp()
        target = Target(OpenAIEngine(engine.url), (b'{"stream":true}',), "m", "m", {}, began=-1.0)
        request = read_request("chat/completions", b'{"messages":[{"role":"user","content":"hi"}],"stream":true}')
        with pytest.raises(asyncio.CancelledError):
            await Forwarder(request, Line([target], attempts), PATIENCE, iter(range(1000)).__next__).run(client, {})

    assert ["ok"] == [attempt.status for attempt in attempts]


# --- events that pass as they came


class Waiting(Recorder):
    """One that never takes anything at once."""

    def push(self, events: bytes, count: int) -> bool:
        return False


class Now(Waiting):
    """One that takes every other piece at once."""

    def push(self, events: bytes, count: int) -> bool:
        self.pushed.append(0)
        return len(self.pushed) % 2 == 0 and Recorder.push(self, events, count)


@pytest.mark.parametrize("shown", ["scripted-1", "asked"])
@pytest.mark.parametrize("endpoint", ["chat/completions", "messages", "responses"])
@pytest.mark.parametrize("cut_after", [None, 4])
async def test_a_stream_is_the_same_whether_its_client_takes_it_at_once_or_waits(
    endpoint: str, shown: str, cut_after: int | None
) -> None:
    """Its bytes, its tokens and what goes on with it; an answer cut short breaks off with the same error."""
    said = {"apis": agents.going_on(TEXT)} if endpoint != "chat/completions" else going_on(TEXT)
    seen = list[tuple[bytes, int, list[tuple[object, ...]]]]()
    for client in (Recorder(), Waiting(), Now()):
        async with ScriptedEngine(**said, cut_after=cut_after, token_s=0.002).serving() as engine:
            _, attempts = await forward(
                engine, endpoint=endpoint, shown=shown, client=client, kind=GoingOn, model="scripted-1"
            )
        body = client.body.replace(engine.url.encode(), b"URL")
        seen.append(
            (body, client.sent, [(each.status, each.error, each.prompt_tokens, each.tokens) for each in attempts])
        )

    at_once, waited, now_and_then = seen
    assert at_once == waited == now_and_then and shown.encode() in at_once[0]


async def test_all_words_but_the_first_are_written_where_they_arrive() -> None:
    """The first begins the answer; the end and the usage are read."""
    async with ScriptedEngine(**going_on(TEXT), token_s=0.002).serving() as engine:
        client, _ = await forward(engine)

    assert 12 <= sum(client.pushed) + 1 <= client.sent and TEXT == text_of(client)


async def test_events_that_come_together_go_on_in_one_write_and_each_counts() -> None:
    """Also those before an error, which are sent before the client is told of it."""
    word = chunk(choices=[{"index": 0, "delta": {"content": "a"}}])
    failed = b'data: {"error":{"message":"out of memory"}}\n\n'
    for raw, status, sent in (([word * 3 + ENDED + USED + DONE], "ok", 5), ([word * 3 + failed], "failed", 4)):
        writes = list[int]()

        class Counting(Recorder):
            async def send(self, body: bytes, *, more: bool, count: int = 1, writes: list[int] = writes) -> None:
                writes.append(count)
                await super().send(body, more=more, count=count)

        async with ScriptedEngine(raw=raw).serving() as engine:
            client, [attempt] = await forward(engine, client=Counting())

        assert ([5] if status == "ok" else [3, 1]) == writes and (status, sent) == (attempt.status, client.sent)
        assert client.body.startswith(word * 3) and USED not in client.body


async def test_an_error_behind_words_that_passed_is_told_in_band() -> None:
    words = [chunk(choices=[{"index": 0, "delta": {"content": f"w{number}"}}]) for number in range(5)]
    raw = [*words, b'data: {"error":{"message":"out of memory"}}\n\n']
    async with ScriptedEngine(raw=raw, token_s=0.002).serving() as engine:
        client, [attempt] = await forward(engine)

    assert client.pushed and client.body.startswith(b"".join(words)) and b"out of memory" in client.body
    assert ("failed", True) == (attempt.status, attempt.by_engine)


# --- a stream that breaks off goes on with somebody else

TEXT = " ".join(f"w{number}" for number in range(12))


def text_of(client: Recorder) -> str:
    events = [line[6:] for line in client.body.split(b"\n") if line.startswith(b"data: {")]
    choices = [choice for event in map(json.loads, events) for choice in event.get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


@pytest.mark.parametrize("cut_after", range(1, 15))
async def test_a_stream_cut_after_any_event_goes_on_without_a_token_lost_or_doubled(cut_after: int) -> None:
    """Cut after its last word it lacks only its end, and nobody is asked."""
    asked = {"stream_options": {"include_usage": True}}
    async with (
        ScriptedEngine(**going_on(TEXT), cut_after=cut_after).serving() as first,
        ScriptedEngine(**going_on(TEXT)).serving() as second,
    ):
        client, attempts = await forward(first, second, kind=GoingOn, **asked)

    assert TEXT == text_of(client) and client.body.endswith(b"data: [DONE]\n\n") and b'"error"' not in client.body
    usage = json.loads(client.body.split(b"data: ")[-2])["usage"]
    assert 12 == usage["completion_tokens"]
    is_cut = cut_after < 14
    assert is_cut == (b": continued by p1\n\n" in client.body) == bool(second.asked)
    assert ["failed", "ok"][: 1 + is_cut] == [attempt.status for attempt in attempts] or cut_after == 14


@pytest.mark.parametrize(("endpoint", "cut_after"), [("messages", 5), ("messages", 15), ("responses", 6)])
async def test_a_stream_of_named_events_goes_on_under_the_name_that_was_asked_for(
    endpoint: str, cut_after: int
) -> None:
    """tests/gateway/serving/continuing/test_begun.py breaks it off at each of its events."""
    apis = agents.going_on(TEXT)
    async with (
        ScriptedEngine(apis=apis, cut_after=cut_after).serving() as first,
        ScriptedEngine(apis=apis).serving() as second,
    ):
        asked = {"endpoint": endpoint, "shown": "asked", "model": "scripted-1"}
        client, attempts = await forward(first, second, kind=GoingOn, **asked)  # type: ignore[arg-type]

    text, usage = agents.heard(endpoint, client.body)
    assert (TEXT, 7, 12) == (text, usage["input_tokens"], usage["output_tokens"])
    assert b"scripted-1" not in client.body and 1 == client.body.count(b": continued by p1\n\n")
    assert ["failed", "ok"] == [attempt.status for attempt in attempts]
    assert TEXT.startswith(agents.begun(second.asked[0], "messages" if endpoint == "messages" else "input"))


async def test_it_goes_on_again_where_who_goes_on_breaks_off_too() -> None:
    async with (
        ScriptedEngine(**going_on(TEXT), cut_after=4).serving() as first,
        ScriptedEngine(**going_on(TEXT), cut_after=5).serving() as second,
        ScriptedEngine(**going_on(TEXT)).serving() as third,
    ):
        client, attempts = await forward(first, second, third, kind=GoingOn)

    assert TEXT == text_of(client) and b": continued by p2" in client.body
    assert ["failed", "failed", "ok"] == [attempt.status for attempt in attempts]


@pytest.mark.parametrize(
    "second",
    [
        {"status": 503},
        {"status": 400, "error": b'{"error":{"message":"no such turn"}}'},
        {"page": b"<html>"},
        {"raw": [b"data: nonsense\n\n"]},
        {"raw": [b'data: {"error":{"message":"no"}}\n\n']},
    ],
)
async def test_where_nobody_goes_on_the_client_is_told_why_it_broke(second: dict[str, object]) -> None:
    async with (
        ScriptedEngine(**going_on(TEXT), cut_after=4).serving() as first,
        ScriptedEngine(**{**going_on(TEXT), **second}).serving() as other,
    ):
        client, attempts = await forward(first, other, kind=GoingOn)

    assert "w0 w1 w2" == text_of(client) and b'"error"' in client.body and b"[DONE]" not in client.body
    assert 1 == client.body.count(b'"error"') and 2 == len(attempts)


@pytest.mark.parametrize(
    "said",
    [
        {"delta": {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{"}}]}},
        {"delta": {"reasoning_content": "hm"}},
        {"delta": {"content": "a"}, "logprobs": {"content": [{"token": "a"}]}},
    ],
)
async def test_what_is_more_than_text_breaks_off(said: dict[str, object]) -> None:
    event = {"id": "c", "choices": [{"index": 0, **said}]}
    async with (
        ScriptedEngine(raw=[b"data: " + json.dumps(event).encode() + b"\n\n"]).serving() as first,
        ScriptedEngine(**going_on(TEXT)).serving() as second,
    ):
        client, _ = await forward(first, second, kind=GoingOn)

    assert b"stream_cut_short" in client.body and [] == second.asked
