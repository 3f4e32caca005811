"""One answer of a server, an engine or a peer, as whoever asked reads it: whole, or piece by piece as it comes.

Its connection (connection.py) fills it. Knows nothing of HTTP, nor of what was asked.
"""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol


class ConnectionBroken(Exception):
    """The server closed the connection, or sent bytes that are not HTTP, before its answer was complete."""


class NothingCame(ConnectionBroken):
    """The connection ended before it sent anything: one that was kept may have been closed before it was asked on."""


class NotHttp(ConnectionBroken):
    """What came is no HTTP."""


class CutShort(ConnectionBroken):
    """The connection ended after the head of an answer, and before its body's end."""


class Carrier(Protocol):
    """The connection that an answer comes on (connection.py)."""

    loop: asyncio.AbstractEventLoop
    looks_at: float
    session: object
    takes: Callable[[bytes], bool] | None  # a piece of the body: see Sink

    def look_at(self, at: float) -> None: ...

    def taken_bytes(self) -> int: ...

    def go_on(self) -> None:
        """Read on: the reader has taken what had come."""
        ...

    def left(self, at_its_end: bool) -> None:
        """The answer has ended for its reader, but is not complete."""
        ...


class Sink(Protocol):
    """Takes pieces of a body where they are read, so that their reader need not be woken."""

    @property
    def at(self) -> float:
        """When it last took one, by the event loop's time; before all times until then."""
        ...

    def take(self, piece: bytes) -> bool:
        """Whether it took the piece; if not, the reader gets it."""
        ...


class Answer:
    """One answer, filled by its connection while it comes, and read by whoever asked. Header names: lower case."""

    # What is so until something happens.
    status = 0
    headers: Mapping[str, str] = {}
    has_head = is_complete = is_released = False
    error: ConnectionBroken | None = None
    ended: Callable[[], None] | None = None  # called once it is released
    asked_at = 0.0  # when the request was given to the connection, where who asked notes it
    seal: Callable[[bytes], bytes] | None = None  # of a request in a session: see Session.sealer
    untaken_bytes = 0
    _waiter: asyncio.Future[None] | None = None
    _until = 0.0  # when the reader who waits gives up
    _within_s = 0.0  # how long after a piece he waits for the next
    _sink: Sink | None = None  # is offered what comes while the reader waits

    def __init__(self, connection: Carrier) -> None:
        self.connection, self._loop = connection, connection.loop
        self.pieces: list[bytes] = []

    def __enter__(self) -> "Answer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @property
    def taken_bytes(self) -> int:
        """How much of the request the server has taken: see Connection.count_taken."""
        return self.connection.taken_bytes()

    async def begun(self, until: float, *, may_yet: bool = False) -> "Answer":
        """Wait for status and headers; returns itself. Where it raises, the connection is closed.

        `until` is the event loop's time; after it they may yet come where `may_yet`. Raises ConnectionBroken,
        TimeoutError.
        """
        self._until = until
        try:
            while not self.has_head:
                if self.error:
                    raise self._raised(self.error)
                await self._news()
        except BaseException as error:
            if not (may_yet and isinstance(error, TimeoutError)):
                self.release()
            raise
        return self

    async def begins(self, until: float) -> bool:
        """Whether status and headers come by then; if not, they may yet. Raises ConnectionBroken."""
        try:
            await self.begun(until, may_yet=True)
        except TimeoutError:
            return False
        return True

    async def piece(self, within_s: float, sink: Sink | None = None) -> bytes:
        """The bytes of the body that came since the last call, at least one; empty at the body's end.

        What the sink takes meanwhile is not among them, and after each there are `within_s` again. It is offered what
        comes until it does not take a piece, or the body ends. Raises ConnectionBroken, TimeoutError.
        """
        if not self.pieces:
            self._within_s, self._until = within_s, self._loop.time() + within_s
            while not self.pieces:
                if self.is_complete:
                    return b""
                if self.error:
                    raise self._raised(self.error)
                if sink is None:
                    await self._news()
                else:
                    await self._poured(sink)
        taken = self._untaken()
        if not self.is_complete:
            self.connection.go_on()
        return taken

    async def _poured(self, sink: Sink) -> None:
        self._sink, self.connection.takes = sink, sink.take
        try:
            await self._news()
        finally:  # it has this object, which would with it not be freed at once
            self._sink = None
            if not self.is_complete:
                self.connection.takes = None

    async def read(self, limit_bytes: int, within_s: float) -> bytes:
        """The whole body, or somewhat more than `limit_bytes` of a longer one.

        Raises ConnectionBroken, TimeoutError.
        """
        body, until = bytearray(), self._loop.time() + within_s
        while len(body) <= limit_bytes and (piece := await self.piece(until - self._loop.time())):
            body += piece
        return bytes(body)

    def release(self, *, at_its_end: bool = False) -> None:
        """End this answer. If all of it has come, its connection is kept; else the connection is closed.

        `at_its_end`: all but the end mark was read, for which the connection waits LINGER_S.
        """
        if not self.is_released:
            self.is_released = True
            if not self.is_complete:
                self.connection.left(at_its_end)
            if self.ended is not None:
                self.ended()

    def whole(self) -> bytes | None:
        """What is not yet read of the body, where all of it has come; None: wait for it by `piece`."""
        if not self.is_complete:
            return None
        return self.pieces.pop() if len(self.pieces) == 1 else self._untaken()

    def wake(self) -> None:
        """The answer has changed: wake the reader."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @staticmethod
    def _raised(error: ConnectionBroken) -> ConnectionBroken:
        """A copy to raise: what is raised leads to its reader's frame, by that to this answer, and so to `error`."""
        copy = type(error)(*error.args)
        copy.__cause__ = error.__cause__
        return copy

    def _untaken(self) -> bytes:
        pieces, self.pieces, self.untaken_bytes = self.pieces, [], 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _news(self) -> asyncio.Future[None]:
        """To wait for until the answer has changed, or time is up."""
        self._waiter = waiter = self._loop.create_future()
        if self._until < self.connection.looks_at:
            self.connection.look_at(self._until)
        return waiter

    def check(self, now: float) -> None:
        """Give up where somebody waits and his time is up; else have this called when it will be."""
        if self._waiter is None or self._waiter.done():
            return
        until = self._until if self._sink is None else max(self._until, self._sink.at + self._within_s)
        if now < until:
            self.connection.look_at(until)
        else:
            self._waiter.set_exception(TimeoutError())
            self._waiter = None  # by the exception it will lead to its reader's frame, and by that back here
