"""What the owner does with the requests that one worker hands over: its app answers them, as if they had come here."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from gateway.server.turns import Turns
from gateway.workers.far import FarExchange
from gateway.workers.frames import FROM_WORKER, Came, Done, FromWorker, Gone, Logged
from gateway.workers.heads import Hearing
from gateway.workers.lending import Lending
from gateway.workers.link import Link

Meet = Callable[..., Coroutine[Any, Any, None]]


class Answering:
    """See the module. `link` is our end of the stream of messages."""

    def __init__(self, meet: Meet, turns: Turns, lending: Lending | None = None) -> None:
        """`meet` answers a request (gateway.server.turns.meeting). `turns`: of all workers.

        It is also given `let_in`, what the worker found, of a request that a worker let in and read. `lending`: whoever
        gives workers standing orders.
        """
        self.link = Link(FROM_WORKER, self.hear, self.lose)
        self.tasks, self._ended = set[asyncio.Task[None]](), asyncio.Event()
        self._meet, self._turns = meet, turns
        self._exchanges, self._heads = dict[int, FarExchange](), Hearing()
        self._lender = None if lending is None else lending.to(self.link.say)

    def hear(self, frame: FromWorker) -> None:
        """A message of the worker."""
        if isinstance(frame, Came):
            exchange = FarExchange(frame, self._heads.head(frame.head), self.link.say, self._over)
            self._exchanges[frame.number] = exchange
            meet = self._meet if exchange.let_in is None else partial(self._meet, let_in=exchange.let_in)
            self._turns.begin(exchange, meet, self.tasks)
            if self._lender is not None and frame.let_in is not None and frame.is_plain:
                self._lender.came(frame.let_in.read.asks)
        elif isinstance(frame, Done):
            assert self._lender is not None, "what is done by an order was given"
            self._lender.done(frame)
        elif (known := self._exchanges.get(frame.number)) is not None:
            if isinstance(frame, Gone):
                del self._exchanges[frame.number]
                known.lose()
            else:
                known.hear(frame)
        elif isinstance(frame, Logged):
            logging.getLogger(frame.name).log(frame.level, "%s", frame.text)

    def lose(self) -> None:
        """It has ended: so have its clients."""
        self._ended.set()
        while self._exchanges:
            self._exchanges.popitem()[1].lose()
        if self._lender is not None:
            self._lender.lose()

    async def has_ended(self) -> None:
        """Return once it has, and all that it said was heard."""
        await self._ended.wait()

    def _over(self, number: int) -> None:
        self._exchanges.pop(number, None)
