"""One connection: every way an answer may be framed, broken, held back or left."""

import asyncio
import contextlib
from typing import Any

import pytest

from discovery.answer import ConnectionBroken
from discovery.connection import BUFFER_LIMIT_BYTES, SLICE_BYTES
from discovery.connections import Connections
from tests.discovery.raw import CHUNKED, WHOLE, ask, engine, read
from tests.garbage import garbage


async def test_a_large_body_goes_in_slices_and_its_connection_serves_again() -> None:
    large = bytes(range(256)) * (SLICE_BYTES // 100)
    async with engine(WHOLE) as (served, connections):
        for _ in range(2):
            answer = await connections.post("/", {}, (b"{", memoryview(large), b"}"), keep=True, within_s=5)
            assert b"hello" == await read(answer)

        assert ([b"{" + large + b"}"] * 2, 1) == (
            [r.partition(b"\r\n\r\n")[2] for r in served.requests],
            served.connections,
        )


async def test_an_answer_that_comes_before_all_was_sent_ends_its_connection() -> None:
    """What is left of the request would else be read as the next one."""
    async with engine(WHOLE) as (served, connections):
        served.reads_bodies = False

        answer = await connections.post("/", {}, (bytes(64 << 20),), keep=True, within_s=5)
        assert (200, b"hello") == (answer.status, await read(answer))
        served.reads_bodies = True

        assert b"hello" == await read(await ask(connections))
        assert 2 == served.connections


async def test_a_body_without_a_length_ends_with_its_connection() -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nhello")
        writer.close()

    async with engine(say) as (served, connections):
        assert b"hello" == await read(await ask(connections))
        assert b"hello" == await read(await ask(connections))
        assert 2 == served.connections


@pytest.mark.parametrize(
    ("said", "why"),
    [
        pytest.param(b"", "closed", id="nothing"),
        pytest.param(b"\x16\x03\x01\x02\x00", "no.*HTTP|not speak HTTP", id="no HTTP"),
        pytest.param(b"HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n", "HTTP", id="an upgrade"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"x-a: b\r\n" * 20_000, "headers are over", id="headers without end"),
    ],
)
async def test_what_is_no_answer_is_an_error(said: bytes, why: str) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        if not said:
            writer.close()

    async with engine(say) as (_, connections):
        with pytest.raises(ConnectionBroken, match=why):
            await ask(connections)


@pytest.mark.parametrize(
    "without_end",
    [b"0\r\n" + b"x-a: b\r\n" * 200_000, b"0\r\nx-a: " + b"b" * (2 << 20), b"1;" + b"a" * (2 << 20)],
    ids=["trailers", "one trailer", "an extension of a chunk"],
)
async def test_what_is_no_body_is_bounded_between_its_pieces_too(without_end: bytes) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED[:-5] + without_end)

    async with engine(say) as (_, connections):
        with await ask(connections) as answer, pytest.raises(ConnectionBroken, match="headers are over"):
            await read(answer)


async def test_a_trailer_is_no_header() -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED[:-2] + b"Retry-After: 9\r\n\r\n")

    async with engine(say) as (served, connections):
        for _ in range(2):
            answer = await ask(connections)
            assert (b"hello", {"transfer-encoding": "chunked"}) == (await read(answer), answer.headers)
        assert 1 == served.connections


@pytest.mark.parametrize("said", [WHOLE[:-1], CHUNKED[:-5], CHUNKED[:-7]], ids=["a length", "chunks", "in a chunk"])
async def test_a_body_shorter_than_it_said_is_an_error_and_no_end(said: bytes) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()

    async with engine(say) as (_, connections):
        answer = await ask(connections)
        with pytest.raises(ConnectionBroken):
            await read(answer)
        answer.release()


async def test_an_answer_nobody_asked_for_is_never_taken_for_the_next_one() -> None:
    async with engine(WHOLE + WHOLE.replace(b"hello", b"other")) as (served, connections):
        assert [b"hello"] * 3 == [await read(await ask(connections)) for _ in range(3)]
        assert 3 == served.connections


async def test_an_answer_left_early_is_hung_up_on() -> None:
    async with engine(CHUNKED[:-5]) as (served, connections):
        answer = await ask(connections)
        assert b"hello" == await answer.piece(1)
        answer.release()

        async with asyncio.timeout(1):
            while served.open:
                await asyncio.sleep(0.005)


@pytest.mark.parametrize("how", ["read", "left early", "cut", "late", "silent", "no HTTP", "refused"])
async def test_a_connection_is_freed_when_it_ends_however_it_ends(how: str) -> None:
    """With it goes whatever its reader held: a collector would find all of it much later."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if how == "silent":
            await reader.read()
        writer.write({"read": WHOLE, "no HTTP": b"SSH-2.0-x\r\n"}.get(how, CHUNKED[:-5]))
        if how == "cut":
            writer.close()

    async def asked() -> bytes:
        with await ask(connections, within_s=0.1 if how == "silent" else 2.0) as answer:
            return await answer.piece(2) + (b"" if how in ("read", "left early") else await answer.piece(0.05))

    with garbage() as found:
        async with engine(say) as (_, connections):
            if how == "refused":
                connections = Connections("http://127.0.0.1:9", connect_s=2, keep_s=5)
            with contextlib.suppress(ConnectionBroken, TimeoutError, OSError):
                assert b"hello" == await asked()

    assert [] == found


async def test_an_end_that_lingers_behind_the_last_event_keeps_the_connection() -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED[:-5])
        await taken.wait()
        writer.write(CHUNKED[-5:])

    async with engine(say) as (served, connections):
        for _ in range(3):
            taken = asyncio.Event()
            answer = await ask(connections)
            assert b"hello" == await answer.piece(1)
            answer.release(at_its_end=True)
            taken.set()
            async with asyncio.timeout(1):
                while not answer.is_complete:
                    await asyncio.sleep(0.001)

        assert 1 == served.connections


async def test_what_nobody_takes_holds_the_engine_back() -> None:
    size, written = 24 << 20, 0

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(size >> 16):
            writer.write(b"x" * (1 << 16))
            await writer.drain()
            written += 1 << 16

    async with engine(say) as (_, connections):
        answer = await ask(connections)
        seen = -1
        while not written or written != seen:  # until it stands still
            seen = written
            await asyncio.sleep(0.2)

        stalled_at, first = written, await answer.piece(1)
        rest = await read(answer)

        assert stalled_at < size // 2  # socket buffers hold some MB, ours no more than its limit and one read
        assert BUFFER_LIMIT_BYTES < len(first) < 4 * BUFFER_LIMIT_BYTES
        assert size == len(first) + len(rest)


async def test_a_large_body_waits_for_an_engine_that_reads_slowly() -> None:
    """In the file that it lies in: what is sent and not yet read is bounded, and all of it arrives."""
    body, may_read, read = memoryview(bytes(8 << 20)), asyncio.Event(), 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal read
        head = await reader.readuntil(b"\r\n\r\n")
        await may_read.wait()
        size = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while read < size:
            read += len(await reader.read(1 << 16))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(slow, "127.0.0.1", 0)
    connections = Connections(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", connect_s=5, keep_s=5)
    connection = await connections.dial()
    answer = connection.ask(b"POST / HTTP/1.1\r\n", (body,))
    await asyncio.sleep(0.2)

    held = connection._transport.get_write_buffer_size()
    may_read.set()
    await answer.begun(asyncio.get_running_loop().time() + 5)

    assert held < 1 << 20
    assert (8 << 20, 200) == (read, answer.status)
    answer.release()
    server.close()


async def test_requests_that_end_in_time_set_one_timer_for_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither each request nor each piece of an answer has one of its own, and none is left on a closed connection."""
    loop, timers = asyncio.get_running_loop(), list[asyncio.TimerHandle]()
    call_at = loop.call_at

    def counted(when: float, *given: Any, **named: Any) -> asyncio.TimerHandle:
        timers.append(call_at(when, *given, **named))
        return timers[-1]

    async with engine(CHUNKED) as (served, connections):
        await read(await ask(connections))
        monkeypatch.setattr(loop, "call_at", counted)
        for _ in range(20):
            assert b"hello" == await read(await ask(connections))
        monkeypatch.undo()

        assert 1 == served.connections and [] == timers
        connection = connections.kept()
        assert connection is not None
        connection.close()
        await asyncio.sleep(0.01)
        assert connection._look is not None and connection._look.cancelled()
