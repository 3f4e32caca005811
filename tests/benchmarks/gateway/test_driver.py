"""The load driver, before the mock engine: what it counts, and what it refuses to count."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from benchmarks.gateway.driver import SCENARIOS, Load, Scenario, WrongAnswer, drive
from benchmarks.gateway.engine import Connection


@asynccontextmanager
async def listening(protocol: type[asyncio.Protocol] = Connection) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("words", [0, 2])
async def test_every_connection_is_answered_even_in_no_time(words: int) -> None:
    async with listening() as port:
        load = await drive(port, Scenario("any", 3, words=words), seconds=0.0)

    assert 3 == len(load.latencies_s)
    assert sorted(load.latencies_s) == load.latencies_s
    assert 0 < load.latencies_s[0] <= load.latencies_s[-1] <= load.seconds


async def test_a_stream_counts_until_its_first_word() -> None:
    """Eight words come 20 ms apart; the first one comes at once."""
    async with listening() as port:
        load = await drive(port, Scenario("stream", 1, words=8), seconds=0.0)

    assert load.latencies_s[0] < load.seconds - 7 * 0.02


async def test_answers_that_are_not_the_engines_are_no_figures() -> None:
    class Wrong(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno")  # type: ignore[attr-defined]

    async with listening(Wrong) as port:
        with pytest.raises(WrongAnswer, match="not the engine's"):
            await drive(port, SCENARIOS[0], seconds=0.0)


async def test_a_refusal_shows_what_was_said() -> None:
    class Refusing(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transport.write(b"HTTP/1.1 401 No\r\ncontent-length: 4\r\n\r\nnope")  # type: ignore[attr-defined]

    async with listening(Refusing) as port:
        with pytest.raises(WrongAnswer, match=r"(?s)401.*nope"):
            await drive(port, SCENARIOS[0], seconds=0.0)


def test_a_long_conversation_is_sent_whole() -> None:
    short, long = (msgspec.json.decode(Scenario("any", 1, turns=turns).body()) for turns in (1, 31))

    assert (1, 31) == (len(short["messages"]), len(long["messages"]))
    assert ["user", "assistant"] * 15 + ["user"] == [message["role"] for message in long["messages"]]
    assert "stream" not in short
    assert 8 == msgspec.json.decode(Scenario("any", 1, words=8).body())["max_tokens"]


def test_new_questions_are_never_asked_twice() -> None:
    scenario = Scenario("any", 1, new=True)

    bodies = [scenario.body(number) for number in range(300)]

    assert 300 == len(set(bodies)) and bodies[7] == scenario.body(7)
    assert Scenario("any", 1).body(1) == Scenario("any", 1).body(2)


async def test_every_answer_to_a_new_question_is_counted() -> None:
    async with listening() as port:
        load = await drive(port, Scenario("any", 2, new=True), seconds=0.0)

    assert 2 == len(load.latencies_s)


def test_quantiles_are_values_that_were_seen() -> None:
    load = Load([0.1, 0.2, 0.3, 0.4], 2.0)

    assert (0.1, 0.3, 0.4, 0.4) == tuple(load.quantile_s(share) for share in (0.0, 0.5, 0.99, 1.0))
    assert 2.0 == load.rps
