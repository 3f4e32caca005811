"""Who watches the page's stream: each is told everything once, and then what changes.

Nothing is read for the page while nobody watches, but a sample of the loads every few seconds. While somebody does, a
look takes a twentieth of the time at most, and gives way to requests again and again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Protocol

import msgspec

from gateway.client.page.board import Board, Change
from gateway.client.page.loads import EVERY_S, Loads
from gateway.client.page.showing import may_see

log = logging.getLogger(__name__)

LOOK_S = 0.4  # s between two looks at the peer while somebody watches
LOOK_SHARE = 0.05  # of the time that looks may take: with very many peers there are fewer
AT_ONCE = 24  # keys that are read until others get the event loop
SIGN_S = 15.0  # s without news, until a page is told that the peer is there
WATCHERS = 16  # streams at a time
NOT_OWNER = b"event: entry\ndata: {}\n\n"  # the page is not the owner's, or not any longer


class TooMany(Exception):
    """As many pages watch as may."""


class Shown(Protocol):
    """What is looked at (showing.py)."""

    def loads(self) -> dict[str, tuple[int, int] | None]: ...

    def values(self) -> Iterator[tuple[str, bytes]]: ...


class Watching:
    """The board, and the streams that are told of it."""

    def __init__(self, shown: Shown, boot: str, clock: Callable[[], float]) -> None:
        """`boot` names this run of the peer: a page that knows another is told everything anew."""
        self._shown, self._boot, self._clock = shown, boot, clock
        self._board, self._loads = Board(), Loads()
        self._changed, self._watched = asyncio.Event(), asyncio.Event()
        self._watchers, self._is_over = 0, False
        self._looking = asyncio.Lock()

    async def run(self) -> None:
        """Look, for as long as the peer serves."""
        while True:
            if self._watchers:
                await asyncio.sleep(max(LOOK_S, await self._looked_s() / LOOK_SHARE))
                continue
            self._loads.look(self._clock(), self._shown.loads)
            self._watched.clear()
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._watched.wait()
            except TimeoutError:
                pass

    def end(self) -> None:
        """The peer is being stopped: every stream ends, and its page asks again until one is there."""
        self._is_over = True
        self._tell()

    async def stream(
        self, last: str, is_owner: Callable[[], bool], *, says_owner: bool = False
    ) -> AsyncIterator[bytes]:
        """Events for one page; `last` is the id of the last one that it had, empty of none. Raises TooMany.

        `is_owner` is asked anew for each: whoever is not any longer is told so, and the stream ends. So is, at once,
        who `says_owner` and is not: his page holds a token of an earlier run of the peer.
        """
        if self._watchers >= WATCHERS:
            raise TooMany
        self._watchers += 1
        try:
            self._watched.set()
            await self._look()
            began_as_owner, version = is_owner(), self._version_of(last)
            if says_owner and not began_as_owner:
                yield NOT_OWNER
                return
            yield b"event: past\ndata: " + msgspec.json.encode(self._loads.past()) + b"\n\n"
            while True:
                if is_owner() != began_as_owner:
                    yield NOT_OWNER
                    return
                change = self._board.since(version, lambda key: may_see(key, is_owner=began_as_owner))
                version = change.version
                yield b": here\n\n" if change.is_empty else self._event(change)
                if not await self._goes_on(version):
                    return
        finally:
            self._watchers -= 1

    async def _goes_on(self, version: int) -> bool:
        """Wait until the board is newer, or a sign of life is due. False: the peer ends, and there is no news."""
        try:
            async with asyncio.timeout(SIGN_S):
                while self._board.version == version and not self._is_over:
                    await self._changed.wait()
        except TimeoutError:
            pass
        return self._board.version != version or not self._is_over

    async def _looked_s(self) -> float:
        """What a look took; a bug in what is shown is told, and ends no peer."""
        try:
            return await self._look()
        except Exception:  # of whatever part of the peer is looked at
            log.exception("bug=page")
            return SIGN_S * LOOK_SHARE

    async def _look(self) -> float:
        """Show what there is now; the seconds that it took of the event loop."""
        async with self._looking:
            began, took_s, found = self._clock(), 0.0, dict[str, bytes]()
            self._loads.look(began, self._shown.loads)
            for number, (key, value) in enumerate(self._shown.values(), 1):
                found[key] = value
                if number % AT_ONCE == 0:
                    took_s += self._clock() - began
                    await asyncio.sleep(0)
                    began = self._clock()
            if self._board.show(found):
                self._tell()
            return took_s + self._clock() - began

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _version_of(self, last: str) -> int | None:
        """The version of an id that this run gave out; None of any other."""
        boot, _, version = last.partition("-")
        return int(version) if boot == self._boot and version.isascii() and version.isdigit() else None

    def _event(self, change: Change) -> bytes:
        """The change as one event, whose values are JSON already."""
        keys = b",".join(msgspec.json.encode(key) + b":" + value for key, value in change.values.items())
        gone, is_all = msgspec.json.encode(change.gone), b"true" if change.is_all else b"false"
        head = f"id: {self._boot}-{change.version}\nevent: change\ndata: ".encode()
        return head + b'{"all":' + is_all + b',"set":{' + keys + b'},"gone":' + gone + b"}\n\n"
