"""A request that a worker has, as the owner's app meets it: what it says to the worker, and when it waits."""

import asyncio
import time

import pytest

from discovery.answer import ConnectionBroken
from gateway.server.fields import Head
from gateway.upstream import UpstreamError
from gateway.wire.streams.pour import Pour
from gateway.workers.far import UNTAKEN_BYTES, FarExchange, broken, failed, raised, upstream_error
from gateway.workers.frames import Begin, Came, Frame, GiveUp, Piece, Read, Took, Write

WORD = b'data: {"a":1}\n\n'


def far(body: bytes | None = b"{}") -> tuple[FarExchange, list[Frame], list[int]]:
    said, over = list[Frame](), list[int]()
    head = Head("POST", b"/v1/chat/completions", "1.1", [(b"host", b"localhost")], True)
    return FarExchange(Came(7, 0, None, None, ("10.0.0.9", 5), body), head, said.append, over.append), said, over


async def test_an_answer_is_said_and_ends_once() -> None:
    exchange, said, over = far()

    await exchange.start(200, "text/plain", {"x-ppai-peer": "ada"})
    await exchange.send(b"hello", more=True)
    assert Pour(time.monotonic, exchange.outlet, lambda events, count: None).take(WORD)
    await exchange.send(b"", more=False)

    begin, *pieces = said
    assert isinstance(begin, Begin) and b"x-ppai-peer: ada" in begin.lines
    assert [Write(7, b"hello", True), Write(7, WORD, True), Write(7, b"", False)] == pieces
    assert ([7], True, 3) == (over, exchange.is_complete, exchange.sent)


async def test_a_body_comes_when_it_is_asked_for() -> None:
    exchange, said, _ = far(None)

    first = asyncio.create_task(exchange.receive())
    await asyncio.sleep(0)
    exchange.hear(Piece(7, b"ab", False))
    second = asyncio.create_task(exchange.receive())
    await asyncio.sleep(0)
    exchange.hear(Piece(7, b"c", True))

    assert [Read(7), Read(7)] == said
    assert [(b"ab", True), (b"c", False)] == [(got["body"], got["more_body"]) for got in (await first, await second)]


async def test_no_more_is_written_than_a_client_that_is_behind_may_leave() -> None:
    exchange, said, _ = far()
    await exchange.start(200, "text/event-stream", {})
    await exchange.send(b"x" * (UNTAKEN_BYTES + 1), more=True)

    sending = asyncio.create_task(exchange.send(b"data: 2\n\n", more=True))
    await asyncio.sleep(0)
    assert (False, 2) == (Pour(time.monotonic, exchange.outlet, lambda events, count: None).take(WORD), len(said))
    exchange.hear(Took(7, 1))
    await sending

    assert Write(7, b"data: 2\n\n", True) == said[-1]


async def test_a_client_that_left_holds_nobody_up() -> None:
    exchange, said, _ = far()
    await exchange.start(200, "text/event-stream", {})
    await exchange.send(b"x" * (UNTAKEN_BYTES + 1), more=True)

    sending = asyncio.create_task(exchange.send(b"data: 2\n\n", more=True))
    await asyncio.sleep(0)
    exchange.lose()
    await sending

    assert (2, True) == (len(said), exchange.is_gone)


async def test_an_answer_that_nobody_ends_is_given_up() -> None:
    begun, told, over = far()
    await begun.start(200, "text/event-stream", {})
    begun.give_up()
    silent, said, _ = far()
    silent.give_up()

    assert (GiveUp(7), [7]) == (told[-1], over)
    assert [500, b"Internal Server Error"] == [getattr(said[0], "status", 0), getattr(said[1], "piece", b"")]


@pytest.mark.parametrize(
    "error", [TimeoutError(), ConnectionBroken("it closed"), OSError(111, "refused"), OSError("odd")]
)
def test_why_an_engine_could_not_be_asked_is_raised_by_the_owner(error: OSError) -> None:
    told = raised(broken(7, error, is_open=False))

    assert (type(error), str(error)) == (type(told), str(told))


def test_an_error_of_whoever_answered_is_the_same_at_the_owner() -> None:
    error = UpstreamError("no", status=503, code="c", retry_after_s=2.0, by_engine=True, is_unsuited=True, said=b"{}")

    assert vars(error) == vars(upstream_error(failed(error)))
