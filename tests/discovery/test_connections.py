"""Kept connections to an engine: every way an answer may be framed, broken, held back or left."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from discovery.connections import BUFFER_LIMIT_BYTES, SLICE_BYTES, Answer, ConnectionBroken, Connections

Say = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


class Engine:
    """A server on a raw socket: `say` answers each request; counts connections and keeps what it was asked."""

    def __init__(self, say: Say) -> None:
        self.connections, self.requests, self.open = 0, list[bytes](), 0
        self.reads_bodies = True
        self._say = say

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length if self.reads_bodies else 0))
                await self._say(reader, writer)
                if not self.reads_bodies:
                    await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


@contextlib.asynccontextmanager
async def engine(say: Say | bytes, keep_s: float = 5.0) -> AsyncIterator[tuple[Engine, Connections]]:
    async def write(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(say, bytes)
        writer.write(say)

    served = Engine(write if isinstance(say, bytes) else say)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connections = Connections(f"http://127.0.0.1:{port}", connect_s=2, keep_s=keep_s)
    try:
        yield served, connections
    finally:
        connections.close()
        server.close()
        async with asyncio.timeout(5):
            while served.open:
                await asyncio.sleep(0.005)


async def ask(connections: Connections, keep: bool = True, within_s: float = 2.0) -> Answer:
    return await connections.post(
        "/v1/chat", {"x-a": "b\r\nx-c: d"}, (b"bo", memoryview(b"dy")), keep=keep, within_s=within_s
    )


async def read(answer: Answer) -> bytes:
    pieces = b""
    while piece := await answer.piece(2):
        pieces += piece
    answer.release()
    return pieces


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(WHOLE, id="content-length"),
        pytest.param(CHUNKED, id="chunked"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\na: b\r\n\r\n" + WHOLE, id="1xx first"),
    ],
)
async def test_answers_are_read_and_their_connection_serves_again(said: bytes) -> None:
    async with engine(said) as (served, connections):
        for _ in range(5):
            answer = await ask(connections)
            assert (200, b"hello") == (answer.status, await read(answer))

        assert 1 == served.connections


async def test_headers_are_in_lower_case_and_a_value_stays_in_its_line() -> None:
    async with engine(WHOLE) as (served, connections):
        answer = await ask(connections)
        await read(answer)

        assert "text/plain" == answer.headers["content-type"]
        assert b"x-a: bx-c: d\r\n" in served.requests[0]
        assert served.requests[0].startswith(b"POST /v1/chat HTTP/1.1\r\nhost: 127.0.0.1:")
        assert served.requests[0].endswith(b"\r\n\r\nbody")


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


async def test_a_kept_connection_closed_under_us_is_replaced_once() -> None:
    """The engine answers one request a connection, and closes on the next without a word."""
    asked = 0

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            writer.close()
        else:
            writer.write(WHOLE)

    async with engine(say) as (served, connections):
        assert b"hello" == await read(await ask(connections))
        assert b"hello" == await read(await ask(connections))
        assert (2, 3) == (served.connections, asked)


async def test_without_keep_every_request_has_a_connection_of_its_own() -> None:
    async with engine(WHOLE) as (served, connections):
        assert [b"hello"] * 3 == [await read(await ask(connections, keep=False)) for _ in range(3)]
        assert 3 == served.connections
        assert b"\r\nconnection: close\r\n" in served.requests[0]


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


async def test_silence_before_and_within_an_answer_times_out() -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if served.connections == 2:
            writer.write(WHOLE[:-1])

    async with engine(say) as (served, connections):
        with pytest.raises(TimeoutError):
            await ask(connections, within_s=0.05)
        answer = await ask(connections)
        assert b"hell" == await answer.piece(1)
        with pytest.raises(TimeoutError):
            await answer.piece(0.05)
        answer.release()


async def test_every_piece_has_its_own_time_however_long_all_of_them_take() -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WHOLE[: -len(b"hello")])
        for letter in b"hello":
            await asyncio.sleep(0.2)
            writer.write(bytes([letter]))

    async with engine(say) as (_, connections):
        answer = await ask(connections)
        assert list(b"hello") == [(await answer.piece(0.8))[0] for _ in range(5)]
        answer.release()


@pytest.mark.parametrize("refused", [set(), {0}, {1}, {2, 3}, {0, 4}, {0, 1, 2, 3, 4}])
async def test_what_is_poured_and_what_is_read_is_the_body_in_its_order(refused: set[int]) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n<\r\n")
        for number in range(5):
            await came.acquire()
            writer.write(b"2\r\na%d\r\n" % number)
        await came.acquire()
        writer.write(b"0\r\n\r\n")

    def takes(piece: bytes) -> bool:
        came.release()
        offered.append(piece)
        if is_taken := int(piece[1:]) not in refused:
            got.append(piece)
        return is_taken

    came, offered, got = asyncio.Semaphore(0), list[bytes](), list[bytes]()
    async with engine(say) as (_, connections):
        answer = await ask(connections)
        assert b"<" == await answer.piece(2)
        answer.pour(takes)
        came.release()
        while piece := await answer.piece(2):
            got.append(piece)
        answer.release()

        assert [b"a%d" % number for number in range(5)] == got == offered


async def test_what_comes_while_the_reader_is_busy_is_his_and_so_is_all_up_to_his_next_wait() -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\none")
        await busy.wait()
        writer.write(b"two")
        await waiting.wait()
        writer.write(b"end")

    busy, waiting, poured = asyncio.Event(), asyncio.Event(), list[bytes]()
    async with engine(say) as (_, connections):
        answer = await ask(connections)
        answer.pour(lambda piece: poured.append(piece) is None)
        assert b"one" == await answer.piece(2)
        busy.set()
        async with asyncio.timeout(2):
            while not answer._pieces:
                await asyncio.sleep(0.001)

        assert b"two" == await answer.piece(2)
        asyncio.get_running_loop().call_soon(waiting.set)
        assert b"end" == await answer.piece(2), "what ends with its body is read: somebody has to see the end"
        answer.release()
        assert [] == poured


async def test_what_is_poured_counts_as_heard_and_silence_after_it_times_out() -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
        for _ in range(5):
            writer.write(b"a")
            await asyncio.sleep(0.08)

    poured = list[bytes]()
    async with engine(say) as (_, connections):
        answer = await ask(connections)
        await answer.piece(2)
        answer.pour(lambda piece: poured.append(piece) is None)
        with pytest.raises(TimeoutError):
            await answer.piece(0.3)
        answer.release()

        assert [b"a"] * 4 == poured


async def test_an_answer_left_early_is_hung_up_on() -> None:
    async with engine(CHUNKED[:-5]) as (served, connections):
        answer = await ask(connections)
        assert b"hello" == await answer.piece(1)
        answer.release()

        async with asyncio.timeout(1):
            while served.open:
                await asyncio.sleep(0.005)


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


async def test_an_idle_connection_is_closed_in_time() -> None:
    async with engine(WHOLE, keep_s=0.05) as (served, connections):
        await read(await ask(connections))
        async with asyncio.timeout(1):
            while served.open:
                await asyncio.sleep(0.005)
        assert b"hello" == await read(await ask(connections))
        assert 2 == served.connections


async def test_nothing_is_sent_on_a_new_connection_that_is_refused_here() -> None:
    """By `on_dial`: at the engine's port somebody else may listen by now."""

    def refuse(transport: asyncio.Transport) -> None:
        raise ConnectionBroken("not ours")

    async with engine(WHOLE) as (served, kept):
        port = kept._port
        connections = Connections(f"http://127.0.0.1:{port}", connect_s=2, keep_s=5, on_dial=refuse)

        with pytest.raises(ConnectionBroken, match="not ours"):
            await ask(connections)

    assert [] == served.requests


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
    answer = connection.ask(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body), (body,))
    await asyncio.sleep(0.2)

    held = connection._transport.get_write_buffer_size()
    may_read.set()
    await answer.begun(asyncio.get_running_loop().time() + 5)

    assert held < 1 << 20
    assert (8 << 20, 200) == (read, answer.status)
    answer.release()
    server.close()
