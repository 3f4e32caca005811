"""A relay with real sockets: who is put through to whom, what it sees and bounds, what hostile bytes change."""

import asyncio
import contextlib
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from discovery.identity import Identity
from discovery.records import PeerId
from discovery.request_auth import Refused
from gateway.peering.reach import relay as module
from gateway.peering.reach.passes import new_pass
from gateway.peering.reach.relay import DIAL, PING, Relay, RelayConfig
from tests.cluster import id_of
from tests.discovery.loopback import until
from tests.gateway.peering.reach.test_client_hello import hello

BEN, CLEO, EVE = id_of(1), id_of(2), id_of(3)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Scene:
    """A relay for ben and cleo, and what connects to it."""

    def __init__(self, relay: Relay, port: int, stack: contextlib.AsyncExitStack) -> None:
        self.relay, self.port, self._stack = relay, port, stack
        self.allowed, self._counter = {BEN, CLEO}, 0

    async def connect(self, first: bytes = b"") -> Streams:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._stack.callback(writer.close)
        writer.write(first)
        return reader, writer

    async def tunnel(self, peer: PeerId = BEN, count: int = 1) -> Streams:
        """The last of so many tunnels of this peer's that wait."""
        given = json.loads(self.relay.admit(peer, b"{}"))
        for counter in range(1, count + 1):
            streams = await self.connect(new_pass(given["number"], bytes.fromhex(given["key"]), counter))
            assert PING == await streams[0].readexactly(1)
            streams[1].write(PING)
        await until(lambda: len(self.relay._behind[peer].waiting) >= count)
        return streams

    async def dialled(self, streams: Streams) -> tuple[str, bytes]:
        """Who came through this tunnel, and the first of what he says."""
        assert DIAL == await streams[0].readexactly(1)
        ip = await streams[0].readexactly((await streams[0].readexactly(1))[0])
        return ip.decode(), await streams[0].read(4096)

    async def is_closed(self, streams: Streams) -> bool:
        with contextlib.suppress(ConnectionError):  # closed while bytes of ours were on their way
            async with asyncio.timeout(5):
                return await streams[0].read() == b""
        return True


@asynccontextmanager
async def relaying(**settings: float) -> AsyncIterator[Scene]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    async with contextlib.AsyncExitStack() as stack:
        scene: Scene
        relay = Relay(RelayConfig(serve=True, **settings), lambda peer: peer in scene.allowed, time.monotonic)  # type: ignore[arg-type]
        scene = Scene(relay, listener.getsockname()[1], stack)
        running = asyncio.create_task(relay.run(listener))
        await until(lambda: relay._port == scene.port)
        try:
            yield scene
        finally:
            running.cancel()
            await asyncio.wait([running])


async def test_who_dials_is_put_through_to_whom_he_names() -> None:
    async with relaying() as scene:
        ben, cleo = await scene.tunnel(BEN), await scene.tunnel(CLEO)
        ada = await scene.connect(hello(CLEO))

        ip, said = await scene.dialled(cleo)
        assert ("127.0.0.1", CLEO) == (ip, module.name_asked(said))
        cleo[1].write(b"from cleo")
        assert b"from cleo" == await ada[0].readexactly(9)
        ada[1].write(b"from ada")
        assert b"from ada" == await cleo[0].readexactly(8)
        ada[1].close()
        assert await scene.is_closed(cleo)
        assert not ben[0]._buffer and 17 == sum(row["bytes"] for row in scene.relay.rows())  # type: ignore[attr-defined]


async def test_two_that_hold_one_id_are_both_served_and_neither_shuts_the_other_out() -> None:
    """A home that was copied to a second machine, which has the key: a dial comes to one of both, while that is there.

    One of them opens all tunnels that an id may have: the other is told no, and comes in when they are gone.
    """
    async with relaying() as scene:
        first, second = await scene.tunnel(BEN), await scene.tunnel(BEN)
        dialled = [await scene.connect(hello(BEN)) for _ in range(2)]
        assert [BEN, BEN] == [module.name_asked((await scene.dialled(one))[1]) for one in (first, second)]
        for number, one in enumerate((first, second)):
            one[1].write(b"from %d" % number)
        said = {await one[0].readexactly(6) for one in dialled}
        assert {b"from 0", b"from 1"} == said

        await scene.tunnel(BEN, module.TUNNELS_EACH)
        given = json.loads(scene.relay.admit(BEN, b"{}"))
        late = await scene.connect(new_pass(given["number"], bytes.fromhex(given["key"]), 1))
        assert await scene.is_closed(late)
        assert (
            1 == scene.relay.refused["too many tunnels"] and module.TUNNELS_EACH + 2 == scene.relay._behind[BEN].tunnels
        )
        for taken in range(4):
            await scene.connect(hello(BEN))
            await until(lambda taken=taken: module.TUNNELS_EACH - 1 - taken == len(scene.relay._behind[BEN].waiting))
        another = await scene.connect(new_pass(given["number"], bytes.fromhex(given["key"]), 2))
        assert PING == await another[0].readexactly(1)


async def test_without_a_name_the_only_peer_is_meant_and_of_several_none() -> None:
    async with relaying() as scene:
        ben = await scene.tunnel(BEN, 2)
        await scene.connect(hello(None))
        await until(lambda: 1 == len(scene.relay._behind[BEN].waiting))
        await scene.tunnel(CLEO)

        assert await scene.is_closed(await scene.connect(hello(None)))
        assert await scene.is_closed(await scene.connect(hello(EVE)))
        assert 2 == scene.relay.refused["nobody of that name is here"]
        assert ben is not None


async def test_who_may_not_is_given_no_key_and_opens_no_tunnel() -> None:
    async with relaying() as scene:
        with pytest.raises(Refused, match="approve NAME --relay"):
            scene.relay.admit(EVE, b"{}")
        for pass_ in (b"PPAI" + bytes(48), new_pass(1, b"k" * 32, 1)):
            assert await scene.is_closed(await scene.connect(pass_))
        given = json.loads(scene.relay.admit(BEN, b"{}"))
        scene.allowed.discard(BEN)

        assert await scene.is_closed(await scene.connect(new_pass(given["number"], bytes.fromhex(given["key"]), 1)))
        assert {} == scene.relay._behind


async def test_whose_right_ends_is_put_through_to_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PING_S", 0.05)
    async with relaying() as scene:
        ben = await scene.tunnel(BEN)
        scene.allowed.discard(BEN)

        assert await scene.is_closed(ben)
        assert await scene.is_closed(await scene.connect(hello(BEN)))


async def test_a_tunnel_that_answers_no_ping_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PING_S", 0.05)
    monkeypatch.setattr(module, "PONG_S", 0.05)
    async with relaying() as scene:
        await scene.tunnel(BEN)

        await until(lambda: not scene.relay._behind)


async def test_garbage_is_hung_up_on() -> None:
    async with relaying() as scene:
        await scene.tunnel(BEN)

        for first in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff", b"PPAX" + bytes(48), b"\0" * 100):
            assert await scene.is_closed(await scene.connect(first))
        assert 1 == len(scene.relay._behind[BEN].waiting)


async def test_who_says_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELLO_S", 0.05)
    async with relaying() as scene:
        for first in (b"", b"P", hello(BEN)[:50]):
            assert await scene.is_closed(await scene.connect(first))


async def test_a_dial_waits_for_a_tunnel_that_comes_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_S", 0.3)
    async with relaying() as scene:
        first = await scene.tunnel(BEN)
        await scene.connect(hello(BEN))
        await scene.dialled(first)
        late = await scene.connect(hello(BEN))
        await asyncio.sleep(0.05)
        given = json.loads(scene.relay.admit(BEN, b"{}"))
        second = await scene.connect(new_pass(given["number"], bytes.fromhex(given["key"]), 1))
        assert PING == await second[0].readexactly(1)
        second[1].write(PING)
        assert BEN == module.name_asked((await scene.dialled(second))[1])

        assert await scene.is_closed(await scene.connect(hello(BEN)))
        assert 1 == scene.relay._behind[BEN].refused
        assert not late[0].at_eof()


async def test_streams_of_each_and_of_all_are_bounded() -> None:
    async with relaying(streams_each=2, streams=3) as scene:
        await scene.tunnel(BEN, 4)
        await scene.tunnel(CLEO, 2)
        for peer in (BEN, BEN, CLEO):
            await scene.connect(hello(peer))
        await until(lambda: 3 == sum(one.streams for one in scene.relay._behind.values()))

        assert await scene.is_closed(await scene.connect(hello(BEN)))
        assert await scene.is_closed(await scene.connect(hello(CLEO)))
        assert {1} == {one.refused for one in scene.relay._behind.values()}


async def test_the_bytes_of_an_hour_end_a_stream_and_the_other_peer_keeps_its_own() -> None:
    async with relaying(gib_per_hour=6e5 / (1 << 30)) as scene:  # 100,000 at once
        ben, cleo = await scene.tunnel(BEN, 2), await scene.tunnel(CLEO)
        ada = await scene.connect(hello(BEN))
        with contextlib.suppress(OSError):
            for _ in range(40):
                ada[1].write(bytes(10_000))
                await ada[1].drain()
                await asyncio.sleep(0)
        assert await scene.is_closed(ada)
        assert 300_000 > scene.relay._behind[BEN].bytes >= 100_000

        assert await scene.is_closed(await scene.connect(hello(BEN)))
        dora = await scene.connect(hello(CLEO))
        await scene.dialled(cleo)
        cleo[1].write(b"still")
        assert b"still" == await dora[0].readexactly(5)
        assert ben is not None


async def test_a_stream_on_which_nothing_moves_ends() -> None:
    async with relaying(idle_s=0.1) as scene:
        ben = await scene.tunnel(BEN)
        ada = await scene.connect(hello(BEN))
        await scene.dialled(ben)

        assert await scene.is_closed(ada)
        await until(lambda: not scene.relay._behind)


async def test_so_many_peers_are_served_and_each_gets_few_keys() -> None:
    async with relaying(peers=1) as scene:
        await scene.tunnel(BEN)
        with pytest.raises(Refused, match=r"relay\.peers"):
            scene.relay.admit(CLEO, b"{}")
        with pytest.raises(Refused, match="slow down"):
            for _ in range(100):
                scene.relay.admit(BEN, b"{}")
        with pytest.raises(Refused, match="JSON"):
            scene.relay.admit(BEN, b"[")


async def test_half_open_connections_make_room_for_newcomers() -> None:
    """1,000 that say nothing from one site keep nobody else out, and cost no more than so many places."""
    async with relaying() as scene:
        await scene.tunnel(BEN)
        for _ in range(250):
            await scene.connect()
        await until(lambda: len(scene.relay._open) <= 161)

        dialled = await scene.connect(hello(BEN))
        await until(lambda: 1 == scene.relay._behind[BEN].streams)
        assert not dialled[0].at_eof()


async def test_the_relay_sees_no_word_of_what_it_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS of the two peers through it, with the certificate pinned: a canary is in none of the bytes."""
    identity = Identity.load_or_create(tmp_path)
    seen = bytearray()
    come = Relay._come

    async def watched(relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        feed = reader.feed_data
        reader.feed_data = lambda data: (seen.extend(data), feed(data))[1]  # type: ignore[method-assign, func-returns-value]
        await come(relay, reader, writer)

    monkeypatch.setattr(Relay, "_come", watched)
    async with relaying() as scene:
        reader, writer = await scene.tunnel(BEN)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        dialling = asyncio.create_task(
            asyncio.open_connection("127.0.0.1", scene.port, ssl=context, server_hostname=BEN)
        )
        said = await scene.dialled((reader, writer))
        inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = identity.server_ssl_context().wrap_bio(inside, outside, server_side=True)
        inside.write(said[1])
        for _ in range(4):
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
            writer.write(outside.read())
            await writer.drain()
            if dialling.done():
                break
            inside.write(await reader.read(4096))
        ada_reader, ada_writer = await dialling
        ada_writer.write(b"CANARY prompt")
        await ada_writer.drain()
        received = b""
        while b"CANARY" not in received:
            try:
                received += tls.read(100)
            except ssl.SSLWantReadError:
                inside.write(await reader.read(4096))
        ada_writer.close()
        assert not ada_reader.at_eof()

    assert len(seen) > 1000 and b"CANARY" not in seen


def test_who_dials_without_end_is_put_through_twice_a_second_and_others_as_before() -> None:
    """Each dial uses a tunnel up, and its peer opens so many a second."""
    relay = Relay(RelayConfig(serve=True), lambda peer: True, lambda: 0.0)

    assert 48 == sum(relay._may_dial(BEN, "198.51.100.7") for _ in range(100))
    assert relay._may_dial(BEN, "198.51.100.8") and relay._may_dial(CLEO, "198.51.100.7")
    assert 128 == 49 + sum(relay._may_dial(BEN, f"203.0.{number}.7") for number in range(200))
