"""An answer as its reader sees it: whole, piece by piece or poured, late or silent."""

import asyncio
from collections.abc import Callable

import pytest

from tests.discovery.raw import WHOLE, ask, engine, read


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


class Taking:
    """Takes what `take` does (discovery.answer.Sink)."""

    def __init__(self, take: Callable[[bytes], bool]) -> None:
        self.at, self._take = 0.0, take

    def take(self, piece: bytes) -> bool:
        self.at = asyncio.get_running_loop().time()
        return self._take(piece)


@pytest.mark.parametrize("refused", [set(), {0}, {1}, {2, 3}, {0, 4}, {0, 1, 2, 3, 4}])
async def test_what_is_poured_and_what_is_read_is_the_body_in_its_order(refused: set[int]) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n<\r\n")
        for number in range(5):
            await came.acquire()
            writer.write(b"2\r\na%d\r\n" % number)
        await came.acquire()
        writer.write(b"0\r\n\r\n")

    def take(piece: bytes) -> bool:
        came.release()
        offered.append(piece)
        if is_taken := int(piece[1:]) not in refused:
            got.append(piece)
        return is_taken

    came, offered, got = asyncio.Semaphore(0), list[bytes](), list[bytes]()
    async with engine(say) as (_, connections):
        answer = await ask(connections)
        assert b"<" == await answer.piece(2)
        came.release()
        while piece := await answer.piece(2, Taking(take)):
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
        sink = Taking(lambda piece: poured.append(piece) is None)
        assert b"one" == await answer.piece(2)
        busy.set()
        async with asyncio.timeout(2):
            while not answer.pieces:
                await asyncio.sleep(0.001)

        assert b"two" == await answer.piece(2, sink)
        asyncio.get_running_loop().call_soon(waiting.set)
        assert b"end" == await answer.piece(2, sink), "what ends with its body is read: somebody has to see the end"
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
        with pytest.raises(TimeoutError):
            await answer.piece(0.3, Taking(lambda piece: poured.append(piece) is None))
        answer.release()

        assert [b"a"] * 4 == poured


async def test_a_timer_that_is_due_too_early_or_too_late_for_a_wait_still_ends_it_in_its_time() -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WHOLE if len(served.requests) < 3 else WHOLE[:-1])

    async with engine(say) as (served, connections):
        await read(await ask(connections, within_s=60))
        await read(await ask(connections, within_s=0.05))
        answer, loop = await ask(connections, within_s=60), asyncio.get_running_loop()
        assert b"hell" == await answer.piece(60)
        for within_s in (0.2, 0.1):
            began = loop.time()
            with pytest.raises(TimeoutError):
                await answer.piece(within_s)
            assert within_s - 0.01 <= loop.time() - began < within_s + 1
        answer.release()


async def test_an_answer_that_has_not_begun_in_time_may_begin_later() -> None:
    """Whoever asks whether it begins goes on waiting as he likes: the connection is no worse for it."""
    may_answer = asyncio.Event()

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await may_answer.wait()
        writer.write(WHOLE)

    async with engine(say) as (_, connections):
        loop, connection = asyncio.get_running_loop(), await connections.dial()
        answer = connection.ask(connections.lines("/", {}), (b"",))

        assert not await answer.begins(loop.time() + 0.02)
        may_answer.set()
        assert await answer.begins(loop.time() + 5)
        assert b"hello" == await read(answer)
        assert connection is connections.kept()
        connection.close()
