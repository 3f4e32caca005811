"""Real workers: who serves, what replaces one that ends, and how all of them end."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.server import listeners
from gateway.server.exchange import Exchange
from gateway.server.listeners import PortTaken, bind, bind_shared
from gateway.workers import crew
from gateway.workers.crew import AUTO_CORES, AUTO_WORKERS, TRIES, Crew, how_many
from tests.discovery.loopback import until
from tests.gateway.server.serving import said

MUCH_BYTES = 1 << 20  # more than the system and a worker collect for a client that does not read
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are for Linux")


@dataclass
class App:
    """Answers at once, or once it may."""

    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    is_done: bool = False  # with an answer of MUCH_BYTES

    async def meet(self, exchange: Exchange) -> None:
        exchange.watch(True)
        self.asked += 1
        if exchange.path == "/later":
            await self.may_answer.wait()
        if exchange.path == "/much":
            await exchange.start(200, "text/plain", {})
            for _ in range(MUCH_BYTES >> 16):
                await exchange.send(b"x" * (1 << 16), more=True)
            await exchange.send(b"", more=False)
            self.is_done = True
            return
        await exchange.answer(200, "text/plain", b"hello")


@dataclass
class Running:
    crew: Crew
    app: App
    port: int
    said: list[str]
    serving: asyncio.Task[None]

    async def get(self, path: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        try:
            return await said(reader)
        finally:
            writer.close()

    async def refuses(self) -> None:
        """Return once nobody listens any more."""
        async with asyncio.timeout(5):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except ConnectionRefusedError:
                    return
                writer.close()
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self.crew.stop()
        await self.serving


@asynccontextmanager
async def running(workers: int) -> AsyncIterator[Running]:
    lines, app = list[str](), App()
    crew = Crew(app, 256, "info", lines.append)  # type: ignore[arg-type]  # it meets its exchanges
    with ExitStack() as stack:
        listeners = [stack.enter_context(each) for each in bind_shared("127.0.0.1", 0, "--port", workers)]
        for listener in listeners:  # what a client does not read waits in its worker, and not in the system
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
        serving = asyncio.create_task(crew.serve(listeners))
        run = Running(crew, app, listeners[0].getsockname()[1], lines, serving)
        try:
            await until(lambda: len(crew.pids) == workers, 20)
            yield run
        finally:
            await run.stop()


async def test_a_worker_that_ends_is_replaced_and_all_end_with_the_peer() -> None:
    """Who asks meanwhile waits for the next one; what it had is lost with it, and nothing else."""
    async with running(1) as run:
        assert b"hello" in await run.get("/")
        waiting = asyncio.create_task(run.get("/later"))
        await until(lambda: run.app.asked == 2)
        (first,) = run.crew.pids
        os.kill(first, signal.SIGTERM)  # ^C and systemd's stop reach all processes: the peer alone tells its workers
        os.kill(first, signal.SIGKILL)

        assert (b"", True) == (await waiting, b"hello" in await run.get("/"))
        (second,) = run.crew.pids
        assert (True, 1) == (second != first, run.crew.ended)
        assert "a worker ended (-9)" in run.said[0]

        ending = asyncio.create_task(run.get("/later"))
        await until(lambda: run.app.asked == 4)
        run.crew.stop()
        run.app.may_answer.set()
        assert b"hello" in await ending
        await run.serving
        with pytest.raises(ProcessLookupError):
            os.kill(second, 0)


@pytest.mark.parametrize(
    "python, why", [("/bin/false", "1"), ("/nowhere/python", "[Errno 2] No such file or directory: '/nowhere/python'")]
)
async def test_where_no_worker_lives_the_owner_serves_itself_and_says_why(
    monkeypatch: pytest.MonkeyPatch, python: str, why: str
) -> None:
    """And ends as it would without workers: once what is under way is answered."""
    monkeypatch.setattr(sys, "executable", python)
    monkeypatch.setattr(crew, "AGAIN_S", 0.01)
    lines, app = list[str](), App()
    made = Crew(app, 256, "info", lines.append)  # type: ignore[arg-type]  # it meets its exchanges
    (listener,) = bind_shared("127.0.0.1", 0, "--port", 1)
    run = Running(made, app, listener.getsockname()[1], lines, asyncio.create_task(made.serve([listener])))
    assert b"hello" in await asyncio.wait_for(run.get("/"), 20)
    later = asyncio.create_task(run.get("/later"))
    await until(lambda: app.asked == 2)
    made.stop()
    await run.refuses()
    app.may_answer.set()

    assert b"hello" in await later
    await run.serving
    *warnings, last = lines
    assert (TRIES, TRIES - 1) == (made.ended, sum(f"a worker ended ({why})" in line for line in warnings))
    assert f"again and again ({why})" in last and "`client.workers: 1`" in last


async def test_who_reads_slowly_has_the_whole_answer_of_a_peer_that_stops() -> None:
    """Its app is done with it long before; and whoever connects meanwhile is refused."""
    async with running(1) as run:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        connection.connect(("127.0.0.1", run.port))
        reader, writer = await asyncio.open_connection(sock=connection, limit=1 << 14)
        writer.write(b"GET /much HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        got = 0
        while not run.app.is_done:
            got += len(await reader.read(1 << 14))
            await asyncio.sleep(0.001)
        stopping = asyncio.create_task(run.stop())
        await run.refuses()
        while piece := await reader.read(1 << 16):
            got += len(piece)
        await stopping
        writer.close()

    assert got > MUCH_BYTES


@pytest.mark.slow
async def test_connections_are_divided_among_workers() -> None:
    async with running(3) as run:
        answers = await asyncio.gather(*(run.get("/") for _ in range(60)))
        os.kill(run.crew.pids[0], signal.SIGKILL)
        more = await asyncio.gather(*(run.get("/") for _ in range(60)))

    assert all(b"hello" in answer for answer in (*answers, *more))


async def test_a_port_is_shared_with_nobody_else() -> None:
    """Whoever shares it would get some of what programs ask this peer."""
    with ExitStack() as stack:
        (first, *_) = [stack.enter_context(each) for each in bind_shared("127.0.0.1", 0, "--port", 2)]
        port = first.getsockname()[1]

        with pytest.raises(PortTaken, match="--port N"):
            bind_shared("127.0.0.1", port, "--port", 2)
        with pytest.raises(PortTaken):
            bind("127.0.0.1", port, "--port")


def test_where_one_of_several_listeners_cannot_be_had_none_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[socket.socket]()

    def until_two(*place: Any, **how: Any) -> socket.socket:
        if len(made) == 2:
            raise PortTaken("too many open files")
        made.append(bind(*place, **how))
        return made[-1]

    monkeypatch.setattr(listeners, "bind", until_two)
    with pytest.raises(PortTaken):
        bind_shared("127.0.0.1", 0, "--port", 3)

    assert [-1, -1] == [listener.fileno() for listener in made]


def test_auto_is_for_machines_with_many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, expected in ((1, 1), (AUTO_CORES - 1, 1), (AUTO_CORES, AUTO_WORKERS)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid, cores=cores: set(range(cores)))

        assert (expected, 3) == (how_many("auto"), how_many(3))

    monkeypatch.setattr(sys, "platform", "darwin")
    assert (1, 1) == (how_many("auto"), how_many(3))
