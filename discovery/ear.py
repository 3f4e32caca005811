"""Who is heard by multicast, and when. What listens for it is mdns.py, which is loaded where it is wanted."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress

from discovery.records import PeerId

SERVICE = "_ppai._tcp.local."
SETTLING_S = 3.0  # s from when we listen until it tells who is heard
HEARD_LIMIT = 1024  # peers of which we remember when they were heard last


class Ear:
    """When each peer was heard by multicast last, whatever it announced; and a way to be heard at this moment.

    Of a link that carries multicast one way alone, one side hears the other and is not heard. What comes in the first
    seconds tells nothing: our first questions may be answered to us alone.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heard: OrderedDict[str, float] = OrderedDict()  # label -> when, the longest silent first
        self._news = asyncio.Event()
        self._settled_at = math.inf
        self._announce: Callable[[], None] | None = None  # None: nobody listens

    def announce(self) -> None:
        """Say that we are here, now, if we announce ourselves at all."""
        if self._announce is not None:
            self._announce()

    async def settled(self, margin_s: float) -> None:
        """Return when it tells who was heard in the last `margin_s` seconds, if it listens at all."""
        if self._announce is not None:
            await asyncio.sleep(self._settled_at - self._clock() + margin_s)

    async def hears(self, peer: PeerId, since: float, within_s: float) -> bool | None:
        """Whether this peer was heard after `since`, or is within that many seconds; None: we did not listen then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._announce is not None and self._heard.get(label_of(peer), -math.inf) < since:
                    self._news.clear()
                    await self._news.wait()
        if self._announce is None or since < self._settled_at:
            return None
        return self._heard.get(label_of(peer), -math.inf) >= since

    def heard(self, names: Iterable[str]) -> None:
        """Note what a packet has records of, known or not."""
        for name in names:
            if name.endswith(f".{SERVICE}"):
                self._heard.pop(name.removesuffix(f".{SERVICE}"), None)
                self._heard[name.removesuffix(f".{SERVICE}")] = self._clock()
        while len(self._heard) > HEARD_LIMIT:
            self._heard.popitem(last=False)
        self._news.set()

    def open(self, announce: Callable[[], None]) -> None:
        """From now on somebody listens for it; `announce` says by multicast that we are here."""
        self._announce, self._settled_at = announce, self._clock() + SETTLING_S

    def close(self) -> None:
        """Neither listen nor announce any more."""
        self._announce = None


def label_of(peer: PeerId) -> str:
    """The peer's name in its announcement."""
    return f"ppai-{peer[:20]}"
