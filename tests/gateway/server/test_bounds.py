"""How a body may come: in pieces that are not too small, at a least rate, and to its end in time."""

import asyncio
from typing import Any

import pytest

from gateway.server.bounds import PIECES_FREE
from tests.gateway.server.serving import CHUNKED, HEAD, echo, said, serving


async def test_a_body_of_many_tiny_chunks_is_refused() -> None:
    """Each costs as much as a large one."""
    async with serving(echo) as served:
        for sent, status in ((b"1\r\na\r\n" * PIECES_FREE + b"0\r\n\r\n", b"200"), (b"1\r\na\r\n" * 20_000, b"400")):
            reader, writer = await served.connect()
            writer.write(CHUNKED + sent)
            async with asyncio.timeout(5):
                assert (await reader.readline()).split()[1] == status
            writer.close()


# --- time ---


@pytest.mark.parametrize(("length", "sent"), [(200_000, 100), (200_000, 163_000), (100, 99)])
async def test_a_body_comes_at_a_least_rate(length: int, sent: int) -> None:
    """16 KiB a second over ten seconds, however short it is said to be."""
    async with serving(echo) as served:
        reader, writer = await served.say(HEAD + b"content-length: %d\r\n\r\n" % length + b"a" * sent)
        served.pass_time(9.9)
        assert not reader.at_eof()
        served.pass_time(10.1)

        assert b" 408 " in await said(reader)
        writer.close()


async def test_a_body_that_comes_fast_enough_is_bounded_in_all() -> None:
    async with serving(echo) as served:
        reader, writer = await served.say(HEAD + b"content-length: 9000000\r\n\r\n" + b"a" * 200_000)
        served.pass_time(10.1)
        await asyncio.sleep(0)
        assert not reader.at_eof()
        served.pass_time(60.1)

        assert b" 408 " in await said(reader)
        writer.close()


async def test_a_body_that_waits_for_us_is_not_slow() -> None:
    """Its sender cannot help it."""
    read = asyncio.Event()

    async def later(scope: Any, receive: Any, send: Any) -> None:
        await read.wait()
        await echo(scope, receive, send)

    async with serving(later) as served:
        reader, writer = await served.connect()
        writer.write(HEAD + b"content-length: 3000000\r\n\r\n" + b"a" * 3_000_000)
        await asyncio.sleep(0.05)
        served.pass_time(11)
        served.pass_time(22)
        read.set()

        async with asyncio.timeout(5):
            assert (await reader.readuntil(b"3000000")).startswith(b"HTTP/1.1 200")
        writer.close()
