"""What a worker's clients get is what they get of a peer in one process; and its owner learns the same of it."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.engines.asked import Manner, Way
from gateway.server.exchange import Exchange
from gateway.server.fields import Head
from gateway.server.flow import FlowControl
from gateway.wire.tokens import Seen
from gateway.workers.carrying import Carrying
from gateway.workers.frames import Ask, Begin, Came, Frame, LeaveOff, Passed, Write
from gateway.workers.heads import Told
from tests.discovery.loopback import until
from tests.fakes import ScriptedEngine
from tests.gateway.server.serving import serving
from tests.gateway.serving.forwarding import TEXT, forward
from tests.gateway.workers.asking import Asked, asking
from tests.gateway.workers.pair import working
from tests.gateway.workers.test_frames import LOAN

SOME = 8  # events, of which some are words


async def some_words(asked: Asked) -> None:
    """The only client of a worker was sent some of its answer."""
    await until(lambda: any(one.exchange.sent >= SOME for one in asked.worker.carrying._under_way.values()))


LINES = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_and_what_is_learnt_of_it_are_those_of_one_process(stream: bool) -> None:
    async with ScriptedEngine().serving() as engine:
        alone, (expected,) = await forward(engine, stream=stream)
        async with asking(engine) as asked:
            answer = await asked.chat(stream=stream)

    (attempt,) = asked.owner.attempts
    assert (200, alone.body) == (answer.status_code, answer.content)
    assert ("p0", "1", "r1") == tuple(
        answer.headers[f"x-{name}"] for name in ("ppai-peer", "ppai-attempts", "request-id")
    )
    assert (expected.prompt_tokens, expected.tokens) == (attempt.prompt_tokens, attempt.tokens)
    assert attempt.ttft_s is not None and 0 < attempt.ttft_s <= attempt.latency_s < 5


async def test_words_pass_at_the_worker_and_not_at_its_owner() -> None:
    """Which hears of a stream of a hundred words once."""
    async with ScriptedEngine(answer=lambda body: "word " * 100).serving() as engine, asking(engine) as asked:
        heard = list[object]()
        hear = asked.worker.answering.hear
        asked.worker.answering.link._heard = lambda frame: (heard.append(frame), hear(frame))  # type: ignore[func-returns-value]
        answer = await asked.chat(stream=True)

    assert 100 == answer.text.count("word")
    assert ["Came", "Passed"] == [type(frame).__name__ for frame in heard]


@pytest.mark.parametrize("status", [400, 404, 429, 500])
async def test_whom_an_engine_refuses_the_owner_asks_elsewhere(status: int) -> None:
    async with ScriptedEngine(status=status).serving() as broken, ScriptedEngine().serving() as good:
        alone, expected = await forward(broken, good, stream=False)
        async with asking(broken, good) as asked:
            answer = await asked.chat()

    assert (alone.status, json.loads(alone.body)) == (answer.status_code, answer.json())
    assert [(one.status, one.error) for one in expected] == [(one.status, one.error) for one in asked.owner.attempts]


async def test_an_engine_that_is_not_there_is_one_for_the_owner_too() -> None:
    async with ScriptedEngine().serving() as good, asking("http://127.0.0.1:9", good) as asked:
        answer = await asked.chat()

    assert [("failed", "engine_unreachable"), ("ok", None)] == [(a.status, a.error) for a in asked.owner.attempts]
    assert (200, "2") == (answer.status_code, answer.headers["x-ppai-attempts"])
    assert "does not answer" in str(asked.owner.engines[0].state.problem)


async def test_a_field_that_an_engine_does_not_know_is_left_out_by_the_owner() -> None:
    said = b'{"error":{"message":"Unrecognized request argument supplied: stream_options"}}'
    async with ScriptedEngine(status=400, error=said).serving() as engine, asking(engine) as asked:
        await asked.chat(stream=True, stream_options={"include_usage": True})

    assert [True, False] == ["stream_options" in body for body in engine.asked[:2]]


async def test_others_go_on_with_what_an_engine_of_a_worker_began() -> None:
    """The owner knows what the client was sent, and passes on the rest itself."""
    rest = TEXT.split(" ", 6)[6]
    async with (
        ScriptedEngine(answer=lambda body: TEXT, cut_after=7).serving() as breaks,
        ScriptedEngine(answer=lambda body: " " + rest).serving() as good,
        asking(breaks, good, goes_on=True) as asked,
    ):
        answer = await asked.chat(stream=True)

    said = [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: {")]
    text = "".join(choice["delta"].get("content") or "" for event in said for choice in event.get("choices", ()))
    assert (TEXT, True) == (text, answer.text.endswith("data: [DONE]\n\n"))
    assert ["failed", "ok"] == [attempt.status for attempt in asked.owner.attempts]


async def test_a_stream_that_breaks_off_says_so() -> None:
    async with ScriptedEngine(cut_after=2).serving() as breaks:
        alone, _ = await forward(breaks)
        async with asking(breaks) as asked:
            answer = await asked.chat(stream=True)

    assert "stream_cut_short" in answer.text
    assert alone.body.replace(breaks.url.encode(), b"") == answer.content.replace(breaks.url.encode(), b"")


async def test_who_hangs_up_ends_the_engines_work_and_the_owners() -> None:
    talks = ScriptedEngine(token_s=0.02, answer=lambda body: "word " * 500)
    async with talks.serving() as engine, asking(engine) as asked:
        body = {"stream": True, "messages": [{"role": "user", "content": "hi"}]}
        async with asked.client.stream("POST", "/v1/chat/completions", json=body) as answer:
            lines = answer.aiter_lines()
            for _ in range(10):
                await anext(lines)
        await until(lambda: asked.owner.attempts and engine.hung_up == 1 and not asked.worker.answering.tasks)

    (attempt,) = asked.owner.attempts
    assert ("cancelled", True) == (attempt.status, attempt.ttft_s is not None)
    assert 0 == asked.owner.engines[0].in_flight


async def test_a_worker_without_its_owner_breaks_off_what_it_passes_on() -> None:
    talks = ScriptedEngine(token_s=0.02, answer=lambda body: "word " * 500)
    async with talks.serving() as engine, asking(engine) as asked:
        waiting = asyncio.create_task(asked.chat(stream=True))
        await some_words(asked)
        asked.worker.carrying.end()
        answer = await waiting

    assert ("stopping", True) == (json.loads(answer.text.split("data: ")[-1])["error"]["code"], "word" in answer.text)


async def test_an_owner_that_stops_has_its_worker_leave_off() -> None:
    """The client hears it in the stream, after what it had by then."""
    talks = ScriptedEngine(token_s=0.02, answer=lambda body: "word " * 500)
    async with talks.serving() as engine, asking(engine) as asked:
        waiting = asyncio.create_task(asked.chat(stream=True))
        await some_words(asked)
        (task,) = asked.worker.answering.tasks
        task.cancel()
        answer = await waiting
        await until(lambda: engine.hung_up == 1)

    (attempt,) = asked.owner.attempts
    assert ("cancelled", True) == (attempt.status, attempt.tokens > 0)
    assert "ended" == answer.text.split("data: ")[-1].strip() and "word" in answer.text


async def test_what_is_left_off_before_it_began_is_not_asked() -> None:
    """The owner hears that nothing of it was passed on, and what it says then reaches the client."""
    said = list[Frame]()
    carrying = Carrying(said.append)
    async with ScriptedEngine().serving() as engine, serving(carrying) as served:  # type: ignore[arg-type]
        reader, writer = await served.say(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
        await until(lambda: bool(said))
        asking = Ask(1, Manner(Way(engine.url), LINES, True), (2,), 5.0, LOAN)
        for order in (asking, LeaveOff(1), Begin(1, 200, b"content-length: 2\r\n", 2, False), Write(1, b"no", False)):
            carrying.hear(order)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()

    assert answer.endswith(b"\r\n\r\nno")
    assert [Passed(1, None, None, Seen(), 0, False, False, False, None)] == said[1:]
    assert [] == engine.asked


async def test_a_head_counts_as_told_only_with_its_request() -> None:
    """One that was to be told with a request that a bug ended is told with the next: its owner never heard of it."""

    class Broken:
        def call(self, asked: object) -> None:
            raise ZeroDivisionError

    said = list[Frame]()
    carrying, head = Carrying(said.append), Head("POST", b"/", "1.1", [(b"host", b"x")], True)
    carrier: Any = SimpleNamespace(server=None, client=None, flow=FlowControl(asyncio.Transport()))
    carrying.let_in_by(Broken(), 1024)  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        await carrying.meet(Exchange(carrier, head, body=b"{}"))

    carrying._entrance = None
    going = asyncio.create_task(carrying.meet(exchange := Exchange(carrier, head, body=b"{}")))
    await until(lambda: bool(said))
    exchange.is_gone = True
    going.cancel()
    await asyncio.wait([going])

    assert isinstance(said[0], Came) and isinstance(said[0].head, Told)


async def test_a_worker_without_its_owner_says_so_to_who_has_no_answer_yet() -> None:
    async with ScriptedEngine(delay_s=5).serving() as engine, asking(engine) as asked:
        waiting = asyncio.create_task(asked.chat())
        await until(lambda: engine.active == 1)
        asked.worker.carrying.end()
        answer = await waiting

    assert (503, "stopping") == (answer.status_code, answer.json()["error"]["code"])


async def test_an_owner_without_its_worker_counts_its_requests_as_hung_up() -> None:
    """And takes none for one that still waited for its first word: that would be laid to the engine."""
    async with ScriptedEngine(delay_s=5).serving() as engine, asking(engine) as asked:
        waiting = asyncio.create_task(asked.chat(stream=True))
        await until(lambda: engine.active == 1)
        asked.worker.answering.lose()
        await until(lambda: not asked.worker.answering.tasks)
        waiting.cancel()

    (attempt,) = asked.owner.attempts
    assert ("cancelled", True, 0) == (attempt.status, attempt.ttft_s is not None, attempt.tokens)
    assert 0 == asked.owner.engines[0].in_flight


async def test_a_model_is_called_as_it_was_asked() -> None:
    async with ScriptedEngine().serving() as engine, asking(engine, shown="auto") as asked:
        whole, streamed = await asked.chat(), await asked.chat(stream=True)

    assert "auto" == whole.json()["model"]
    assert '"model":"auto"' in streamed.text and "scripted-1" not in streamed.text


@pytest.mark.parametrize("size", [100_000, 3_000_000])
async def test_a_long_body_reaches_the_engine_as_it_came(size: int) -> None:
    """Whether it is handed over with its head, or piece by piece."""
    async with ScriptedEngine().serving() as engine, asking(engine) as asked:
        answer = await asked.chat(messages=[{"role": "user", "content": "x" * size}])

    assert (200, "x" * size) == (answer.status_code, engine.asked[0]["messages"][0]["content"])


async def test_who_reads_slowly_holds_up_the_owner_and_not_its_memory() -> None:
    """An answer that the owner writes itself: it is told that the client is behind."""
    written = list[int]()

    async def much(exchange: Exchange) -> None:
        await exchange.start(200, "text/plain", {})
        for number in range(400):
            await exchange.send(b"x" * 65536, more=True)
            written.append(number)
        await exchange.send(b"", more=False)

    async with working(much) as worker:
        reader, writer = await worker.served.say(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        await asyncio.sleep(0.2)
        behind = len(written)
        came = len(await asyncio.wait_for(reader.read(), 10))
        writer.close()

    assert behind < 200, "13 MB: what the system collects, and 256 KiB of ours"
    assert came > 400 * 65536 and 400 == len(written)
