"""A stream in which nothing happens says that it lives; one in which something happens is as it was."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import closing

import pytest

from gateway.serving.alive import WAITING, KeptAlive
from gateway.serving.forward import answer_error
from gateway.serving.relaying import STREAM
from gateway.upstream import UpstreamError
from gateway.wire.streams.pour import Pour
from tests.gateway.serving.forwarding import Recorder

TIMING = {"server-timing": "route;dur=1"}
SHOWN = {**TIMING, "x-ppai-peer": "Ada's box", "x-ppai-reason": "best", "x-ppai-attempts": "2"}
TOLD = b": ppai peer=Ada's%20box reason=best attempts=2\n\n"
EVENT = b'data: {"choices":[]}\n\n'


async def waited(client: Recorder, beats: int = 1) -> None:
    """Until the client got so many signs of life."""
    async with asyncio.timeout(5):
        while client.body.count(WAITING) < beats:
            await asyncio.sleep(0.005)


async def test_a_stream_with_events_in_time_is_as_it_was() -> None:
    client = Recorder()
    with closing(KeptAlive(client, "chat/completions", TIMING, 5)) as kept:
        await kept.start(200, STREAM, SHOWN)
        await kept.send(EVENT, more=True)
        await kept.send(EVENT, more=False)

    assert (200, STREAM, SHOWN, EVENT * 2) == (client.status, client.content_type, client.headers, client.body)


async def test_silence_begins_the_stream_and_a_comment_says_what_headers_would() -> None:
    """Which name who answers, so they cannot be sent before somebody does."""
    client = Recorder()
    with closing(KeptAlive(client, "chat/completions", TIMING, 0.02)) as kept:
        await waited(client, 2)
        assert not kept.has_started, "another candidate may still be asked"
        await kept.start(200, STREAM, SHOWN)
        await kept.send(EVENT, more=False)

    assert (200, STREAM, TIMING) == (client.status, client.content_type, client.headers)
    assert TOLD + EVENT == client.body.replace(WAITING, b"")
    assert (1, True) == (client.sent, client.is_complete)


async def test_how_far_a_model_is_loaded_stands_in_the_sign_of_life() -> None:
    client = Recorder()
    with closing(KeptAlive(client, "chat/completions", TIMING, 0.02)) as kept:
        await waited(client)
        kept.loading = lambda: 0.4299
        async with asyncio.timeout(5):
            while b": ppai waiting loaded=42%\n\n" not in client.body:
                await asyncio.sleep(0.005)
        kept.loading = lambda: None
        await waited(client, client.body.count(WAITING) + 1)


async def test_silence_between_events_is_filled() -> None:
    client = Recorder()
    with closing(KeptAlive(client, "chat/completions", TIMING, 0.02)) as kept:
        await kept.start(200, STREAM, SHOWN)
        await kept.send(EVENT, more=True)
        await waited(client)
        await kept.send(EVENT, more=False)
        body = client.body
        await asyncio.sleep(0.05)

    assert (SHOWN, EVENT * 2, body) == (client.headers, body.replace(WAITING, b""), client.body)


async def test_what_is_poured_is_no_silence() -> None:
    """It does not come by here."""
    client = Recorder()
    with closing(KeptAlive(client, "chat/completions", TIMING, 0.2)) as kept:
        await kept.start(200, STREAM, SHOWN)
        await kept.send(EVENT, more=True)
        pour = Pour(
            asyncio.get_running_loop().time, lambda pour: kept.outlet(pour, STREAM, SHOWN), lambda events, count: None
        )
        for _ in range(8):
            await asyncio.sleep(0.05)
            assert pour.take(EVENT)
        said = client.body
        await waited(client)

    assert (EVENT * 9, EVENT * 9 + WAITING) == (said, client.body)


@pytest.mark.parametrize(
    ("endpoint", "begins", "kind"),
    [
        ("chat/completions", b"data: {", ("error", "code")),
        ("responses", b"event: error\ndata: {", ("code",)),
        ("messages", b"event: error\ndata: {", ("error", "type")),
    ],
)
async def test_a_refusal_after_a_sign_of_life_is_an_event_of_its_api(
    endpoint: str, begins: bytes, kind: tuple[str, ...]
) -> None:
    client = Recorder()
    busy = UpstreamError("everybody is busy", status=503, code="saturated", retry_after_s=7)
    with closing(KeptAlive(client, endpoint, TIMING, 0.02)) as kept:
        await waited(client)
        await answer_error(kept, endpoint, busy, {"x-ppai-attempts": "1"})

    told, event = client.body.replace(WAITING, b"").split(b"\n\n")[:2]
    assert (200, b": ppai attempts=1 retry-after=7", True) == (client.status, told, client.is_complete)
    assert (event + b"\n\n").startswith(begins)
    value = json.loads(event.partition(b"data: ")[2])
    for key in kind:
        value = value[key]
    assert ("overloaded_error" if endpoint == "messages" else "saturated") == value


async def test_a_refusal_in_time_keeps_its_status() -> None:
    client = Recorder()
    with closing(KeptAlive(client, "messages", TIMING, 5)) as kept:
        await answer_error(kept, "messages", UpstreamError("later", status=503, code="busy"), TIMING)

    assert (529, "application/json") == (client.status, client.content_type)


async def test_an_answer_in_one_piece_after_a_sign_of_life_is_an_error() -> None:
    client = Recorder()
    with closing(KeptAlive(client, "responses", TIMING, 0.02)) as kept:
        await waited(client)
        await kept.answer(200, "application/json", b"{}", SHOWN)

    assert b'"no_stream"' in client.body and b"without `stream`" in client.body


async def test_an_engine_s_comment_passes_but_not_at_once_before_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some say `processing` whenever they are asked: such a stream keeps its headers."""
    early, late = Recorder(), Recorder()
    with closing(KeptAlive(early, "chat/completions", TIMING, 5)) as kept:
        await kept.comment(b": hold on\n\n")
        await kept.start(200, STREAM, SHOWN)
        await kept.comment(b": thinking\n\n")
    monkeypatch.setattr("gateway.serving.alive.ENGINE_COMMENT_AFTER_S", 0)
    with closing(KeptAlive(late, "chat/completions", TIMING, 5)) as kept:
        await kept.comment(b": hold on\n\n")
        await kept.start(200, STREAM, SHOWN)

    assert (SHOWN, b": thinking\n\n") == (early.headers, early.body)
    assert (TIMING, b": hold on\n\n" + TOLD) == (late.headers, late.body)


async def test_who_reads_slowly_gets_no_signs_of_life_on_top() -> None:
    class Slow(Recorder):
        async def send(self, body: bytes, *, more: bool, count: int = 1) -> None:
            await asyncio.sleep(0.1)
            await super().send(body, more=more)

    client = Slow()
    with closing(KeptAlive(client, "chat/completions", TIMING, 0.02)) as kept:
        await kept.start(200, STREAM, SHOWN)
        await kept.send(EVENT, more=True)
        assert EVENT == client.body


@pytest.mark.parametrize("name", ["a\r\nx: y", "工作站", "a b"])
async def test_no_name_breaks_out_of_its_comment(name: str) -> None:
    """Peers choose theirs."""
    client = Recorder()
    with closing(KeptAlive(client, "chat/completions", {}, 0.02)) as kept:
        await waited(client)
        await kept.start(200, STREAM, {"x-ppai-peer": name, "x-ppai-score": "1"})

    (told,) = client.body.replace(WAITING, b"").removesuffix(b"\n\n").split(b"\n")
    assert told.isascii() and [b":", b"ppai", b"score=1"] == [told.split(b" ")[at] for at in (0, 1, -1)]


async def test_nothing_is_left_behind() -> None:
    """Neither a timer nor a task, however the request ends."""
    client, kept = Recorder(), list[KeptAlive]()

    async def hung_up_on(headers: Mapping[str, str]) -> None:
        with closing(KeptAlive(client, "chat/completions", headers, 0.02)) as one:
            kept.append(one)
            await asyncio.sleep(5)

    work = asyncio.create_task(hung_up_on({}))
    await waited(client)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    body = client.body
    await asyncio.sleep(0.06)

    assert body == client.body
    assert {asyncio.current_task()} == asyncio.all_tasks()
