"""What one worker hands over is answered by the owner's app, and ends with the worker."""

import asyncio
import logging

import pytest

from gateway.server.exchange import Exchange
from gateway.server.turns import Turns
from gateway.workers.answering import Answering, Meet
from gateway.workers.frames import Came, Gone, Logged
from tests.gateway.workers.test_link import Transport


def came(number: int) -> Came:
    return Came(number, "GET", b"/health", "1.1", [(b"host", b"localhost")], True, None, ("10.0.0.9", 5), b"")


def answering(meet: Meet) -> Answering:
    made = Answering(meet, Turns())
    made.link.connection_made(Transport())
    return made


async def waits(exchange: Exchange) -> None:
    exchange.watch(True)
    await asyncio.Event().wait()


async def rest(made: Answering) -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_app_sees_who_asks() -> None:
    seen = list[tuple[str, str, str]]()

    async def meet(exchange: Exchange) -> None:
        seen.append((exchange.method, exchange.path, exchange.ip))
        await exchange.answer(200, "text/plain", b"")

    made = answering(meet)
    made.hear(came(1))
    await rest(made)

    assert ([("GET", "/health", "10.0.0.9")], set()) == (seen, made.tasks)


async def test_requests_end_with_their_clients_and_with_their_worker() -> None:
    made = answering(waits)
    for number in (1, 2, 3):
        made.hear(came(number))
    await rest(made)
    made.hear(Gone(2))
    await rest(made)
    assert 2 == len(made.tasks)

    made.lose()
    await rest(made)

    assert not made.tasks


async def test_a_bug_of_the_app_is_an_error_of_one_request(caplog: pytest.LogCaptureFixture) -> None:
    async def breaks(exchange: Exchange) -> None:
        raise ValueError

    made = answering(breaks)
    made.hear(came(1))
    await rest(made)

    assert not made.tasks
    assert ["bug=app", "bug=answer_without_end started=False"] == [record.getMessage() for record in caplog.records]


def test_lines_of_a_workers_log_are_the_owners(caplog: pytest.LogCaptureFixture) -> None:
    async def log() -> None:
        answering(waits).hear(Logged(0, logging.WARNING, "gateway.x", "attempt_failed peer=100%"))

    asyncio.run(log())

    assert [("gateway.x", "attempt_failed peer=100%")] == [(r.name, r.getMessage()) for r in caplog.records]
