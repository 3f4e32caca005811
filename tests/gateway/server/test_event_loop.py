"""A descriptor is closed once: whatever becomes of a connection, no Python socket keeps its number.

What only the collector frees is freed once a minute, though it counts few objects.
"""

import asyncio
import contextlib
import gc
import signal
import socket
import ssl
import struct
import weakref
from collections.abc import Callable

import pytest

from discovery.answer import ConnectionBroken
from discovery.connection import Connection
from discovery.connections import Connections, Shared
from gateway.server.event_loop import (
    COLLECT_AFTER,
    COLLECT_S,
    call_on_stop,
    collect_from_now,
    collecting,
    new_event_loop,
)
from tests.discovery.raw import engine
from tests.garbage import garbage

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets the connection


def listener() -> socket.socket:
    server = socket.create_server(("127.0.0.1", 0))
    server.setblocking(False)
    return server


async def connected(server: socket.socket) -> tuple[socket.socket, socket.socket]:
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setblocking(False)
    await loop.sock_connect(client, server.getsockname())
    accepted, _ = await loop.sock_accept(server)
    return client, accepted


def test_a_connection_takes_its_socket_s_descriptor() -> None:
    async def run() -> int:
        with listener() as server:
            client, accepted = await connected(server)
            with accepted:
                transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=client)
                transport.close()
                return client.fileno()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        assert -1 == runner.run(run())


@pytest.mark.parametrize("secure", [ssl.create_default_context(), None])
def test_a_connection_that_is_reset_while_it_is_made_closes_nobody_else_s_descriptor(
    secure: ssl.SSLContext | None,
) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        with listener() as server:
            client, accepted = await connected(server)
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            accepted.close()
            number = client.fileno()
            try:
                transport, _ = await loop.create_connection(
                    asyncio.Protocol, sock=client, ssl=secure, server_hostname="peer" if secure else None
                )
                transport.abort()
            except OSError:
                pass
            await asyncio.sleep(0)
            with socket.socket() as other:  # takes the lowest number that is free
                if other.fileno() > number:
                    pytest.skip("somebody else took the descriptor")
                del client
                assert other.getsockname()  # raises OSError where its descriptor was closed

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(run())


@pytest.mark.parametrize("how", ["refused", "no TLS"])
def test_a_dial_that_fails_leaves_nothing_to_the_collector(how: str) -> None:
    """A peer that is away is dialled again and again. uvloop makes the protocol before it connects."""

    async def run() -> None:
        async with engine(b"hello") as (_, answering):
            authority = answering.authority if how == "no TLS" else "127.0.0.1:9"
            connections = Connections(f"{'https' if how == 'no TLS' else 'http'}://{authority}", connect_s=2, keep_s=5)
            with contextlib.suppress(OSError, ConnectionBroken):
                await connections.dial()

    with garbage() as found, asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(run())

    assert "discovery.connection.Connection" not in found


@pytest.mark.parametrize("new_loop", [new_event_loop, asyncio.new_event_loop], ids=["ours", "asyncio's"])
def test_who_leaves_when_a_connection_has_just_come_about_leaves_none(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """A client hangs up while the engine is dialled for it: uvloop closes the connection, and tells nobody."""
    opened = set[Connection]()

    class Left(Connections):
        def made(self, connection: Connection) -> None:
            super().made(connection)
            asyncio.get_running_loop().call_soon(self.dialling.cancel)

        async def dial_in_vain(self) -> None:
            self.dialling = asyncio.create_task(self.dial())
            await asyncio.wait([self.dialling])
            assert self.dialling.cancelled()
            await asyncio.sleep(0)
            del self.dialling

    async def run() -> None:
        async with engine(b"") as (_, answering):
            await Left(f"http://{answering.authority}", connect_s=2, keep_s=5, shared=Shared(opened)).dial_in_vain()

    with garbage() as found, asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())

    assert set() == opened
    assert "discovery.connection.Connection" not in found


@pytest.mark.parametrize("takes_signals", [True, False], ids=["here", "as on Windows"])
async def test_a_signal_to_stop_reaches_the_loop_on_every_system(
    takes_signals: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def no_signals(number: int, callback: object) -> None:
        raise NotImplementedError

    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    if not takes_signals:
        monkeypatch.setattr(loop, "add_signal_handler", no_signals)
    try:
        call_on_stop(loop, stopped.set)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(stopped.wait(), 5)
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


class Circle:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


async def test_a_circle_is_freed_once_a_minute() -> None:
    paused = asyncio.Queue[float]()
    go_on = asyncio.Semaphore(0)

    async def pause(seconds: float) -> None:
        paused.put_nowait(seconds)
        await go_on.acquire()

    task = asyncio.create_task(collecting(pause))
    for _ in range(2):
        held = Circle()
        kept = weakref.ref(held)
        for _ in range(2):
            gc.collect(1)  # it comes into the oldest generation, at which the collector hardly ever looks
        del held
        assert COLLECT_S == await paused.get()
        assert kept() is not None
        go_on.release()
        await asyncio.sleep(0)
        assert kept() is None
    task.cancel()


def test_what_was_built_is_not_looked_at_again() -> None:
    before = gc.get_threshold()
    built = Circle()
    try:
        collect_from_now()
        assert gc.isenabled() and COLLECT_AFTER == gc.get_threshold()[0]
        assert not any(each is built for each in gc.get_objects())
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
