"""What the owner does with the requests that one worker hands over: its app answers them, as if they had come here."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from gateway.server.turns import Turns
from gateway.workers.far import FarExchange
from gateway.workers.frames import FROM_WORKER, Came, FromWorker, Gone, Logged
from gateway.workers.heads import Hearing
from gateway.workers.link import Link

Meet = Callable[..., Coroutine[Any, Any, None]]


class Answering:
    """See the module. `link` is our end of the stream of messages."""

    def __init__(self, meet: Meet, turns: Turns) -> None:
        """`meet` answers a request (gateway.server.turns.meeting). `turns`: of all workers.

        It is also given `let_in`, what the worker found, of a request that a worker let in and read.
        """
        self.link = Link(FROM_WORKER, self.hear, self.lose)
        self.tasks = set[asyncio.Task[None]]()
        self._meet, self._turns = meet, turns
        self._exchanges, self._heads = dict[int, FarExchange](), Hearing()

    def hear(self, frame: FromWorker) -> None:
        """A message of the worker."""
        if isinstance(frame, Came):
            exchange = FarExchange(frame, self._heads.head(frame.head), self.link.say, self._over)
            self._exchanges[frame.number] = exchange
            meet = self._meet if exchange.let_in is None else partial(self._meet, let_in=exchange.let_in)
            self._turns.begin(exchange, meet, self.tasks)
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
        while self._exchanges:
            self._exchanges.popitem()[1].lose()

    def _over(self, number: int) -> None:
        self._exchanges.pop(number, None)
