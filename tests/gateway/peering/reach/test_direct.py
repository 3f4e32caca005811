"""When direct ways to peers behind a relay are tried, in which order, and what changes when one is open."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from discovery.records import Address
from gateway.peering.reach.direct import AGAIN_S, DirectWays
from tests.gateway.peering.reach.test_tunnels import Scene, nowhere, relaying

ELSEWHERE, NEIGHBOUR = Address("203.0.113.7", 8471), Address("127.0.0.9", 1025)


class Ways:
    """Ada's direct ways, at a time that the test says."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.now = scene, 0.0
        self.own = (Address("127.0.0.1", 8471),)
        self.ways = DirectWays(scene.ada.gossip, scene.ada.transport, lambda: self.own, lambda: self.now)

    def due(self) -> list[Address]:
        return [address for _, address in self.ways.due()]

    async def attempt(self) -> None:
        for way in self.ways.due():
            await self.ways.attempt(*way)


@pytest.fixture
async def ways(tmp_path: Path) -> AsyncIterator[Ways]:
    """Ada has asked ben through the relay: his own address is closed."""
    async with relaying(tmp_path) as scene:
        await scene.up()
        await scene.introduce(nowhere())
        await scene.ask()
        scene.ada.transport.answered(scene.ben.id)
        yield Ways(scene)


async def test_a_way_that_opens_is_used_from_then_on(ways: Ways) -> None:
    scene = ways.scene
    client = scene.ada.transport.client
    await ways.attempt()
    assert client.is_relayed(scene.ben.id) and scene.ada.gossip._table.far().all

    await scene.introduce(scene.ben.address)
    await ways.attempt()

    assert not client.is_relayed(scene.ben.id) and scene.ben.address == client.addresses(scene.ben.id)[0]
    assert [] == ways.due() == scene.ada.gossip._table.far().all
    through = scene.relay.rows()[0]["streams"]
    assert b"" != await scene.ask()
    assert through == scene.relay.rows()[0]["streams"]


async def test_each_is_tried_twice_a_minute_and_what_is_new_at_once(ways: Ways) -> None:
    (closed,) = ways.due()
    await ways.attempt()
    assert [] == ways.due()

    await ways.scene.introduce(closed, ELSEWHERE, NEIGHBOUR)
    assert [NEIGHBOUR, ELSEWHERE] == ways.due()

    ways.now += AGAIN_S + 1
    assert [NEIGHBOUR, ELSEWHERE, closed] == ways.due()


async def test_another_peer_at_the_address_is_not_taken_for_the_one_that_is_meant(ways: Ways) -> None:
    await ways.scene.introduce(ways.scene.hal.address)

    await ways.attempt()

    assert ways.scene.ada.transport.client.is_relayed(ways.scene.ben.id)
