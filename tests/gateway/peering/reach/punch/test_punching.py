"""Two peers behind a relay find a direct way; whoever lies, floods or falls silent gets none."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from discovery.records import Address, Card, PeerId
from discovery.request_auth import Refused
from gateway.peering.reach.punch import punching as module
from gateway.peering.reach.punch.punching import FEATURE, LINKS, PUNCH_PATH, Punching
from tests.gateway.peering.asking import until
from tests.gateway.peering.reach.punch.network import MemoryNetwork
from tests.gateway.peering.reach.test_tunnels import HERE, Scene, nowhere, relaying

ADA, BEN, HAL, EVE = 1, 2, 3, 4  # endpoints
RENDEZVOUS = Address(HERE, 20000 + HAL)


class Both:
    """A scene in which ada and ben punch, and hal, their relay, tells them their outer addresses."""

    def __init__(self, scene: Scene, network: MemoryNetwork) -> None:
        self.scene, self.network = scene, network
        self.ada = self.punching(ADA)
        self.ben = self.punching(BEN)
        scene.ben.app._answers._punching = self.ben

    def punching(self, number: int) -> Punching:
        who = self.scene.ada if number == ADA else self.scene.ben
        return Punching(
            self.network.bind(number), who.transport.client, who.gossip, lambda peer: True, time.monotonic,
            lambda connection, ip: self.scene.ben.web.adopt(connection, ip),
        )  # fmt: skip

    def link(self, number: int):  # type: ignore[no-untyped-def]
        """The one that an endpoint holds to the other peer."""
        others = {f"{ADA:064x}", f"{BEN:064x}"}
        return next((one for one in self.network.links.get(f"{number:064x}", ()) if one.endpoint in others), None)

    @property
    def way(self) -> Address | None:
        return self.scene.ada.transport.client.contacts[self.scene.ben.id].way


@pytest.fixture
async def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Both]:
    monkeypatch.setattr(module, "TICK_S", 0.01)
    async with relaying(tmp_path) as scene:
        await scene.up()
        network = MemoryNetwork()
        made = Both(scene, network)
        rendezvous = scene.relay.rendezvous
        rendezvous.expect(scene.ada.id, f"{ADA:064x}")
        rendezvous.expect(scene.ben.id, f"{BEN:064x}")
        scene.allowed.add(scene.ada.id)
        running = [asyncio.create_task(rendezvous.run(network.bind(HAL), RENDEZVOUS))]
        for one in (made.ada, made.ben):
            await one.prepare()
            one.offered(RENDEZVOUS, f"{HAL:064x}")
            running.append(asyncio.create_task(one.run()))
        held = scene.ben.gossip.own_card()
        assert held is not None and isinstance(held.record, Card)
        scene.ben.gossip.publish(replace(held.record, features=(*held.record.features, FEATURE)), time.monotonic())
        await scene.introduce(nowhere())
        try:
            yield made
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)
            assert not [task for task in running if not task.cancelled() and task.exception()]


async def test_two_that_meet_at_a_relay_find_a_way_past_it(both: Both) -> None:
    """Both dial at once; ada's requests go through the link that she opened, and the relay copies no more of them."""
    scene = both.scene
    await scene.ask()  # through the relay
    await until(lambda: both.way is not None)
    before, client = scene.relay.rows()[0]["bytes"], scene.ada.transport.client

    assert b"" != await scene.ask()

    assert (before, 1) == (scene.relay.rows()[0]["bytes"], both.link(ADA).streams)
    assert (False, False) == (client.is_relayed(scene.ben.id), client.is_direct(scene.ben.id))
    assert both.way == client.addresses(scene.ben.id)[0]
    assert both.ada.address_of(scene.ben.id) == Address(HERE, 20000 + BEN)
    assert {"at": f"{HERE}:{20000 + ADA}", "to": 1, "from": 0} == both.ada.state()
    assert both.link(BEN) is not None, "ben dials, which opens his NAT"


async def test_a_way_on_which_nothing_is_heard_is_given_up_and_the_relay_used(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was said just before is the last word: from then on ada waits as long as she does for the next one."""
    monkeypatch.setattr(module, "SAY_S", 3600.0)
    await both.scene.ask()
    await until(lambda: both.way is not None)

    monkeypatch.setattr(module, "HEAR_S", 0.05)
    both.link(ADA).said.put_nowait(b"a word")
    await until(lambda: both.way is None)

    assert b"" != await both.scene.ask() and both.scene.ada.transport.client.is_relayed(both.scene.ben.id)
    assert both.ada.address_of(both.scene.ben.id) is None


async def test_a_request_that_fails_there_closes_the_way_before_it_is_silent(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link says that it is alive, and no stream of it leads anywhere."""
    monkeypatch.setattr(module, "SAY_S", 0.02)
    await both.scene.ask()
    await until(lambda: both.way is not None)
    link = both.link(ADA)

    async def broken() -> None:
        raise OSError("no more streams")

    link.open = broken
    assert b"" != await both.scene.ask()
    await until(lambda: link.ended.is_set())

    assert both.way is None


async def test_who_asks_while_we_dial_it_or_have_a_link_to_it_costs_us_no_link(both: Both) -> None:
    """Both ask at once, or one asks whose own link never came about: the other end holds the newest link of each."""
    both.ada._may_answer = lambda peer: False  # it answers, and asks nobody itself
    await until(lambda: None not in (both.ada.outer, both.ben.outer))
    await both.scene.ask()  # through the relay
    ben, end = both.scene.ben.id, both.ben.answer(both.scene.ada.id, HERE, both.ada._own_end())

    for _ in range(2):
        both.ada.answer(ben, HERE, end)
    await until(lambda: both.way is not None)
    await both.ada._meet(ben, both.ben.endpoint, Address(HERE, 20000 + BEN))

    assert [f"{HAL:064x}", f"{BEN:064x}"] == [link.endpoint for link in both.network.links[f"{ADA:064x}"]]
    assert not both.link(ADA).ended.is_set() and both.way is not None


async def test_a_link_for_which_there_is_no_port_leaves_its_place_to_the_next(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()

    async def full(*_: object) -> None:
        failed.set()
        raise OSError("too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "start_server", full)
        await both.scene.ask()
        await until(failed.is_set)
    await until(lambda: both.ada.state()["to"] == 0)
    both.ada._asked.clear()

    await until(lambda: both.way is not None)


async def test_who_lost_its_outer_address_before_its_turn_asks_nobody(both: Both) -> None:
    both.ada.outer = None

    await both.ada._ask(both.scene.ben.id)

    assert both.way is None and not both.ben._expected


async def test_an_endpoint_that_never_came_is_forgotten_when_its_peer_is_asked_again(both: Both) -> None:
    """Else a peer that names another one each time would have us remember all of them."""
    both.ada._may_answer = lambda peer: False  # it asks nobody itself
    await until(lambda: None not in (both.ada.outer, both.ben.outer))
    both.ada._expected["ab" * 32] = both.scene.ben.id, 0.0

    asking = asyncio.create_task(both.ada._ask(both.scene.ben.id))
    await until(lambda: f"{BEN:064x}" in both.ada._expected)
    asking.cancel()

    assert [f"{BEN:064x}"] == list(both.ada._expected)


async def test_who_names_another_address_or_none_is_refused_and_nobody_is_dialled(both: Both) -> None:
    await until(lambda: both.ben.outer is not None)
    end = {"endpoint": "ab" * 32, "ip": HERE, "port": 9000}
    bad = [
        {**end, "ip": "192.0.2.7"},  # somebody else's
        {**end, "endpoint": "ab" * 31}, {**end, "endpoint": "AB" * 32}, {**end, "port": 0},
        {**end, "ip": "ben.example.org"}, [1],
    ]  # fmt: skip

    for body in bad:
        with pytest.raises(Refused) as refused:
            both.ben.answer(both.scene.ada.id, HERE, json.dumps(body).encode())
        assert 400 == refused.value.status, body

    assert both.link(BEN) is None and not both.ben._expected


async def test_who_asks_often_or_with_many_is_refused(both: Both) -> None:
    """A peer may ask thrice at once; all together have so many ends that may come."""
    await until(lambda: both.ben.outer is not None)

    def ask(peer: str, number: int) -> int:
        try:
            body = {"endpoint": f"{number:064x}", "ip": HERE, "port": 9000}
            both.ben.answer(PeerId(peer), HERE, json.dumps(body).encode())
        except Refused as refused:
            return refused.status
        return 200

    assert [200, 200, 200, 429] == [ask("one", 100 + number) for number in range(4)]
    assert {200, 429} == {ask(f"peer {number}", 200 + number) for number in range(LINKS)}
    assert len(both.ben._expected) == LINKS


async def test_who_has_no_outer_address_says_so(both: Both) -> None:
    lonely = both.punching(EVE)

    with pytest.raises(Refused) as refused:
        lonely.answer(both.scene.ada.id, HERE, b"{}")

    assert (409, "no_punch") == (refused.value.status, refused.value.code)


async def test_a_link_of_an_endpoint_that_nobody_named_is_closed_unserved(both: Both) -> None:
    eve = await both.network.bind(EVE)("")

    link = await eve.connect(f"{BEN:064x}", Address(HERE, 20000 + BEN))
    stream = await link.open()

    await until(lambda: link.ended.is_set())
    assert 0 == both.ben.state()["from"] and not stream.came.qsize()


async def test_a_peer_holds_one_link_to_us_the_newest(both: Both) -> None:
    """So nobody takes the places of all others."""
    await until(lambda: both.ben.outer is not None)
    eve = await both.network.bind(EVE)("")
    body = {"endpoint": eve.id, "ip": HERE, "port": 20000 + EVE}
    both.ben.answer(both.scene.ada.id, HERE, json.dumps(body).encode())

    links = [await eve.connect(f"{BEN:064x}", Address(HERE, 20000 + BEN)) for _ in range(3)]
    await until(lambda: links[0].ended.is_set() and links[1].ended.is_set())

    assert (1, False) == (both.ben.state()["from"], links[2].ended.is_set())


async def test_a_rendezvous_that_says_garbage_is_left_and_met_again(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RENDEZVOUS_PAUSE_S", 0.01)
    for said in (b"", b"nowhere", b"127.0.0.1:0", b"example.org:80", b"\xff:1", b"127.0.0.1:" + b"9" * 999):
        await until(lambda: both.ada.outer is not None)
        heard = list[Address | None]()
        both.network.links[f"{ADA:064x}"][-1].said.put_nowait(said)
        await until(lambda heard=heard: heard.append(both.ada.outer) or None in heard)

    await until(lambda: both.ada.outer == Address(HERE, 20000 + ADA))


async def test_where_nobody_gets_through_a_peer_is_asked_ever_more_rarely(both: Both) -> None:
    """Symmetric NATs: the other end is not where it says."""
    now, asked, tried = time.monotonic(), list[float](), list[Address]()
    answer, dial = both.ben.answer, both.ada._dial

    def elsewhere(peer: PeerId, ip: str, body: bytes) -> bytes:
        asked.append(now)
        return json.dumps({**json.loads(answer(peer, ip, body)), "port": 9999}).encode()

    async def dialled(peer: PeerId, endpoint: str, at: Address) -> None:
        await dial(peer, endpoint, at)
        tried.append(at)

    both.ben.answer = elsewhere  # type: ignore[method-assign]
    both.ben._answers.allow = lambda key, now: True  # type: ignore[method-assign]
    both.ada._dial = dialled  # type: ignore[method-assign]
    both.ada._clock = lambda: now
    await both.scene.ask()
    for times in range(1, 5):
        await until(lambda times=times: len(tried) == times)
        due = both.ada._asked[both.scene.ben.id].at
        now = due - 0.1
        assert [] == both.ada._due()
        now = due

    pauses = [after - before for before, after in pairwise(asked)]
    assert [60, 120, 240] == [round(pause) for pause in pauses] and both.way is None
    assert b"" != await both.scene.ask()


async def test_a_stranger_is_not_asked(both: Both) -> None:
    both.ada._may_answer = lambda peer: False
    await both.scene.ask()

    await until(lambda: both.ada.outer is not None)

    assert [] == both.ada._due()
    both.ada._may_answer = lambda peer: True
    assert [both.scene.ben.id] == both.ada._due(), "nobody had asked it before"


async def test_an_endpoint_that_cannot_be_had_leaves_the_relay_in_use(
    both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    async def none(at: str) -> None:
        raise OSError("no such device")

    lonely = both.punching(EVE)
    lonely._bind = none  # type: ignore[assignment]

    assert not await lonely.prepare() and "punch_not_possible" in caplog.text


async def test_the_request_is_refused_where_punching_is_not_installed(both: Both) -> None:
    both.scene.ben.app._answers._punching = None
    ada = both.scene.ada.transport

    with await ada.open_stream(both.scene.ben.id, PUNCH_PATH, b"{}", answer_s=5) as response:
        said = json.loads(await response.read(1 << 16, 5))

    assert "ppai[punch]" in said["error"]["message"]
