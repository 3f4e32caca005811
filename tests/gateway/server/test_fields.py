"""Header fields, as they come and as they are written; HTTP as some clients speak it, answered as if it were ours."""

import asyncio
from typing import Any

import httptools
import pytest

from gateway.server.fields import Head, lines_of, read_fields, size_of, without_offer
from tests.gateway.server.serving import answer, said, serving

HOST = b"host: x\r\n"
CHUNKS, LENGTH = b"transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", b"content-length: 4\r\n\r\nbody"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers the body and the header `x`."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    await answer(send, body + b"+" + dict(scope["headers"]).get(b"x", b""))


async def stream(scope: Any, receive: Any, send: Any) -> None:
    """Answers three events and says no length."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
    for piece in (b"a", b"b", b""):
        await send({"type": "http.response.body", "body": piece, "more_body": piece != b""})


@pytest.mark.parametrize("body", [CHUNKS, LENGTH], ids=["chunks", "a length"])
@pytest.mark.parametrize(
    "offer",
    [
        b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAA\r\n",  # Java's HttpClient
        b"connection: keep-alive, UPGRADE\r\nupgrade: websocket\r\n",
        b"proxy-connection: upgrade\r\nupgrade: x\r\n",
        b"connection: upgrade\r\nconnection: upgrade\r\nupgrade: h2c\r\nupgrade: websocket\r\n",
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_an_offer_of_another_protocol_leaves_a_request_as_it_was(
    offer: bytes, body: bytes, at_once: bool
) -> None:
    """Its body, its other headers, and the request after it on the same connection."""
    sent = b"POST /a?b HTTP/1.1\r\n" + HOST + offer + b"x: 1\r\n" + body
    sent += b"POST / HTTP/1.1\r\n" + HOST + b"x: 2\r\nconnection: close\r\n" + LENGTH
    async with serving(echo) as served:
        reader, writer = await served.connect()
        for piece in [sent] if at_once else [sent[at : at + 1] for at in range(len(sent))]:
            writer.write(piece)
            await asyncio.sleep(0)

        told = await said(reader)
        writer.close()

    assert (2, True, True) == (told.count(b"HTTP/1.1 200"), b"body+1" in told, told.endswith(b"body+2"))


def test_only_the_offer_is_left_out_of_a_head() -> None:
    head = without_offer(b"GET", b"/", "1.0", [(b"connection", b"close,Upgrade"), (b"upgrade", b"h2c"), (b"a", b"")])

    assert b"GET / HTTP/1.0\r\nconnection: close\r\nupgrade: h2c\r\na: \r\n\r\n" == head


async def test_who_wants_a_tunnel_is_refused() -> None:
    async with serving(echo) as served:
        reader, writer = await served.say(b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org\r\n\r\n")

        assert b" 400 " in await said(reader)
        writer.close()


async def test_http_1_0_is_answered_without_chunks() -> None:
    """The body ends where the connection does, whatever the client wishes to keep."""
    async with serving(stream) as served:
        old, writer = await served.say(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        head, _, body = (await said(old)).partition(b"\r\n\r\n")
        new, other = await served.say(b"GET / HTTP/1.1\r\n" + HOST + b"connection: close\r\n\r\n")
        chunked = await said(new)
        writer.close()
        other.close()

    assert (b"ab", False, True) == (body, b"transfer-encoding" in head, b"connection: close" in head)
    assert chunked.endswith(b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


async def test_an_answer_that_says_its_length_says_it_to_http_1_0() -> None:
    async with serving(echo) as served:
        reader, writer = await served.say(b"POST / HTTP/1.0\r\nexpect: 100-continue\r\n" + LENGTH)
        told = await said(reader)
        writer.close()

    assert told.startswith(b"HTTP/1.1 200") and b"content-length: 5\r\n" in told and told.endswith(b"\r\nbody+")


async def test_who_asks_whether_to_send_its_body_is_told_to() -> None:
    async with serving(echo) as served:
        head = b"POST / HTTP/1.1\r\n" + HOST + b"connection: close\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n"
        reader, writer = await served.say(head)
        async with asyncio.timeout(5):
            assert b"HTTP/1.1 100 Continue\r\n\r\n" == await reader.readuntil(b"\r\n\r\n")
        writer.write(b"body")

        assert (await said(reader)).endswith(b"body+")
        writer.close()


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ([], {}),
        ([(b"Host", b"a"), (b"X", b"\xe4")], {"host": "a", "x": "ä"}),
        ([(b"x", b"1"), (b"y", b""), (b"X", b"2"), (b"x", b"3")], {"x": "1, 2, 3", "y": ""}),
    ],
)
def test_names_are_lower_case_and_repeated_lines_are_one(
    fields: list[tuple[bytes, bytes]], read: dict[str, str]
) -> None:
    assert read == read_fields(fields)


def test_lines_count_with_what_stands_between_them() -> None:
    fields = {"host": "a", "x": "bc"}

    assert len(lines_of(fields)) == size_of([(b"host", b"a"), (b"x", b"bc")])
    assert 0 == size_of([])


# --- what a head says ---

FIELDS = [(b"Host", b"a"), (b"Content-Length", b"7"), (b"X", b"1"), (b"x", b"2")]


def head(line: bytes = b"/a%20b?c=d", version: str = "1.1", keeps_alive: bool = True, length: bytes = b"7") -> Head:
    fields = [(name, length if name == b"Content-Length" else value) for name, value in FIELDS]
    return Head("POST", line, version, fields, keeps_alive)


def test_a_head_says_who_asks_what_and_how() -> None:
    read = head()

    assert ("POST", "/a b", b"c=d") == (read.method, read.path, read.url.query)
    assert {"host": "a", "content-length": "7", "x": "1, 2"} == read.headers
    assert read.keeps_alive and not head(version="1.0").keeps_alive and not head(keeps_alive=False).keeps_alive


def test_with_another_length_its_lines_are_as_if_it_had_come_so() -> None:
    read, other = head(), head(length=b"123")

    assert other.fields == read.lines_with({"content-length": "123"})
    assert (head().headers, head().fields) == (read.headers, read.fields)


@pytest.mark.parametrize("line", [b"/\xc3\xa4", b"http://[", b""])
def test_what_is_no_url_is_an_error(line: bytes) -> None:
    with pytest.raises((httptools.HttpParserError, UnicodeError)):
        head(line)
