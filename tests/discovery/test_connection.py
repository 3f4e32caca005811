"""One connection: every way an answer may be framed, broken, held back or left."""

import asyncio
import contextlib
import random
from typing import Any

import pytest

from discovery.answer import ConnectionBroken
from discovery.connection import BUFFER_LIMIT_BYTES, SLICE_BYTES, Connection, Head
from discovery.connections import Connections
from discovery.heads import Found, KnownHeads
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


async def test_an_answer_that_has_come_leaves_its_connection_before_it_is_read() -> None:
    async with engine(WHOLE) as (served, connections):
        answers = [await ask(connections) for _ in range(5)]

        assert [b"hello"] * 5 == [await read(answer) for answer in answers]
        assert 1 == served.connections


# --- heads that came before ---


class Noting(KnownHeads[Head]):
    """Notes how often a head was known."""

    found = 0

    def find(self, data: bytes) -> Found[Head] | None:
        known = super().find(data)
        self.found += known is not None
        return known


class Forgetting(KnownHeads[Head]):
    """Knows none."""

    def learn(self, data: bytes, head: Head) -> None: ...


class Side:
    """A connection without a socket, and who keeps it."""

    def __init__(self, heads: KnownHeads[Head]) -> None:
        self.heads, self.kept, self.is_closed = heads, list[Connection](), False
        self.connection = Connection(self)
        self.connection.connection_made(self)  # type: ignore[arg-type]

    def made(self, connection: Connection) -> None: ...

    def lose(self, connection: Connection) -> None: ...

    def keep(self, connection: Connection) -> None:
        self.kept.append(connection)

    def write(self, data: bytes) -> None: ...

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def hear(self, pieces: list[bytes]) -> tuple[object, ...]:
        """What an answer is read as that comes in these pieces."""
        if self.is_closed:
            self.__init__(self.heads)  # type: ignore[misc]
        self.kept.clear()
        answer = self.connection.ask(b"POST / HTTP/1.1\r\n", (b"{}",))
        for piece in pieces:
            if not self.is_closed:
                self.connection.data_received(piece)
        if not answer.is_complete and not self.is_closed:
            self.abort()
        return (
            *(answer.status, dict(answer.headers), answer.has_head, answer.is_complete, str(answer.error)),
            *(b"".join(answer.pieces), bool(self.kept), self.is_closed),
        )


HEADS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: LENGTH\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\ndate: Mon\r\n\r\n",
    b"HTTP/1.1 429 Busy\r\nretry-after: 9\r\ncontent-length: LENGTH\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\nConnection: close\r\n\r\n",
    b"HTTP/1.0 200 OK\r\ncontent-length: LENGTH\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\ncontent-length: LENGTH\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\ncontent-length: LENGTH\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nx-strength: 5\r\ncontent-length: LENGTH\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: LENGTH\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\n\r\n",
    b"HTTP/1.1 200 OK\ncontent-length: LENGTH\n\n",
)
LENGTHS = ("%d", "%d", "%d", "0%d", "+%d", "%d ", " %d", "%d, %d", "9%d", "")


def answers(seed: int) -> list[list[bytes]]:
    """Several answers of one server, each in its pieces: most are as they should be."""
    rng = random.Random(seed)
    told = list[list[bytes]]()
    for _ in range(8):
        body = rng.choice((b"hello", b"hello", b"{}", b"", b"a" * 300))
        said = rng.choice(LENGTHS) if rng.random() < 0.2 else "%d"
        length = said.replace("%d", str(len(body))).encode()
        sent = rng.choice(HEADS[: 3 if rng.random() < 0.7 else None]).replace(b"LENGTH", length) + body
        if rng.random() < 0.1:
            sent += rng.choice((b"\r\n", b"x", sent))
        cut = rng.randint(0, len(sent)) if rng.random() < 0.2 else len(sent)
        told.append([piece for piece in (sent[:cut], sent[cut:]) if piece])
    return told


async def test_an_answer_behind_a_known_head_is_read_as_the_parser_reads_it() -> None:
    knowing, found = Noting(), 0
    for seed in range(2000):
        first, other = Side(knowing), Side(Forgetting())
        for pieces in answers(seed):
            expected = other.hear(pieces)
            assert expected == first.hear(pieces), (seed, pieces)
        found += knowing.found
        knowing.found = 0

    assert found > 2000, "many of them are known, or this tests nothing"


HINTS = b"HTTP/1.1 103 Early Hints\r\ncontent-length: 5\r\n\r\n"
REST = b"x: y\r\ncontent-length: 5\r\n\r\nhello"


@pytest.mark.parametrize(
    ("taught", "told"),
    [
        pytest.param([HINTS + WHOLE], HINTS + b"hello", id="of two heads the first"),
        pytest.param([b"HTTP/1.1 200 OK\r\n", REST], REST, id="the rest of a head"),
    ],
)
async def test_what_is_not_the_head_before_the_body_teaches_none(taught: list[bytes], told: bytes) -> None:
    """The parser refuses it when it comes as a head, though it came twice, before a body of that length."""
    knowing = KnownHeads[Head]()
    side = Side(knowing)
    for _ in range(2):
        assert (200, b"hello") == (heard := side.hear(taught))[:1] + heard[5:6]

    assert Side(Forgetting()).hear([told]) == Side(knowing).hear([told])
