"""A peer that is reached through a relay, in its production parts; and relays that lie, cut, replay and flood."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from discovery.exchanges import PeerUnreachable
from discovery.records import Address, Card, PeerId
from gateway.peering.reach import tunnels as module
from gateway.peering.reach.looks import LOOK_PATH
from gateway.peering.reach.relay import PING, REACH_PATH, Relay, RelayConfig
from gateway.peering.reach.tunnels import SPARES, Tunnels
from gateway.peering.remote import PeerUpstream
from tests.fakes import ScriptedEngine
from tests.gateway.peering.asking import delegated, until
from tests.peers import PATIENCE, AnsweringPeer, Party, answering_peer, party

HERE = "127.0.0.1"


def nowhere() -> Address:
    """An address where nobody listens."""
    with socket.socket() as one:
        one.bind((HERE, 0))
        return Address(HERE, one.getsockname()[1])


class Scene:
    """Ada asks ben, who is behind something; hal relays."""

    def __init__(
        self, ada: Party, ben: AnsweringPeer, hal: AnsweringPeer, relay: Relay, engine: ScriptedEngine
    ) -> None:
        self.ada, self.ben, self.hal, self.relay, self.told = ada, ben, hal, relay, list[object]()
        self.engine = engine
        self.allowed = {ben.id}
        self.tunnels = Tunnels([(HERE, hal.address.port)], ben.transport, lambda: self.told.append(1))
        self.tunnels.adopt = ben.web.adopt
        (self.state,) = self.tunnels.relays.values()

    async def up(self) -> None:
        await until(lambda: SPARES <= self.state.spares)

    async def introduce(self, *direct: Address) -> None:
        """Ada hears of ben's card, with the relay's address last."""
        held = self.ben.gossip.own_card()
        assert held is not None and isinstance(held.record, Card)
        at = self.tunnels.addresses()[:1]
        self.ben.gossip.publish(replace(held.record, addr=(*direct, *at), relayed=1 << len(direct)), time.monotonic())
        self.ada.transport.endpoint.welcome(self.ben.transport.endpoint.introduction())
        self.ben.transport.endpoint.welcome(self.ada.transport.endpoint.introduction())

    async def ask(self) -> bytes:
        upstream = PeerUpstream(self.ben.id, "ben", self.ada.transport.open_stream, lambda *_: None)
        body = (delegated(),)
        async with upstream.open("chat/completions", body, {}, stream=False, patience=PATIENCE) as reply:
            return await reply.read()


@asynccontextmanager
async def relaying(tmp_path: Path, answer: bytes | None = None) -> AsyncIterator[Scene]:
    """`answer`: what hal says to who asks for a key, instead of a relay's."""
    listener = socket.create_server((HERE, 0))
    listener.setblocking(False)
    async with (
        ScriptedEngine().serving() as engine,
        answering_peer(tmp_path / "hal", engine, 1, True, 1.0) as hal,
        answering_peer(tmp_path / "ben", engine, 8, True, 1.0) as ben,
        party(tmp_path / "ada") as ada,
    ):
        scene: Scene
        relay = Relay(RelayConfig(serve=True), lambda peer: peer in scene.allowed, time.monotonic)
        if answer is not None:
            relay.admit = lambda peer, body: answer  # type: ignore[method-assign]
        scene = Scene(ada, ben, hal, relay, engine)
        hal.app._answers._relay = relay
        hal.admission.approve(ben.id)
        ben.admission.approve(ada.id)
        running = [asyncio.create_task(relay.run(listener)), asyncio.create_task(scene.tunnels.run())]
        try:
            yield scene
        finally:
            for one in running:
                one.cancel()
            await asyncio.wait(running)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with relaying(tmp_path) as made:
        await made.up()
        yield made


async def test_a_peer_is_asked_through_a_relay(scene: Scene) -> None:
    """The closed address is tried first; the relay's is told to be one."""
    client = scene.ada.transport.client
    await scene.introduce(nowhere())
    assert b"" != await scene.ask()
    assert client.is_relayed(scene.ben.id) and scene.told and "relay" == client.way_to(scene.ben.id)
    assert client.addresses(scene.ben.id)[0] == scene.state.used
    assert scene.relay.rows()[0]["bytes"] > 0

    await scene.introduce(scene.ben.address)
    assert scene.ben.address != client.addresses(scene.ben.id)[0]  # what works is not given up for it


async def test_a_relay_that_has_no_room_for_another_spare_is_not_lost(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a crowd that dials a peer would cut off those whom it serves."""
    monkeypatch.setattr(module, "NO_ROOM_S", 0.01)
    await scene.introduce(nowhere())
    await scene.ask()
    monkeypatch.setattr(scene.relay._places, "take", lambda site, now: (None, None))

    scene.relay._behind[scene.ben.id].waiting[0].writer.close()
    await until(lambda: scene.relay.refused["too many connections"] >= 3)

    assert scene.state.is_up and 1 == len(scene.told)
    assert b"" != await scene.ask()


async def test_who_came_through_a_relay_stays_when_its_tunnels_are_lost(scene: Scene) -> None:
    await scene.introduce(nowhere())
    await scene.ask()
    assert 1 == scene.state.streams

    for tunnel in tuple(scene.relay._behind[scene.ben.id].waiting):
        tunnel.writer.write(b"what no relay says")
    await until(lambda: not scene.state.is_up)

    assert 1 == scene.state.streams


async def test_many_at_once_are_put_through(scene: Scene) -> None:
    await scene.introduce(nowhere())

    assert 20 == len([answer for answer in await asyncio.gather(*(scene.ask() for _ in range(20))) if answer])


async def test_who_comes_through_a_relay_is_not_dialled_back(scene: Scene) -> None:
    """It says where he comes from, and could name anybody."""
    await scene.introduce()

    with await scene.ada.transport.open_stream(scene.ben.id, LOOK_PATH, b'{"port": 8471}', answer_s=5) as response:
        status, said = response.status, json.loads(await response.read(1 << 24, 5))

    assert (409, "relayed") == (status, said["error"]["code"])


async def test_a_relay_without_the_right_says_what_to_do(tmp_path: Path) -> None:
    async with relaying(tmp_path) as scene:
        scene.allowed.clear()
        await until(lambda: "approve NAME --relay" in scene.state.problem)

        assert () == scene.tunnels.addresses() and not scene.state.is_up


GARBAGE = [
    b"",
    b"[]",
    b'{"port": 70000}',
    *(
        json.dumps({"port": 8472, "number": 1, "key": "00" * 32, "for_s": 60, **odd}).encode()
        for odd in ({"port": 22}, {"key": "00" * 31}, {"key": "zz"}, {"for_s": 1e-9}, {"number": -1}, {"number": 2**64})
    ),
]


async def test_a_relay_that_answers_garbage_is_left_alone_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.01)
    monkeypatch.setattr(module, "PAUSE_LIMIT_S", 0.01)
    async with relaying(tmp_path, b"") as scene:
        scene.relay.admit = lambda peer, body: GARBAGE[0]  # type: ignore[method-assign]
        for answer in GARBAGE:
            scene.relay.admit = lambda peer, body, answer=answer: answer  # type: ignore[method-assign, misc]
            for _ in range(2):  # the first may be of the answer before
                scene.state.problem = ""
                await until(lambda: scene.state.problem)

            assert () == scene.tunnels.addresses() and not scene.state.spares


async def test_a_relay_that_says_what_none_says_loses_its_tunnels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Garbage, endless silence, a caller that is no address: nothing of it reaches our peer side."""
    monkeypatch.setattr(module, "HELLO_S", 0.2)
    said = [b"\x07", b"", PING + b"\1\4ab", PING + b"\1\0"]
    opened, ended = list[bytes](), list[int]()

    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(said[len(opened) % len(said)])
        writer.write(opened[-1])
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()
        ended.append(1)

    server = await asyncio.start_server(lie, HERE, 0)
    port = server.sockets[0].getsockname()[1]
    given = json.dumps({"port": port, "number": 1, "key": "00" * 32, "for_s": 60}).encode()
    async with server:
        async with relaying(tmp_path, given) as scene:
            await until(lambda: len(opened) >= SPARES and scene.state.problem != "not met yet")
            assert 0 == scene.state.spares
        await until(lambda: len(ended) == len(opened))


async def test_a_relay_that_puts_itself_between_is_noticed_before_a_word(scene: Scene) -> None:
    """It answers with a certificate of its own: the client sends it no request."""
    held = scene.ben.gossip.own_card()
    assert held is not None and isinstance(held.record, Card)
    card = replace(held.record, addr=(scene.hal.address,), relayed=1)  # hal's own side, with hal's certificate
    scene.ben.gossip.publish(card, time.monotonic())
    scene.ada.transport.endpoint.welcome(scene.ben.transport.endpoint.introduction())
    before = scene.hal.telemetry.exposition()

    with pytest.raises(PeerUnreachable, match="another certificate"):
        await scene.ada.transport.client.post(scene.ben.id, "/peer/1/sync", b"")
    assert before == scene.hal.telemetry.exposition()


async def test_what_a_relay_recorded_does_nothing_when_it_is_replayed(scene: Scene) -> None:
    """TLS 1.3 answers each handshake with keys of its own: the bytes of the request are noise in another one."""
    recorded = list[bytes]()
    await scene.introduce()

    put_through = scene.relay._put_through

    async def recording(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: PeerId, ip: str, hello: bytes
    ) -> None:
        recorded.append(hello)
        feed = reader.feed_data
        reader.feed_data = lambda data: (recorded.append(bytes(data)), feed(data))[1]  # type: ignore[method-assign, func-returns-value]
        await put_through(reader, writer, peer, ip, hello)

    scene.relay._put_through = recording  # type: ignore[method-assign]
    await scene.ask()
    served = scene.ben.door.load
    ours, theirs = socket.socketpair()
    assert scene.ben.web.adopt(theirs, HERE)
    ours.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(ours, b"".join(recorded))
    with contextlib.suppress(OSError):
        async with asyncio.timeout(5):
            while await loop.sock_recv(ours, 4096):
                pass
    ours.close()

    assert served == scene.ben.door.load


async def test_a_relay_that_ends_is_met_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.05)
    for writer in tuple(scene.relay._open.values()):
        writer.transport.abort()
    await until(lambda: not scene.state.spares)

    await scene.up()
    assert 3 <= len(scene.told)


async def test_a_relay_at_which_another_request_fails_meanwhile_is_met_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers one request, and lets another of the same moment fail."""
    monkeypatch.setattr(module, "PAUSE_S", 0.05)
    client, failed = scene.tunnels._transport.client, asyncio.Event()
    post = client.post

    async def unlucky(peer: PeerId, path: str, body: bytes) -> bytes:
        answer = await post(peer, path, body)
        if path == REACH_PATH and not failed.is_set():
            failed.set()
            contact = client.contacts[peer]
            contact.note_failure(contact.good, client.addresses(peer), 0.0)
        return answer

    client.post = unlucky  # type: ignore[method-assign, assignment]
    for writer in tuple(scene.relay._open.values()):
        writer.transport.abort()
    await until(failed.is_set)
    await until(lambda: "meanwhile" in scene.state.problem)

    await scene.up()


async def test_the_nearest_relay_is_told_first(scene: Scene) -> None:
    far = module.Relayed("far:1", scene.hal.id, Address(HERE, 9999), is_up=True, rtt_s=9.0)
    scene.tunnels.relays = {("far", 1): far, (HERE, 1): scene.state}

    assert [scene.state.used, far.used] == list(scene.tunnels.addresses())
    far.is_up = False
    assert (scene.state.used,) == scene.tunnels.addresses()
    assert [[], [str(scene.state.used)]] == [row["at"] for row in scene.tunnels.rows()]
