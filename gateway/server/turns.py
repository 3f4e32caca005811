"""How requests begin to be answered: each in a task of its own, and only so many in one turn of the event loop."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from gateway.server.exchange import Exchange

log = logging.getLogger(__name__)

AT_ONCE = 8  # requests
STREAMS_AT_ONCE = 2  # of them: its first word is what a stream waits for, and each turn costs a look at the sockets

Meet = Callable[[Exchange], Coroutine[Any, Any, None]]  # answers a request
UnderWay = set[asyncio.Task[None]]


def meeting(app: Any) -> Meet:
    """How `app` answers a request: an app of ours meets its exchange (`meet`), any other gets ASGI's messages."""

    def by_messages(exchange: Exchange) -> Coroutine[Any, Any, None]:
        answering: Coroutine[Any, Any, None] = app(exchange.scope(), exchange.receive, exchange.send_message)
        return answering

    meet: Meet = getattr(app, "meet", by_messages)
    return meet


class Turns:
    """Begins requests in the order in which they came, AT_ONCE in each turn of the event loop.

    A loop that has read 64 requests runs all of them before it looks at its sockets again: the first words of those
    that were sent on first, and the next words of all streams under way, would wait until the last one is sent on.
    What was answered last tells what is likely to come: behind a stream it is STREAMS_AT_ONCE.
    """

    def __init__(self) -> None:
        self._at_once = AT_ONCE
        self._begun = 0  # whose tasks have not run yet: they do so in the next turn
        self._waiting = deque[_Waiting]()

    def begin(self, exchange: Exchange, meet: Meet, under_way: UnderWay) -> None:
        """Have `meet` answer a request, from now or one of the next turns on; its task is `under_way` until it ends."""
        if self._waiting or self._begun >= self._at_once:
            self._waiting.append(_Waiting(exchange, meet, under_way))
            if len(self._waiting) == 1:
                asyncio.get_running_loop().call_soon(self._next)
        else:
            self._begin(exchange, meet, under_way)

    def _begin(self, exchange: Exchange, meet: Meet, under_way: UnderWay) -> None:
        self._begun += 1
        exchange.task = task = asyncio.get_running_loop().create_task(self._met(exchange, meet, under_way))
        under_way.add(task)

    def _next(self) -> None:
        """The next turn, behind all that were begun: those that wait have it first."""
        waiting, self._begun = self._waiting, 0
        while waiting and self._begun < self._at_once:
            self._begin(*waiting.popleft())
        if waiting:
            asyncio.get_running_loop().call_soon(self._next)

    async def _met(self, exchange: Exchange, meet: Meet, under_way: UnderWay) -> None:
        """Have a request answered, to its end; its task, which is this one, is then no longer under way."""
        if self._begun:
            self._begun -= 1
        try:
            await meet(exchange)
        except asyncio.CancelledError:  # who serves it cancelled it, and it has told its client
            pass
        except Exception:
            log.exception("bug=app")
        if not exchange.is_complete and not exchange.is_gone:
            log.error("bug=answer_without_end started=%s", exchange.has_started)
            exchange.give_up()
        self._at_once = STREAMS_AT_ONCE if exchange.was_poured else AT_ONCE
        under_way.discard(exchange.task)


class _Waiting(NamedTuple):
    """What `begin` was given."""

    exchange: Exchange
    meet: Meet
    under_way: UnderWay
