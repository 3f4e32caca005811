"""A worker and its owner in one process, with their stream of messages in memory, or the worker on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway.server.exchange import Exchange
from gateway.server.turns import Turns, meeting
from gateway.workers.answering import Answering
from gateway.workers.carrying import Carrying
from gateway.workers.frames import FROM_OWNER
from gateway.workers.lending import Lending
from gateway.workers.link import Link
from tests.gateway.server.serving import Served, serving


class Wire(asyncio.Transport):
    """What is written here, the other end hears in the next turn of the event loop."""

    def __init__(self) -> None:
        super().__init__()
        self.other: asyncio.Protocol
        self._is_closed = False

    def write(self, data: Any) -> None:
        asyncio.get_running_loop().call_soon(self.other.data_received, bytes(data))

    def is_closing(self) -> bool:
        return self._is_closed

    def close(self) -> None:
        self._is_closed = True
        asyncio.get_running_loop().call_soon(self.other.connection_lost, None)


def pair(app: Any, lending: Lending | None = None) -> tuple[Carrying, Answering]:
    """A worker, and what answers its requests by `app`."""
    answering, ours, theirs = Answering(meeting(app), Turns(), lending), Wire(), Wire()
    link: Link
    carrying = Carrying(lambda frame: link.say(frame))
    link = Link(FROM_OWNER, carrying.hear, carrying.end)
    ours.other, theirs.other = link, answering.link
    answering.link.connection_made(ours)
    link.connection_made(theirs)
    return carrying, answering


@dataclass
class Working:
    """A worker that listens."""

    served: Served
    carrying: Carrying
    answering: Answering


@asynccontextmanager
async def working(answer: Callable[[Exchange], Awaitable[None]]) -> AsyncIterator[Working]:
    """A worker on loopback, whose owner has `answer` answer."""

    class App:
        async def meet(self, exchange: Exchange) -> None:
            await answer(exchange)

    carrying, answering = pair(App())
    async with serving(carrying) as served:  # type: ignore[arg-type]  # it meets its exchanges
        yield Working(served, carrying, answering)
    carrying.close()
