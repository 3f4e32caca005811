"""What one worker hands over is answered by the owner's app, and ends with the worker."""

import asyncio
import json
import logging
from pathlib import Path

import pytest

from gateway.client.api_keys import ApiKeys
from gateway.client.app import ClientApp, ClientConfig
from gateway.client.entrance.callers import LetIn
from gateway.server.exchange import Exchange
from gateway.server.turns import Turns
from gateway.wire.reading.elsewhere import Elsewhere, to_tell
from gateway.wire.request import read_request
from gateway.workers.answering import Answering, Meet
from gateway.workers.frames import Begin, Came, Frame, Gone, Logged
from gateway.workers.heads import Told
from tests.gateway.workers.test_link import Transport

HOST = [(b"host", b"localhost")]


def came(number: int) -> Came:
    return Came(number, Told(None, "GET", b"/health", "1.1", HOST, True), None, None, ("10.0.0.9", 5), b"")


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


@pytest.mark.parametrize("limit_bytes, is_told", [(1 << 20, True), (1024, False)])
async def test_who_was_let_in_by_a_worker_is_not_looked_at_again(
    limit_bytes: int, is_told: bool, tmp_path: Path
) -> None:
    """Unless its body is longer than its owner takes, of which no worker knows."""
    body = json.dumps({"prompt": "x" * 1024}).encode()
    found = LetIn("r1", "phone", Elsewhere(to_tell(read_request("completions", body)), 0.0))
    asked, said = list[tuple[object, ...]](), list[Frame]()

    class Dispatching:
        async def answer(self, *given: object) -> None:
            asked.append((*given[:2], *given[4:7]))

    config = ClientConfig(body_limit_bytes=limit_bytes)
    app = ClientApp(Dispatching(), None, config, ApiKeys(tmp_path / "keys"), lambda token: False)  # type: ignore[arg-type]
    frame = Came(1, Told(None, "POST", b"/v1/completions", "1.1", HOST, True), None, None, None, body, found)
    made = answering(app.meet)
    made.link.say = said.append  # type: ignore[method-assign]
    made.hear(frame)
    await rest(made)

    assert ([("completions", body, "r1", "phone", found.read)] if is_told else []) == asked
    assert is_told or any(isinstance(one, Begin) and one.status == 413 for one in said)


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
