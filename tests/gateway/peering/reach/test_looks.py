"""Two real peers look at each other: who is dialled, what is told, who is refused, and what hostile answers change."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from discovery.ear import Ear
from discovery.records import Address
from discovery.request_auth import Refused
from gateway.peering.reach import looks as module
from gateway.peering.reach.evidence import Evidence
from gateway.peering.reach.looks import AT_ONCE, LOOK_PATH, Looks, LooksForOthers, plain
from tests.fakes import ScriptedEngine
from tests.gateway.peering.asking import until
from tests.peers import AnsweringPeer, answering_peer, party

HERE = "127.0.0.1"


class Scene:
    """Ada asks ben to look; both listen on loopback and approve each other."""

    def __init__(self, ada: AnsweringPeer, ben: AnsweringPeer) -> None:
        self.ada, self.ben, self.evidence = ada, ben, Evidence()
        self.port, self.own = ada.address.port, [ada.address]
        self.looks = self.anew()

    def anew(self, port: int | None = None) -> Looks:
        return Looks(
            self.ada.gossip, self.ada.transport, Ear(time.monotonic), lambda peer: True, lambda: tuple(self.own),
            self.port if port is None else port, self.evidence, time.monotonic,
        )  # fmt: skip

    async def post(self, body: bytes) -> tuple[int, dict]:
        with await self.ada.transport.open_stream(self.ben.id, LOOK_PATH, body, answer_s=5) as response:
            return response.status, json.loads(await response.read(1 << 24, 5))


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with (
        ScriptedEngine().serving() as engine,
        answering_peer(tmp_path / "ben", engine, 1, True, 1.0) as ben,
        answering_peer(tmp_path / "ada", engine, 1, True, 1.0) as ada,
    ):
        await ada.transport.hello(ben.address)
        ben.admission.approve(ada.id)
        yield Scene(ada, ben)


async def test_who_is_asked_dials_back_and_says_so(scene: Scene) -> None:
    (look,) = await scene.looks.ask([scene.ben.id])

    assert (HERE, scene.port, "", None) == (look.ip, look.port, look.why, look.hears_us)
    assert look.keeps_port is True  # no NAT is between
    assert (scene.ada.address,) == scene.looks.published() and "reached" == scene.looks.state()
    (row,) = scene.looks.rows([scene.ben.id])
    assert (True, True, True) == (row["reached"], row["own"], row["keeps_port"])


async def test_a_stranger_who_is_not_dialled_again_yet_is_not_suspected_for_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.ada.transport.answered(scene.ben.id)
    monkeypatch.setattr(scene.ada.gossip, "is_stranger", lambda peer: True)
    monkeypatch.setattr(scene.ada.transport.client, "may_dial", lambda address, peer: False)

    assert [] == await scene.looks.ask([scene.ben.id])
    assert "alive" == scene.ada.gossip.member(scene.ben.id).state


async def test_a_port_where_we_do_not_listen_is_told_and_then_we_only_ask(scene: Scene) -> None:
    looks = scene.anew(port=scene.ben.address.port)

    (look,) = await looks.ask([scene.ben.id])

    assert "another peer answers there" == look.why
    assert () == looks.published() and "asks only" == looks.state()


async def test_a_peer_looks_twice_at_once_and_only_for_who_may_ask(scene: Scene) -> None:
    status, seen = await scene.post(b'{"port": %d, "ip": "198.51.100.7"}' % scene.port)
    assert (200, HERE) == (status, seen["ip"])  # where the request came from is dialled, whatever else it says
    assert 200 == (await scene.post(b'{"port": %d}' % scene.port))[0]
    assert 429 == (await scene.post(b'{"port": %d}' % scene.port))[0]
    scene.ben.admission.revoke(scene.ada.id)

    status, said = await scene.post(b'{"port": %d}' % scene.port)

    assert (403, "not_approved") == (status, said["error"]["code"])


async def test_what_cannot_be_dialled_is_refused(scene: Scene) -> None:
    """A port of the system's, a body that is none, and addresses that no peer has."""
    side = LooksForOthers(scene.ben.gossip, scene.ben.transport, Ear(time.monotonic), time.monotonic)
    bodies = [b"", b"{}", b"[1]", b'{"port": 22}', b'{"port": "8471"}', b'{"port": 70000}', b'{"port": 1e9}', b"\xff"]
    ips = ["169.254.169.254", "224.0.0.1", "0.0.0.0", "fe80::1%eth0", "not an address", ""]

    for ip, body in [*((HERE, body) for body in bodies), *((ip, b'{"port": 8471}') for ip in ips)]:
        with pytest.raises(Refused, match="cannot be dialled"):
            await side.answer(scene.ada.id, ip, 1, body)


async def test_only_so_many_looks_are_made_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The room comes back when they end."""
    side = LooksForOthers(scene.ben.gossip, scene.ben.transport, Ear(time.monotonic), time.monotonic)
    release = asyncio.Event()

    async def held(*_: object) -> str:
        await release.wait()
        return ""

    monkeypatch.setattr(module, "knock", held)
    body = b'{"port": 8471}'
    waiting = [asyncio.create_task(side.answer(scene.ada.id, HERE, 1, body)) for _ in range(AT_ONCE)]
    await until(lambda: not side._room)
    with pytest.raises(Refused) as caught:
        await side.answer(scene.ada.id, HERE, 1, body)
    release.set()
    await asyncio.gather(*waiting)

    assert 429 == caught.value.status and AT_ONCE == side._room


async def test_a_peer_off_loopback_does_not_dial_its_own_machine(scene: Scene) -> None:
    scene.ben.transport.client.on_loopback = False

    _, seen = await scene.post(b'{"port": %d}' % scene.port)

    assert "loopback" in seen["why"]


@asynccontextmanager
async def lying(scene: Scene, answer: bytes) -> AsyncIterator[None]:
    """Ben's listener says this to whoever has it look."""

    async def lie(*_: object) -> bytes:
        return answer

    looks = scene.ben.app._answers._looks
    honest, looks.answer = looks.answer, lie  # type: ignore[method-assign]
    try:
        yield
    finally:
        looks.answer = honest  # type: ignore[method-assign]


GARBAGE = [
    b"",
    b"{}",
    b"[]",
    b"\xff" * 900,
    b'{"ip": 7}',
    b'{"ip": "example.org"}',
    b'{"ip": "::1", "why": 7}',
    b"x" * 5000,
]


async def test_garbage_for_an_answer_changes_nothing(scene: Scene) -> None:
    scene.ben.app._may_ask[LOOK_PATH] = lambda *_: True

    for answer in GARBAGE:
        async with lying(scene, answer):
            assert [] == await scene.looks.ask([scene.ben.id])

    assert (scene.ada.address,) == scene.looks.published() and "unknown" == scene.looks.state()
    (row,) = scene.looks.rows([scene.ben.id])
    assert row["reached"] is None and "no answer" in row["why"]


async def test_a_liar_gets_no_address_of_a_third_machine_into_our_card(scene: Scene) -> None:
    """Nor words that a terminal would obey into our doctor's lines."""
    for lie in (b'{"ip": "169.254.169.254"}', b'{"ip": "127.0.0.9"}'):
        scene.ben.app._may_ask[LOOK_PATH] = lambda *_: True
        async with lying(scene, lie):
            assert 1 == len(await scene.looks.ask([scene.ben.id]))
        scene.ada.transport.client.on_loopback = False
        assert (scene.ada.address,) == scene.looks.published()
        scene.ada.transport.client.on_loopback = True

    async with lying(scene, json.dumps({"ip": HERE, "why": "\x1b[2Jgone" + "x" * 500}).encode()):
        (look,) = await scene.looks.ask([scene.ben.id])
    assert "\x1b" not in look.why and 100 >= len(look.why)


async def test_who_comes_in_is_noted_with_our_address(scene: Scene) -> None:
    await scene.looks.ask([scene.ben.id])
    await scene.looks.ask([scene.ben.id])

    assert [HERE, HERE] == scene.ben.entered  # by the hello, and once a connection
    scene.looks.entered("::ffff:192.168.1.4")
    assert {"192.168.1.4"} == set(scene.evidence._entries)


async def test_two_are_asked_at_a_time_those_first_that_were_not_for_longest(scene: Scene, tmp_path: Path) -> None:
    async with party(tmp_path / "cleo", (Address(HERE, 8471),)) as cleo:
        scene.ada.transport.endpoint.welcome(cleo.transport.endpoint.introduction())
        scene.ada.gossip.answered(cleo.id, time.monotonic())
        scene.looks._asked_at[scene.ben.id] = time.monotonic()

        assert [cleo.id, scene.ben.id] == scene.looks.next()


async def test_a_change_of_address_has_us_looked_at_anew(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)
    monkeypatch.setattr(module, "FIRST_S", 0.0)
    heard: list[str] = []
    scene.ben.app._may_ask[LOOK_PATH] = lambda *_: True
    running = asyncio.create_task(scene.looks.run(lambda: heard.append(scene.looks.state())))
    await until(lambda: heard == ["reached"])

    scene.own.append(Address("192.0.2.1", scene.port))
    await until(lambda: len(heard) == 3)
    running.cancel()

    assert ["reached", "unknown", "reached"] == heard
    assert (scene.ada.address,) == scene.looks.published()


def test_an_address_is_one_in_every_form() -> None:
    assert ["192.0.2.1", "192.0.2.1", "2001:db8::1"] == [
        plain(ip) for ip in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1%eth0")
    ]
