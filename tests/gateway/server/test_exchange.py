"""One request and its answer: the same bytes whichever way an app goes, and the same HTTP as uvicorn's."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.client.api_keys import LOOK_S, ApiKeys
from gateway.server.edge import read_pieces, until_gone
from gateway.server.exchange import Exchange
from tests.gateway.server.both import CountingHeads, CountingSessionHeads, Side, Told, sequence, sequence_of_known
from tests.gateway.server.serving import BOUNDS, Met, said, serving

HOST = b"host: localhost\r\n"
CHAT = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST
STREAM = b'{"stream":true}'
SEEDS_AT_ONCE = 1000  # of the slow test: so many share a server

CONFORMING = {
    "a body": [CHAT + b"content-length: 2\r\n\r\n{}"],
    "a body in pieces": [CHAT, b"content-length: 2\r\n", b"\r\n", b"{", b"}"],
    "a body in chunks": [CHAT + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n1;a=b\r\n}\r\n0\r\nx: trailer\r\n\r\n"],
    "a trailer before another head": [
        CHAT + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx: trailer\r\n\r\n",
        CHAT + b"content-length: 2\r\n\r\n{}",
    ],
    "a body of megabytes": [CHAT + b"content-length: 3000000\r\n\r\n", *[b"x" * 30_000] * 100],
    "a stream": [CHAT + b"content-length: %d\r\n\r\n" % len(STREAM) + STREAM],
    "a stream that is the last": [CHAT + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(STREAM) + STREAM],
    "HTTP/1.0": [b"POST /v1/completions HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: 15\r\n\r\n" + STREAM],
    "a body that is asked for": [CHAT + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n", b"{}"],
    "a head": [b"HEAD /v1/models HTTP/1.1\r\n" + HOST + b"\r\n"],
    "another method": [b"GET /v1/chat/completions HTTP/1.1\r\n" + HOST + b"\r\n"],
    "a page's question": [b"OPTIONS /v1/models HTTP/1.1\r\n" + HOST + b"origin: http://localhost\r\n\r\n"],
    "a host that is not ours": [b"GET / HTTP/1.1\r\nhost: other.example\r\n\r\n"],
    "repeated lines": [CHAT + b"x: 1\r\nX: 2\r\ncontent-length: 2\r\n\r\n{}"],
    "three ahead of their answers": [(CHAT + b"content-length: 15\r\n\r\n" + STREAM) * 3],
    "one that wants no other behind it": [
        CHAT + b"content-length: 2\r\nconnection: close\r\n\r\n{}" + CHAT + b"content-length: 2\r\n\r\n{}"
    ],
    "an empty line between two": [CHAT + b"content-length: 2\r\n\r\n{}\r\n" + CHAT + b"content-length: 2\r\n\r\n{}"],
    "half a body": [CHAT + b"content-length: 9\r\n\r\n{}"],
    "no HTTP": [b"\x16\x03\x01\x02\x00\x01\x00"],
    "no HTTP behind a request": [CHAT + b"content-length: 2\r\n\r\n{}GARBAGE / HTTP/1.1\r\n\r\n"],
    "two lengths": [CHAT + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"],
}


def agree(ours: Told, theirs: Told, is_patient: bool) -> bool:
    """Whether two sides heard and answered the same.

    Where nobody waits for the answers, or no HTTP follows, one may get further with those before it than the other.
    """
    if is_patient and not ours.is_refused and not theirs.is_refused:
        return (ours.answers, ours.asked, ours.is_kept) == (theirs.answers, theirs.asked, theirs.is_kept)
    both = min(len(ours.answers), len(theirs.answers))
    return (
        ours.answers[:both] == theirs.answers[:both]
        and ours.asked == theirs.asked[: len(ours.asked)]
        and ours.is_refused == theirs.is_refused
    )


@pytest.mark.parametrize("kind", ["messages", "worker", "uvicorn"])
@pytest.mark.parametrize("sent", CONFORMING.values(), ids=CONFORMING.keys())
async def test_http_is_read_and_answered_as_uvicorn_does(kind: str, sent: list[bytes], tmp_path: Path) -> None:
    """And with and without what our own apps find in the scope, and where a worker reads and its owner answers."""
    ours, theirs = [await Side(side, tmp_path).say(sent) for side in ("direct", kind)]

    assert agree(ours, theirs, is_patient=True)


@pytest.mark.parametrize("seeds", [range(300)], ids=["few"])
async def test_whatever_is_sent_both_read_the_same(
    seeds: range, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await _compare(seeds, tmp_path)

    assert not [record for record in caplog.records if record.name.startswith("gateway")]


async def test_whatever_is_sent_a_worker_and_its_owner_read_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await _compare(range(300, 400), tmp_path, "worker")

    assert not [record for record in caplog.records if record.name.startswith("gateway")]


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [range(at, at + SEEDS_AT_ONCE) for at in range(0, 100_000, SEEDS_AT_ONCE)], ids=str)
async def test_100000_sequences_both_read_the_same(
    seeds: range, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await _compare(seeds, tmp_path)

    assert not [record for record in caplog.records if record.name.startswith("gateway")]


async def _compare(seeds: range, home: Path, kind: str = "direct") -> None:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    sides = [Side(side, home) for side in (kind, "uvicorn")]
    for seed in seeds:
        sent, is_patient = sequence(seed), seed % 7 != 0
        ours, theirs = [await side.say(sent, is_patient) for side in sides]
        assert agree(ours, theirs, is_patient), f"seed {seed}: {sent}"


SAID = b'{"messages":[]}'
ASKS = CHAT + b"content-length: %d\r\n\r\n" % len(SAID) + SAID
UNWANTED = CHAT.replace(b"localhost", b"other.example") + b"content-length: %d\r\n\r\n" % len(ASKS)
WITHIN = {
    "a line of a head": [CHAT + b"content-length: 0\r\nx: ", ASKS, b"\r\n\r\n"],
    "a line's name": [CHAT + b"content-length: 0\r\nx", ASKS, b"\r\n\r\n"],
    "a method": [b"X", ASKS],
    "a body": [CHAT + b"x: 1\r\ncontent-length: %d\r\n\r\n" % len(ASKS), ASKS, ASKS],
    "a body that is not wanted": [UNWANTED, *[b""] * 20, ASKS, ASKS],
    "a body behind a head that is known": [ASKS.replace(b"15", b"%d" % (len(ASKS) + 15), 1), ASKS, ASKS],
    "a body behind a part of it": [CHAT + b"content-length: %d\r\n\r\n{" % (len(ASKS) + 1), ASKS, ASKS],
    "a chunk": [CHAT + b"transfer-encoding: chunked\r\n\r\n%x\r\n" % len(ASKS), ASKS, b"\r\n0\r\n\r\n", ASKS],
    "trailers": [CHAT + b"transfer-encoding: chunked\r\n\r\n0\r\nx: ", ASKS, ASKS],
    "two": [ASKS + ASKS],
    "two and half of a third": [ASKS + ASKS + ASKS[:70], ASKS[70:]],
    "its last byte later": [ASKS[:-1], ASKS[-1:] + ASKS],
    "its second half later": [ASKS[:70], ASKS[70:]],
    "empty lines before it": [b"\r\n", b"\r", b"\n" + ASKS],
    "a carriage return before it": [b"\r", ASKS],
}  # fmt: skip


@pytest.mark.parametrize("sent", WITHIN.values(), ids=WITHIN.keys())
async def test_a_known_head_is_one_only_where_a_message_begins(sent: list[bytes], tmp_path: Path) -> None:
    parsing, knowing = Side("direct", tmp_path), Side("knowing", tmp_path)
    for _ in range(2):
        await knowing.say([ASKS])

    assert told(await parsing.say(sent)) == told(await knowing.say(sent))


async def test_whether_a_key_counts_is_looked_up_for_a_known_head_too(tmp_path: Path) -> None:
    now = 0.0
    keys, side = ApiKeys(tmp_path / "api_keys.json"), Side("knowing", tmp_path, lambda: now)
    heads = CountingHeads()
    side.remember(heads)
    sent = [ASKS.replace(b"host:", b"authorization: Bearer %b\r\nhost:" % keys.add("a program").encode())]

    before = [(await side.say(sent)).answers[0][0] for _ in range(3)]
    keys.remove("a program")
    keys.add("another")
    now += LOOK_S

    assert ([b"200"] * 3, b"401") == (before, (await side.say(sent)).answers[0][0])
    assert 2 == heads.found


async def test_no_head_of_a_stranger_is_remembered(tmp_path: Path) -> None:
    """Who shows no key is told what needs none, and could push out what programs send."""
    side, heads = Side("knowing", tmp_path), CountingHeads()
    ApiKeys(tmp_path / "api_keys.json").add("a program")
    side.remember(heads)
    sent = [b"GET /health HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}"]

    assert [b"200"] * 3 == [(await side.say(sent)).answers[0][0] for _ in range(3)]
    assert 0 == heads.found


@pytest.mark.parametrize("seeds", [range(1500)], ids=["few"])
async def test_a_head_that_came_before_is_read_as_by_the_parser(seeds: range, tmp_path: Path) -> None:
    await _compare_known(seeds, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [range(at, at + SEEDS_AT_ONCE) for at in range(0, 100_000, SEEDS_AT_ONCE)], ids=str)
async def test_100000_sequences_of_known_heads_are_read_as_by_the_parser(seeds: range, tmp_path: Path) -> None:
    await _compare_known(seeds, tmp_path)


@pytest.mark.parametrize("seeds", [range(700)], ids=["few"])
async def test_a_peer_s_head_that_came_before_is_read_as_by_the_parser(seeds: range, tmp_path: Path) -> None:
    await _compare_known(seeds, tmp_path, in_session=True)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [range(at, at + SEEDS_AT_ONCE) for at in range(0, 100_000, SEEDS_AT_ONCE)], ids=str)
async def test_100000_sequences_of_peers_heads_are_read_as_by_the_parser(seeds: range, tmp_path: Path) -> None:
    await _compare_known(seeds, tmp_path, in_session=True)


async def _compare_known(seeds: range, home: Path, *, in_session: bool = False) -> None:
    parsing, knowing = Side("direct", home), Side("in sessions" if in_session else "knowing", home)
    heads = CountingSessionHeads() if in_session else CountingHeads()
    knowing.remember(heads)
    for seed in seeds:
        sent = sequence_of_known(seed, in_session=in_session)
        ours, theirs = [await side.say(sent) for side in (knowing, parsing)]
        assert told(ours) == told(theirs), f"seed {seed}: {sent}"
    assert heads.found > len(seeds) / 5, "what is compared is another way to read"


def told(by: Told) -> object:
    return by.answers, by.asked, by.is_kept, by.is_refused, by.is_closed


# --- what neither shows ---

ASKED = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"


async def told_by(app: Callable[[Any, Any, Any], Awaitable[None]], sent: bytes = ASKED) -> bytes:
    async with serving(app) as served:
        reader, writer = await served.say(sent)
        told = await said(reader)
        writer.close()
    return told


async def test_a_head_goes_out_with_its_body(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []

    async def app(asked: Exchange) -> None:
        monkeypatch.setattr(asked.connection, "transport", _Noting(asked.connection.transport, writes))
        await asked.answer(200, "text/plain", b"body")

    await told_by(Met(app), ASKED.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))

    assert [(True, True)] == [(told.startswith(b"HTTP/1.1 200 OK"), told.endswith(b"body")) for told in writes]


class _Noting:
    def __init__(self, transport: asyncio.Transport, writes: list[bytes]) -> None:
        self._transport, self._writes = transport, writes

    def write(self, data: bytes) -> None:
        self._writes.append(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


async def _fails(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("a bug")


async def _says_nothing(scope: Any, receive: Any, send: Any) -> None:
    pass


@pytest.mark.parametrize("app", [_fails, _says_nothing])
async def test_an_app_that_does_not_answer_is_a_bug_that_the_client_is_told(
    app: Callable[[Any, Any, Any], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    told = await told_by(app)

    assert told.startswith(b"HTTP/1.1 500 ") and b"connection: close" in told
    assert "bug=" in caplog.text


@pytest.mark.parametrize("length", [b"3", b"5"])
async def test_an_answer_of_another_length_than_it_said_ends_its_connection(length: bytes) -> None:
    """So that nobody takes what was sent for the whole, or the rest for another answer."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": b"ab", "more_body": True})
        await send({"type": "http.response.body", "body": b"cd", "more_body": False})

    assert not (await told_by(app)).endswith(b"abcd")


@pytest.mark.parametrize("line", [(b"x", b"a\r\nset-cookie: b"), (b"x: y\r\nz", b"a"), (b"x", b"a\0")])
async def test_no_header_breaks_out_of_its_line(line: tuple[bytes, bytes]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [line]})
        await send({"type": "http.response.body", "body": b""})

    told = await told_by(app)

    assert told.startswith(b"HTTP/1.1 500 ") and b"set-cookie" not in told


async def test_a_trailer_is_no_header() -> None:
    """It comes behind everything that looked at the head: a mark of ours, a key, a name (RFC 9110, section 6.5.1)."""
    seen = list[tuple[Any, Any]]()

    async def app(asked: Exchange) -> None:
        await read_pieces(asked.receive, 1 << 20)
        seen.append((dict(asked.scope()["headers"]), asked.headers))
        await asked.answer(200, "text/plain", b"")

    head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    await told_by(Met(app), head + b"1\r\na\r\n0\r\nauthorization: Bearer x\r\nhost: y\r\n\r\n")

    (fields, headers), *_ = seen
    assert b"authorization" not in fields and "authorization" not in headers and "x" == headers["host"]


async def test_who_sends_no_http_behind_a_request_gets_no_answer_to_it() -> None:
    """He would take the refusal for that answer, and that answer for the one to something else."""
    refused = asyncio.Event()

    async def app(asked: Exchange) -> None:
        await read_pieces(asked.receive, 1 << 20)
        await refused.wait()
        await asked.answer(200, "text/plain", b"late")

    async with serving(Met(app), replace(BOUNDS, linger_s=0.1)) as served, asyncio.timeout(5):
        reader, writer = await served.say(ASKED + b"GARBAGE / HTTP/1.1\r\n\r\n")
        told = await reader.readuntil(b"\r\n\r\n")
        refused.set()
        told += await said(reader)
        writer.close()

    assert told.startswith(b"HTTP/1.1 400 ") and 1 == told.count(b"HTTP/1.1") and b"late" not in told


async def test_an_answer_that_has_begun_goes_on_when_no_http_follows_and_is_the_last() -> None:
    refused, came = asyncio.Event(), list[str]()

    async def app(asked: Exchange) -> None:
        came.append(asked.path)
        await asked.start(200, "text/plain", {})
        await asked.send(b"some", more=True)
        await refused.wait()
        await asked.send(b"more", more=False)

    async with serving(Met(app), replace(BOUNDS, linger_s=0.1)) as served, asyncio.timeout(5):
        reader, writer = await served.say(ASKED.replace(b"/", b"/1", 1))
        told = await reader.readuntil(b"some\r\n")
        writer.write(ASKED.replace(b"/", b"/2", 1) + b"GARBAGE / HTTP/1.1\r\n\r\n")
        await asyncio.sleep(0.02)
        refused.set()
        told += await said(reader)
        writer.close()

    assert told.endswith(b"4\r\nmore\r\n0\r\n\r\n") and 1 == told.count(b"HTTP/1.1") and ["/1"] == came


async def test_a_body_that_nobody_asks_for_is_not_read_on() -> None:
    """Only so much of it is held: who sends it has to wait."""
    exchanges, is_asked_for = list[Exchange](), asyncio.Event()

    async def app(asked: Exchange) -> None:
        exchanges.append(asked)
        await is_asked_for.wait()
        body = await read_pieces(asked.receive, 1 << 30)
        await asked.answer(200, "text/plain", b"%d" % len(body))

    async with serving(Met(app)) as served, asyncio.timeout(5):
        reader, writer = await served.say(ASKED.replace(b"2\r\n\r\n{}", b"%d\r\n\r\n" % (16 << 20)))
        writer.write(b"x" * (16 << 20))
        while not exchanges[0].connection.flow.read_paused:
            await asyncio.sleep(0)
        held = exchanges[0]._ahead_bytes
        is_asked_for.set()
        assert (await reader.readuntil(b"%d" % (16 << 20))).startswith(b"HTTP/1.1 200 ")
        writer.close()

    assert held < 1 << 20


async def test_who_leaves_ends_the_work_of_the_request_that_is_answered_and_not_of_the_last() -> None:
    ended, came = asyncio.Event(), list[str]()

    async def app(asked: Exchange) -> None:
        came.append(asked.path)
        async with _noting_end(ended):
            await read_pieces(asked.receive, 1 << 20)
            await until_gone(asyncio.sleep(60), asked)

    async with serving(Met(app)) as served, asyncio.timeout(5):
        _, writer = await served.say(ASKED.replace(b"/", b"/1", 1) + ASKED.replace(b"/", b"/2", 1))
        writer.close()
        await ended.wait()

    assert ["/1"] == came


async def test_a_request_leaves_nothing_that_a_collector_has_to_find() -> None:
    """Bodies are large: what refers back to its exchange would keep them until the collector comes by."""

    async def app(asked: Exchange) -> None:
        await read_pieces(asked.receive, 1 << 20)
        await until_gone(asked.answer(200, "text/plain", b"x"), asked)

    async with serving(Met(app)) as served:
        reader, writer = await served.connect()
        gc.collect()
        gc.disable()
        try:
            for _ in range(5):
                writer.write(ASKED)
                await reader.readuntil(b"\r\n\r\nx")
            kept = sum(isinstance(each, Exchange) for each in gc.get_objects())
        finally:
            gc.enable()
        writer.close()

    assert 1 == kept  # the last one, whose body could go on


class _Meeting:
    """An app of ours."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it met the exchange")

    async def meet(self, exchange: Exchange) -> None:
        body = exchange.body(1 << 20)
        await exchange.answer(200, "text/plain", f"{exchange.method} {exchange.path} {body!r} {exchange.ip}".encode())


async def test_an_app_that_meets_exchanges_is_spared_the_messages() -> None:
    assert (await told_by(_Meeting(), ASKED.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))).endswith(
        b"POST / b'{}' 127.0.0.1"
    )


async def test_who_says_that_it_sends_no_more_has_left() -> None:
    """A client that half-closes its connection is not told from one that hangs up: both are as uvicorn has it."""
    ended = asyncio.Event()

    async def app(asked: Exchange) -> None:
        async with _noting_end(ended):
            await read_pieces(asked.receive, 1 << 20)
            await until_gone(asyncio.sleep(60), asked)

    async with serving(Met(app)) as served, asyncio.timeout(5):
        reader, writer = await served.say(ASKED)
        writer.write_eof()
        await ended.wait()
        assert b"" == await said(reader)
        writer.close()


@asynccontextmanager
async def _noting_end(ended: asyncio.Event) -> AsyncIterator[None]:
    try:
        yield
    finally:
        ended.set()
