"""Silence counts from the last byte that the other side took."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from discovery.exchanges import ClientConfig, PeerUnreachable
from discovery.identity import Identity
from discovery.records import Address
from discovery.uploads import LEAST_BYTES_PER_S, while_it_moves
from tests.discovery.loopback import Peer, running_peer

SILENCE_S = 0.8
BODY_BYTES = 4 << 20
PIECE = 1 << 18


async def time_out(taken: list[int], silence_s: float = 0.2) -> int:
    """How many looks until it times out, where each look finds the next of these counts, and then always the last."""
    looks = 0

    def next_count() -> int:
        nonlocal looks
        looks += 1
        return taken[min(looks, len(taken)) - 1]

    with pytest.raises(TimeoutError):
        async with while_it_moves(next_count, silence_s):
            await asyncio.Event().wait()
    return looks


async def test_while_bytes_are_taken_nobody_is_silent() -> None:
    moving = [n * LEAST_BYTES_PER_S for n in range(30)]

    assert 30 < await time_out(moving)
    assert 12 > await time_out([0])


async def test_who_drips_is_given_no_more_time_than_the_least_rate() -> None:
    assert 12 > await time_out(list(range(1000)))


@asynccontextmanager
async def slow_reader(identity: Identity, pause_s: float | None) -> AsyncIterator[tuple[Address, list[int]]]:
    """A TLS server that takes 256 KiB of a body, then pauses, over and over; None: it stops reading after the first."""
    taken: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while sum(taken) < length:
                taken.append(len(await reader.readexactly(min(PIECE, length - sum(taken)))))
                await (asyncio.Event().wait() if pause_s is None else asyncio.sleep(pause_s))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
        writer.transport.abort()

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 15)  # else the system takes all of it at once
    listener.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(serve, sock=listener, ssl=identity.server_ssl_context(), limit=PIECE)
    try:
        yield Address("127.0.0.1", listener.getsockname()[1]), taken
    finally:
        server.close()


def move(a: Peer, b: Peer, address: Address) -> None:
    """Have `a` find `b` there, and nowhere else."""
    a.transport.client.contacts[b.identity.id].good = None
    a.transport.client.addresses = lambda peer, **_: [address]  # type: ignore[method-assign]


@pytest.mark.parametrize(("pause_s", "arrives"), [(0.1, True), (None, False)])
async def test_a_large_body_on_a_slow_link_makes_no_healthy_peer_silent(
    tmp_path: Path, pause_s: float | None, arrives: bool
) -> None:
    """It takes twice as long as we wait for a silent peer. One that takes nothing any more is silent."""
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)
        async with slow_reader(b.identity, pause_s) as (address, taken):
            move(a, b, address)
            began = asyncio.get_running_loop().time()
            try:
                asked = a.transport.open_stream(b.identity.id, "/peer/1/delegate", bytes(BODY_BYTES), {}, SILENCE_S)
                with await asked as answer:
                    status = answer.status
            except PeerUnreachable as error:
                status, reason = 0, error.reason
                assert "no answer in time" in reason
            took_s = asyncio.get_running_loop().time() - began

    assert (200 if arrives else 0) == status
    assert SILENCE_S <= took_s
    assert (BODY_BYTES if arrives else PIECE) == sum(taken)


async def test_a_gossip_message_has_the_time_that_it_takes(tmp_path: Path) -> None:
    """Of 48 KiB that come 4 KiB at a time."""
    config = ClientConfig(answer_s=0.3)
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)
        async with dripping(b.identity, 12, 4096, 0.1) as address:
            move(a, b, address)
            a.transport.client.config = config
            answer = await a.transport.client.post(b.identity.id, "/peer/1/sync", b"?")
        async with dripping(b.identity, 12, 16, 0.1) as address:
            move(a, b, address)
            with pytest.raises(PeerUnreachable, match="broke off"):
                await a.transport.client.post(b.identity.id, "/peer/1/sync", b"?")

    assert 12 * 4096 == len(answer)


@asynccontextmanager
async def dripping(identity: Identity, pieces: int, size: int, pause_s: float) -> AsyncIterator[Address]:
    """A TLS server whose answer comes in pieces."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with suppress(ConnectionError, asyncio.CancelledError):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (pieces * size))
            for _ in range(pieces):
                writer.write(bytes(size))
                await asyncio.sleep(pause_s)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=identity.server_ssl_context())
    async with server:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1])
