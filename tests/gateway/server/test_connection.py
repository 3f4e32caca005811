"""What one connection may send and how long it may take, whoever sends it."""

import asyncio
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from discovery.identity import Identity
from gateway.server.bounds import PIECES_FREE
from gateway.server.edge import read_pieces, until_gone
from gateway.server.event_loop import new_event_loop
from gateway.server.exchange import Exchange
from gateway.wire.streams.pour import Pour, Put
from tests.garbage import garbage
from tests.gateway.server.serving import BOUNDS, CHUNKED, HEAD, Met, echo, refuse, said, serving

CLOSING = HEAD + b"connection: close\r\n"
Answers = Callable[[Any, Any, Any], Awaitable[None]]


@pytest.mark.parametrize(("text", "status"), [(b"", b""), (b"POST /", b" 408 "), (HEAD, b" 408 ")])
async def test_a_head_has_so_many_seconds(text: bytes, status: bytes) -> None:
    """However steadily it comes; who has said nothing is told nothing."""
    async with serving(echo) as served:
        reader, writer = await served.say(text)
        served.pass_time(4.9)
        writer.write(b"x" if text else b"")
        await asyncio.sleep(0.02)
        served.pass_time(5.1)

        told = await said(reader)
        writer.close()

    assert bool(status) == bool(told) and status in told


async def test_the_next_head_on_a_connection_has_as_long() -> None:
    async with serving(echo) as served:
        reader, writer = await served.say(HEAD + b"content-length: 1\r\n\r\na")
        await reader.readuntil(b"\r\n\r\n1")
        served.pass_time(60)  # idle between two requests, as pooled clients are
        writer.write(b"POST /")
        await asyncio.sleep(0.02)
        served.pass_time(5.1)

        assert b" 408 " in await said(reader)
        writer.close()


async def test_a_body_that_nobody_wants_is_not_read_for_long() -> None:
    """The refusal is told, a little more is dropped, so that a short body ends as it should, then nothing is read."""
    async with serving(refuse) as served:
        reader, writer = await served.connect()
        writer.write(HEAD + b"content-length: 90000000\r\n\r\n" + b"a" * 100_000)
        await writer.drain()

        async with asyncio.timeout(5):
            assert b"no" in await reader.readuntil(b"no")
            with pytest.raises(ConnectionError):
                while True:
                    writer.write(b"a" * 1_000_000)
                    await writer.drain()


async def test_a_short_body_that_nobody_wants_leaves_the_connection_as_it_was() -> None:
    async with serving(refuse) as served:
        reader, writer = await served.connect()
        for _ in range(2):
            writer.write(HEAD + b"content-length: 20000\r\n\r\n" + b"a" * 20_000)
            async with asyncio.timeout(5):
                await reader.readuntil(b"no")
        writer.close()


@pytest.mark.parametrize(
    "behind",
    [b"", b"oops\r\n", b"1\r\na\r\n" * (PIECES_FREE + 200), b"0\r\nx: " + b"a" * 4096],
    ids=["too slowly", "broken", "in too many pieces", "with long trailers"],
)
async def test_the_body_of_a_request_that_is_answered_is_refused_without_a_second_answer(behind: bytes) -> None:
    """Who keeps the connection would take that for the answer to his next request."""
    async with serving(refuse, replace(BOUNDS, dropped_bytes=8 << 20)) as served:
        reader, writer = await served.say(CHUNKED + b"1\r\na\r\n")
        assert (await reader.readuntil(b"no")).startswith(b"HTTP/1.1 200")
        writer.write(behind)
        await asyncio.sleep(0.02)
        served.pass_time(10.1)

        assert b"" == await said(reader)
        writer.close()


async def test_nobody_who_is_refused_is_told_to_send_on() -> None:
    """Though his body is asked for only then."""
    refused = asyncio.Event()

    async def later(asked: Exchange) -> None:
        await refused.wait()
        await asked.receive()

    async with serving(Met(later)) as served:
        reader, writer = await served.say(HEAD + b"expect: 100-continue\r\ncontent-length: 9\r\n\r\n")
        served.pass_time(10.1)
        refused.set()

        told = await said(reader)
        writer.close()

    assert b" 408 " in told and 1 == told.count(b"HTTP/1.1 ")


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_who_sends_all_before_he_reads_hears_the_refusal_of_his_last_request(version: bytes) -> None:
    """As Python's urllib does, which asks for each connection to be closed: to close it at once would reset it."""
    async with serving(refuse, replace(BOUNDS, linger_s=0.3)) as served:
        reader, writer = await served.connect()
        writer.write(CLOSING.replace(b"1.1", version) + b"content-length: 60000\r\n\r\n")
        for _ in range(6):
            await asyncio.sleep(0.01)
            writer.write(b"a" * 10_000)
            await writer.drain()

        assert (await said(reader)).endswith(b"no")
        writer.close()


async def test_the_body_of_a_last_request_is_not_dropped_for_long_either() -> None:
    async with serving(refuse, replace(BOUNDS, linger_s=60.0)) as served:
        reader, writer = await served.connect()
        writer.write(CLOSING + b"content-length: 90000000\r\n\r\n")

        async with asyncio.timeout(5):
            assert b"no" in await reader.readuntil(b"no")
            made = next(iter(served.web.server_state.connections))
            writer.write(b"a" * 100_000)
            while not made.flow.read_paused:
                await asyncio.sleep(0.01)
        writer.close()


async def test_nothing_behind_the_last_request_is_answered() -> None:
    """Whether it was answered before its body had come, or after."""
    for app in (refuse, echo):
        async with serving(app) as served:
            reader, writer = await served.say(CLOSING + b"content-length: 9\r\n\r\n1234")
            writer.write(b"56789" + HEAD + b"\r\n")

            assert 1 == (await said(reader)).count(b"HTTP/1.1 200")
            writer.close()


async def test_an_answer_that_nobody_reads_is_ended() -> None:
    """The app hears that its client is gone, and stops what it does for him."""
    ended = asyncio.Event()

    async with serving(partial(endless, ended)) as served:
        _, writer = await served.say(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        writer.transport.pause_reading()
        await asyncio.sleep(0.1)
        for seconds in (0, 9.9):
            served.pass_time(seconds)
            await asyncio.sleep(0)
            assert not ended.is_set()
        served.pass_time(10.1)

        async with asyncio.timeout(5):
            await ended.wait()
        writer.close()


async def test_an_answer_that_is_read_slowly_goes_on() -> None:
    """As long as its reader takes something."""
    ended = asyncio.Event()

    async with serving(partial(endless, ended)) as served:
        reader, writer = await served.say(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        writer.transport.pause_reading()
        await asyncio.sleep(0.1)
        for seconds in (0, 9.9):
            served.pass_time(seconds)
        writer.transport.resume_reading()
        async with asyncio.timeout(5):
            await reader.readexactly(4 << 20)
        writer.transport.pause_reading()
        await asyncio.sleep(0.05)
        served.pass_time(10.1)

        await asyncio.sleep(0)
        assert not ended.is_set()
        writer.close()
        async with asyncio.timeout(5):
            await ended.wait()


async def endless(ended: asyncio.Event, scope: Any, receive: Any, send: Any) -> None:
    """Answers until the client is gone."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    watch = asyncio.create_task(_gone(receive, ended))
    while not ended.is_set():
        await send({"type": "http.response.body", "body": b"a" * 65536, "more_body": True})
    await watch


async def _gone(receive: Any, ended: asyncio.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    ended.set()


# --- what is written where it arrives ---


WORD = b'data: {"a":1}\n\n'
POUR = Pour(time.monotonic, lambda pour: None, lambda events, count: None)


async def test_a_piece_is_written_at_once_only_of_an_answer_that_is_under_way() -> None:
    """It begins with the first; in HTTP/1.0 as in 1.1, and not to who has left. Each counts as sent."""
    written = list[bool]()

    async def app(asked: Exchange) -> None:
        put: Put | None = None

        def outlet(pour: Pour) -> Put | None:
            nonlocal put
            put = asked.outlet(pour, "text/event-stream", {})
            return put

        pour = Pour(time.monotonic, outlet, lambda events, count: None)
        written.extend([pour.take(WORD), pour.take(2 * WORD), pour.take(WORD)])
        assert 4 == asked.sent and put
        await asked.send(WORD, more=False)
        assert 5 == asked.sent
        asked.lose()
        written.append(put(WORD))
        ended.set()

    async with serving(Met(app)) as served, asyncio.timeout(5):
        framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (WORD, 2 * WORD, WORD, WORD, b""))
        for version, body in ((b"1.1", framed), (b"1.0", 5 * WORD)):
            ended = asyncio.Event()
            reader, writer = await served.say(b"GET / HTTP/%b\r\nhost: x\r\nconnection: close\r\n\r\n" % version)
            assert body == (await reader.read()).partition(b"\r\n\r\n")[2]
            await ended.wait()
            writer.close()

    assert [True, True, True, False] * 2 == written


async def test_who_reads_slowly_is_written_no_more_than_fits() -> None:
    """What does not fit is sent, which waits; in between nothing is lost or passes by."""
    taken, size = list[bool](), 1 << 16

    async def app(asked: Exchange) -> None:
        await asked.start(200, "text/plain", {})
        await asked.send(b"-", more=True)
        put = asked.outlet(POUR)
        assert put
        for number in range(200):
            piece = b"%04d" % number + b"x" * size
            taken.append(put(piece))
            if not taken[-1]:
                full.set()
                await asked.send(piece, more=True)
        await asked.send(b".", more=False)

    full = asyncio.Event()
    async with serving(Met(app)) as served, asyncio.timeout(10):
        reader, writer = await served.say(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        writer.transport.pause_reading()
        await full.wait()
        assert taken[0] and not taken[-1] and len(taken) < 200
        writer.transport.resume_reading()
        body = await reader.read()
        writer.close()

    found = re.findall(rb"%x\r\n(\d{4})x{%d}\r\n" % (size + 4, size), body)
    assert [b"%04d" % number for number in range(200)] == found


# --- who hangs up ---


@pytest.mark.parametrize(
    "body", [b"", b"a" * (1 << 18)], ids=["no body", "a body behind which the server stops reading"]
)
async def test_work_ends_when_its_client_hangs_up_and_needs_no_second_task(body: bytes) -> None:
    began, ended, beside = asyncio.Event(), asyncio.Event(), set[asyncio.Task[Any]]()

    async def work() -> None:
        beside.update(asyncio.all_tasks() - before)
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def app(asked: Exchange) -> None:
        await read_pieces(asked.receive, 1 << 20)
        await until_gone(work(), asked)

    async with serving(Met(app)) as served, asyncio.timeout(5):
        _, writer = await served.connect()
        before = asyncio.all_tasks()
        writer.write(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        await began.wait()
        writer.close()
        await ended.wait()

    beside.discard(cast(asyncio.Task[Any], asyncio.current_task()))
    assert ["Turns._met"] == [task.get_coro().__qualname__ for task in beside]


async def test_work_for_who_has_left_already_ends() -> None:
    """The client hung up while its body was on the way to the work."""
    left, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def app(asked: Exchange) -> None:
        connection = asked.connection
        await read_pieces(asked.receive, 1 << 20)
        while not connection.transport.is_closing():
            await asyncio.sleep(0.01)
        left.set()
        await until_gone(work(), asked)

    async with serving(Met(app)) as served, asyncio.timeout(5):
        _, writer = await served.say(HEAD + b"content-length: 1\r\n\r\na")
        writer.close()
        await left.wait()
        await ended.wait()


async def test_who_leaves_after_the_answer_ends_nothing() -> None:
    over = asyncio.Event()

    async def app(asked: Exchange) -> None:
        await read_pieces(asked.receive, 1 << 20)
        await until_gone(asked.answer(200, "text/plain", b"done"), asked)
        await asyncio.sleep(0.1)  # a later work of the same task is not cancelled for it
        over.set()

    async with serving(Met(app)) as served, asyncio.timeout(5):
        reader, writer = await served.say(HEAD + b"content-length: 1\r\nconnection: close\r\n\r\na")
        assert (await said(reader)).endswith(b"done")
        writer.close()
        await over.wait()


def test_strangers_without_a_handshake_leave_nothing_to_the_collector(tmp_path: Path) -> None:
    """Each of them costs the buffers of TLS for as long as its connection is kept."""

    async def run(tls: ssl.SSLContext) -> None:
        async with serving(echo, tls=tls) as served:
            reader, writer = await served.say(b"GET / HTTP/1.1\r\n\r\n")
            await said(reader)
            writer.close()

    with garbage() as found, asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(run(Identity.load_or_create(tmp_path).server_ssl_context()))

    assert "gateway.server.connection.Connection" not in found
