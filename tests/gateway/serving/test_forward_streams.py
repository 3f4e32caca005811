"""A stream passes as its engine sends it and as its client takes it, and one that is cut is told."""

import asyncio
import json

import pytest

from gateway.engines.openai_http import OpenAIEngine
from gateway.serving.deciding.targets import Attempt, Target
from gateway.serving.forward import Forwarder
from gateway.wire.request import read_request
from tests import agents
from tests.fakes import ScriptedEngine, going_on
from tests.gateway.serving.forwarding import (
    DONE,
    ENDED,
    PATIENCE,
    SAID,
    TEXT,
    USED,
    GoingOn,
    Line,
    Recorder,
    Waiting,
    chunk,
    forward,
    text_of,
)


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


class Now(Recorder):
    """One that takes every other piece at once."""

    def put(self, events: bytes) -> bool:
        self.poured.append(0)
        return len(self.poured) % 2 == 0 and super().put(events)


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

    assert 12 <= sum(client.poured) + 1 <= client.sent and TEXT == text_of(client)


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

    assert client.poured and client.body.startswith(b"".join(words)) and b"out of memory" in client.body
    assert ("failed", True) == (attempt.status, attempt.by_engine)
