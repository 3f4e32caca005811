"""Whose new cards are passed on, and how many times more."""

import math
from collections.abc import Iterator

from discovery.records import PeerId


class Rumours:
    """News of few peers: where more are new, digests bring them at less cost."""

    def __init__(self, limit: int, factor: int) -> None:
        """At most `limit` cards are passed on at a time, each factor * ceil(log10(N + 1)) times, as memberlist does."""
        self._limit, self._factor = limit, factor
        self._left: dict[PeerId, int] = {}

    def __iter__(self) -> Iterator[PeerId]:
        return iter(self._left)

    def __bool__(self) -> bool:
        return bool(self._left)

    def start(self, peer: PeerId, living: int) -> None:
        """This peer's card is new; `living`: how many others there are."""
        if peer in self._left or len(self._left) < self._limit:
            self._left[peer] = self._factor * math.ceil(math.log10(living + 2))

    def count(self, times: int) -> None:
        """Each was passed on so many times."""
        left = {peer: count - max(1, times) for peer, count in self._left.items()}
        self._left = {peer: count for peer, count in left.items() if count > 0}
