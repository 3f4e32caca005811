"""What is between two peers may do: delay, cut, reorder, double, change, answer as something else, claim an id."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from discovery.records import PeerId
from discovery.request_auth import Refused
from gateway.peering.reach import tunnels as module
from gateway.peering.reach.both_ways import Connection, copy_both_ways
from gateway.peering.reach.relay import REACH_PATH
from gateway.upstream import UpstreamError
from tests.gateway.peering.asking import until
from tests.gateway.peering.reach.test_tunnels import HERE, Scene, relaying


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with relaying(tmp_path) as made:
        await made.up()
        yield made


Pieces = list[bytes]
MANGLED: dict[str, Callable[[bool, Pieces], Pieces | None]] = {  # what comes of the one; [] waits, None cuts
    "cut": lambda is_it, pieces: None if is_it else pieces,
    "reordered": lambda is_it, pieces: [] if is_it else pieces[::-1],
    "doubled": lambda is_it, pieces: pieces * 2 if is_it else pieces,
    "changed": lambda is_it, pieces: [bytes([pieces[0][0]]) + bytes(len(pieces[0]) - 1)] if is_it else pieces,
    "left out": lambda is_it, pieces: [b""] if is_it else pieces,
}


def mangle(scene: Scene, change: Callable[[int, Pieces], Pieces | None], delay_s: float = 0.0) -> None:
    """From now on what ben says through the relay comes changed so, and later; a piece is one TLS record."""

    async def copy(ada: Connection, ben: Connection, peer: PeerId, behind: object) -> None:
        source, held, at = ben._reader, Pieces(), 0

        async def read(limit: int) -> bytes:
            nonlocal held, at
            with contextlib.suppress(asyncio.IncompleteReadError):
                while True:
                    head = await source.readexactly(5)
                    held.append(head + await source.readexactly(int.from_bytes(head[3:], "big")))
                    at += 1
                    if (sent := change(at, held)) is None:
                        raise OSError("cut")
                    await asyncio.sleep(delay_s)
                    held = Pieces() if sent else held
                    if piece := b"".join(sent):
                        return piece
            return b""

        ben.read = read  # type: ignore[method-assign]
        await copy_both_ways(ada, ben)

    scene.relay._copy = copy  # type: ignore[method-assign]


async def test_a_relay_that_delays_everything_delays_the_answer(scene: Scene) -> None:
    mangle(scene, lambda number, pieces: pieces, delay_s=0.03)
    await scene.introduce()
    began = time.monotonic()

    assert "one two three four" == json.loads(await scene.ask())["choices"][0]["message"]["content"]
    assert time.monotonic() - began > 5 * 0.03


QUICK = {("reordered", 5), ("doubled", 6)}


@pytest.mark.parametrize(
    ("how", "at"),
    [
        pytest.param(how, at, marks=[] if (how, at) in QUICK else [pytest.mark.slow])
        for how in MANGLED
        for at in range(1, 9)
    ],
)
async def test_what_a_relay_changes_is_noticed_and_no_word_of_it_is_taken(scene: Scene, how: str, at: int) -> None:
    """In the handshake or the answer: an error in words, or the whole answer; never another, and none asked twice."""
    mangle(scene, lambda number, pieces: MANGLED[how](number == at, pieces))
    await scene.introduce()

    try:
        async with asyncio.timeout(8):
            said = json.loads(await scene.ask())["choices"][0]["message"]["content"]
    except UpstreamError as error:
        assert re.search("changed on the way|hung up|closed the connection|in time|silence|no TLS|early", str(error))
    else:
        assert "one two three four" == said

    assert len(scene.engine.asked) <= 1


async def test_who_claims_an_id_at_a_relay_without_its_key_is_given_nothing(scene: Scene) -> None:
    """Ben's own tunnels stay, and what is dialled for him comes to him."""
    client = scene.ben.transport.client
    client._exchanges._sign = scene.ada.identity.sign  # ada, in ben's name
    with pytest.raises(Refused, match="signature"):
        await client.post(scene.hal.id, REACH_PATH, b"{}")

    await scene.introduce()
    assert await scene.ask() and scene.state.spares


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/login\r\ncontent-length: 0\r\n\r\n",
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html></html>", marks=pytest.mark.slow),
        pytest.param(b"", marks=pytest.mark.slow),
    ],
)
async def test_a_captive_portal_at_the_relay_s_address_is_told_and_the_relay_met_when_it_is_gone(
    scene: Scene, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network answers at every address until somebody logs in; until then nobody is told of a relay."""
    monkeypatch.setattr(module, "PAUSE_S", 0.05)
    monkeypatch.setattr(module, "PAUSE_LIMIT_S", 0.05)
    has_logged_in = False

    async def portal(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            if has_logged_in:
                near = Connection(*await asyncio.open_connection(HERE, scene.hal.address.port))
                await copy_both_ways(Connection(reader, writer), near)
            else:
                await reader.read(100)
                writer.write(answer)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(portal, HERE, 0) as server:
        tunnels = module.Tunnels([(HERE, server.sockets[0].getsockname()[1])], scene.ben.transport, lambda: None)
        running = asyncio.create_task(tunnels.run())
        (state,) = tunnels.relays.values()
        try:
            await until(lambda: re.search("captive portal|hung up", state.problem))
            assert () == tunnels.addresses()
            has_logged_in = True
            await until(tunnels.addresses)
        finally:
            running.cancel()
            await asyncio.wait([running])
