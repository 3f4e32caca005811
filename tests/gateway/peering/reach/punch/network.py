"""A network of endpoints in memory, each at an address of loopback: what punching needs of QUIC, without packets."""

import asyncio
from dataclasses import dataclass, field

from discovery.records import Address
from gateway.peering.reach.both_ways import Stream
from gateway.peering.reach.punch.quic import Came, Link, Quic

END = b""


@dataclass(eq=False)
class MemoryStream:
    """One end of a stream; `far` is the other."""

    came: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    far: "MemoryStream | None" = None
    is_broken: bool = False

    async def read(self, limit: int) -> bytes:
        piece = await self.came.get()
        if self.is_broken:
            raise OSError("the link is gone")
        return piece

    async def write(self, piece: bytes) -> None:
        if self.is_broken or self.far is None:
            raise OSError("the link is gone")
        self.far.came.put_nowait(piece)

    async def finish(self) -> None:
        await self.write(END)

    async def abort(self) -> None:
        self.is_broken = True
        self.came.put_nowait(END)
        if self.far is not None and not self.far.is_broken:
            await self.far.abort()


@dataclass(eq=False)
class MemoryLink:
    """One end of a link. `is_dumb`: nothing that it says arrives."""

    endpoint: str
    there: Address
    said: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    opened: asyncio.Queue[MemoryStream] = field(default_factory=asyncio.Queue)
    far: "MemoryLink | None" = None
    streams: int = 0
    is_dumb: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def at(self) -> Address:
        return self.there

    async def open(self) -> Stream:
        near, there = MemoryStream(), MemoryStream()
        near.far, there.far = there, near
        assert self.far is not None
        self.far.opened.put_nowait(there)
        self.streams += 1
        return near

    async def accept(self) -> Stream:
        return await self._unless_ended(self.opened.get())

    def say(self, words: bytes) -> None:
        if self.ended.is_set():
            raise OSError("the link is gone")
        if not self.is_dumb and self.far is not None:
            self.far.said.put_nowait(words)

    async def hear(self) -> bytes:
        return await self._unless_ended(self.said.get())

    def close(self) -> None:
        self.ended.set()
        if self.far is not None:
            self.far.ended.set()

    async def _unless_ended(self, work):  # type: ignore[no-untyped-def]
        working, ending = asyncio.ensure_future(work), asyncio.ensure_future(self.ended.wait())
        await asyncio.wait((working, ending), return_when=asyncio.FIRST_COMPLETED)
        for one in (working, ending):
            one.cancel()
        if not working.done() or working.cancelled():
            raise OSError("the link is gone")
        return working.result()


class MemoryNetwork:
    """`links` are the nearer ends of all that were opened, by who opened them."""

    def __init__(self) -> None:
        self.endpoints: dict[str, MemoryEndpoint] = {}
        self.links: dict[str, list[MemoryLink]] = {}

    def bind(self, number: int):  # type: ignore[no-untyped-def]
        """What binds the endpoint of this number; its packets come from that port."""

        async def bound(at: str) -> Quic:
            return MemoryEndpoint(self, f"{number:064x}", Address("127.0.0.1", 20000 + number))

        return bound


class MemoryEndpoint:
    def __init__(self, network: MemoryNetwork, name: str, at: Address) -> None:
        self.id, self.where, self._network = name, at, network
        self.came: asyncio.Queue[MemoryLink] = asyncio.Queue()
        network.endpoints[name] = self

    async def connect(self, endpoint: str, at: Address) -> Link:
        there = self._network.endpoints.get(endpoint)
        if there is None or there.where != at:
            raise OSError("no answer there")
        near, far = MemoryLink(endpoint, at), MemoryLink(self.id, self.where)
        near.far, far.far = far, near
        there.came.put_nowait(far)
        self._network.links.setdefault(self.id, []).append(near)
        return near

    async def run(self, came: Came) -> None:
        async def deal(link: MemoryLink) -> None:
            try:
                await came(link)
            except OSError:
                pass
            finally:
                link.close()

        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(deal(await self.came.get()))

    async def close(self) -> None:
        self._network.endpoints.pop(self.id, None)
