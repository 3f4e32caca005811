"""A rendezvous tells outer addresses to peers of its own that named their endpoint, and nothing to others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from discovery.records import Address, PeerId
from gateway.peering.reach.punch.rendezvous import Rendezvous
from tests.gateway.peering.asking import until
from tests.gateway.peering.reach.punch.network import MemoryNetwork

HERE, BEN, CLEO = Address("127.0.0.1", 20001), PeerId("ben"), PeerId("cleo")


@asynccontextmanager
async def meeting(allowed: set[PeerId], limit: int = 8) -> AsyncIterator[tuple[Rendezvous, MemoryNetwork]]:
    network, made = MemoryNetwork(), Rendezvous(lambda peer: peer in allowed, limit)
    running = asyncio.create_task(made.run(network.bind(1), HERE))
    await until(lambda: made.endpoint)
    try:
        yield made, network
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_peer_that_named_its_endpoint_is_told_from_where_its_packets_come() -> None:
    async with meeting({BEN}) as (made, network):
        ben = await network.bind(2)("")
        made.expect(BEN, ben.id)

        link = await ben.connect(made.endpoint, HERE)

        assert b"127.0.0.1:20002" == await link.hear()


async def test_the_link_of_an_endpoint_that_nobody_named_is_closed() -> None:
    async with meeting({BEN}) as (made, network):
        link = await (await network.bind(2)("")).connect(made.endpoint, HERE)

        await until(lambda: link.ended.is_set())

        assert link.said.empty()


async def test_whose_right_ended_is_told_nothing() -> None:
    async with meeting(set()) as (made, network):
        ben = await network.bind(2)("")
        made.expect(BEN, ben.id)

        link = await ben.connect(made.endpoint, HERE)
        await until(lambda: link.ended.is_set())

        assert link.said.empty()


async def test_a_peer_has_one_link_the_newest() -> None:
    async with meeting({BEN}) as (made, network):
        ben = await network.bind(2)("")
        made.expect(BEN, ben.id)
        first = await ben.connect(made.endpoint, HERE)
        await first.hear()

        second = await ben.connect(made.endpoint, HERE)
        await second.hear()

        await until(lambda: first.ended.is_set())
        assert [BEN] == list(made._links) and not second.ended.is_set()


async def test_it_remembers_so_many_endpoints_and_one_of_each_peer() -> None:
    async with meeting({BEN, CLEO}, limit=2) as (made, _):
        made.expect(BEN, "a" * 64)
        for number in range(5):
            made.expect(CLEO, f"{number:064x}")
        assert {BEN: "a" * 64, CLEO: f"{4:064x}"} == dict(made._named)

        made.expect(PeerId("dora"), "b" * 64)
        assert [CLEO, PeerId("dora")] == list(made._named)
