"""Which connection a request is posted on, and how long one is kept."""

import asyncio

import pytest

from discovery.answer import ConnectionBroken
from discovery.connections import Connections, header_lines
from tests.discovery.raw import CHUNKED, WHOLE, ask, engine, read


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


async def test_each_idle_connection_is_closed_when_it_has_been_idle_for_so_long() -> None:
    async with engine(WHOLE, keep_s=0.3) as (served, connections):
        loop, dialled = asyncio.get_running_loop(), [await connections.dial() for _ in range(3)]
        for number, connection in enumerate(dialled):
            await connection.ask(connections.lines("/", {}), (b"",)).begun(loop.time() + 2)
            await asyncio.sleep(0.1 if number < 2 else 0)
        assert 3 == served.open
        seen = set[int]()
        async with asyncio.timeout(3):
            while served.open:
                seen.add(served.open)
                await asyncio.sleep(0.005)

        assert {1, 2} <= seen, "the first of them before the last"


async def test_a_head_that_is_made_once_says_the_length_of_each_body() -> None:
    async with engine(WHOLE) as (served, connections):
        lines = connections.lines("/v1/chat", {"x-a": "b\r\nx-c: d"})
        for body in ((b"one",), (b"", memoryview(b"three"))):
            await read(await connections.send(lines, body, keep=True, within_s=2))

    assert [(b"content-length: 3\r\n\r\none"), (b"content-length: 5\r\n\r\nthree")] == [
        request[request.index(b"content-length") :] for request in served.requests
    ]
    assert all(b"x-a: bx-c: d\r\n" in request for request in served.requests), "a value stays in its line"
    assert b"" == header_lines({})


async def test_a_request_without_a_body_says_its_method_and_no_length() -> None:
    async with engine(WHOLE) as (served, connections):
        lines = connections.lines("/metrics", {"x-a": "b"}, method="GET")
        await read(await connections.send(lines, (), keep=True, within_s=2))

    host = connections.authority.encode()
    assert [b"GET /metrics HTTP/1.1\r\nhost: %b\r\nx-a: b\r\n\r\n" % host] == served.requests
