"""What is a request, and what is refused: heads without end, what is no HTTP, too many at once."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.server import reading
from gateway.server.fields import size_of
from gateway.server.reading import PIPELINE_LIMIT
from tests.gateway.server.serving import BOUNDS, CHUNKED, HEAD, echo, said, serving

ENDLESS = {
    "a request line": b"POST /" + b"a" * 4096,
    "a header": HEAD + b"x: " + b"a" * 4096,
    "many headers": HEAD + b"".join(b"x%d: y\r\n" % n for n in range(400)),
    "a header's name": HEAD + b"x" * 4096,
    "a trailer": CHUNKED + b"1\r\na\r\n0\r\nx: " + b"a" * 4096,
    "trailers": CHUNKED + b"0\r\n" + b"".join(b"x%d: y\r\n" % n for n in range(400)),
    "a chunk's extension": CHUNKED + b"1;x=" + b"a" * 4096,
    "trailers that end": CHUNKED + b"0\r\n" + b"".join(b"x%d: y\r\n" % n for n in range(400)) + b"\r\n",
    "a second head behind a body": (
        HEAD + b"content-length: 3000\r\n\r\n" + b"a" * 3000 + HEAD + b"".join(b"x%d: y\r\n" % n for n in range(400))
    ),
    "a second head that ends": (
        HEAD + b"content-length: 3000\r\n\r\n" + b"a" * 3000 + HEAD + b"x: y\r\n" * 400 + b"\r\n"
    ),
    "a second head": HEAD + b"content-length: 1\r\n\r\na" + HEAD + b"".join(b"x%d: y\r\n" % n for n in range(400)),
}


@pytest.mark.parametrize("sent", ENDLESS.values(), ids=ENDLESS.keys())
async def test_a_head_without_end_is_refused_when_it_is_too_long(sent: bytes) -> None:
    """Whatever part of it has no end."""
    async with serving(echo) as served:
        for pieces in ([sent], [sent[at : at + 100] for at in range(0, len(sent), 100)]):
            reader, writer = await served.connect()
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)

            assert b" 431 " in await said(reader)
            writer.close()


@pytest.mark.parametrize("before", [HEAD, CHUNKED + b"1\r\na\r\n0\r\n"], ids=["a head", "trailers"])
async def test_lines_that_come_byte_by_byte_are_not_counted_anew_with_each(
    before: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else who sends so would have a processor for a few thousand bytes a second."""
    counted = list[int]()

    def noted(fields: Sequence[tuple[bytes, bytes]]) -> int:
        counted.append(len(fields))
        return size_of(fields)

    monkeypatch.setattr(reading, "size_of", noted)
    async with serving(echo) as served:
        reader, writer = await served.say(before)
        made = next(iter(served.web.server_state.connections))
        for byte in b"x: y\r\n" * 100:
            made.data_received(bytes([byte]))
        writer.write(b"\r\n")

        async with asyncio.timeout(5):
            assert b" 200 " in await reader.readline()
        writer.close()

    assert 3 > len(counted) and 202 > sum(counted)


async def test_a_head_may_have_as_many_bytes_as_is_said() -> None:
    head = HEAD + b"content-length: 100000\r\nx: "
    head += b"a" * (BOUNDS.head_bytes - len(head) - 4) + b"\r\n\r\n"
    async with serving(echo) as served:
        reader, writer = await served.say(head + b"b" * 100_000)

        async with asyncio.timeout(5):
            told = await reader.readuntil(b"100000")
        writer.close()

    assert told.startswith(b"HTTP/1.1 200")


async def test_what_is_no_http_is_refused_without_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever reaches the port would write the log else."""
    async with serving(echo) as served:
        for text in (b"\x16\x03\x01\x00\xa5\r\n\r\n", b"GET\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            reader, writer = await served.say(text)

            assert b" 400 " in await said(reader)
            writer.close()

    assert "" == caplog.text


AMBIGUOUS = {
    "two lengths": HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "a length, and chunks": HEAD + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks that are not the last encoding": HEAD + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a length with a sign": HEAD + b"content-length: +1\r\n\r\na",
    "a chunk's size with a prefix": CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
    "a chunk that is longer than it says": CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    "a folded line": HEAD + b"x: a\r\n content-length: 1\r\n\r\na",
    "a line that ends in LF alone": b"POST / HTTP/1.1\nhost: x\ncontent-length: 1\n\na",
    "a line that ends in CR alone": HEAD + b"x: a\rcontent-length: 1\r\n\r\na",
    "a blank before the colon": HEAD + b"content-length : 1\r\n\r\na",
    "a NUL in a value": HEAD + b"x: a\0\r\ncontent-length: 1\r\n\r\na",
}


@pytest.mark.parametrize("sent", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_what_two_readers_could_read_in_two_ways_is_refused(sent: bytes) -> None:
    """Attack 21: a proxy in front of us would see one request, and we another behind it. Nobody is asked anything."""
    asked = []

    async def note(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await echo(scope, receive, send)

    async with serving(note) as served:
        reader, writer = await served.say(sent + b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n")
        told = await said(reader)
        writer.close()

    assert told.startswith(b"HTTP/1.1 400")
    assert "/smuggled" not in asked


async def test_requests_ahead_of_their_answers_are_few() -> None:
    """They would all be kept."""

    async def wait(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async with serving(wait) as served:
        reader, writer = await served.say(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * (PIPELINE_LIMIT + 3))

        await said(reader)
        writer.close()
