"""What is expected of a few peers, kept for as long as nothing is heard of any of them (P)."""

from collections.abc import Sequence
from math import inf
from operator import attrgetter

from gateway.beliefs.belief import Belief
from gateway.beliefs.columns import Column
from gateway.beliefs.expected import Expected, side_by_side

_HAS_NEWS, _LATEST = attrgetter("has_news"), attrgetter("latest")


class Few:
    """Some beliefs side by side, one at least."""

    def __init__(self, beliefs: Sequence[Belief]) -> None:
        self._beliefs = beliefs
        self._since, self._until = inf, -inf
        self._each: list[Expected[float]] = []
        self._columns: Expected[Column]

    def expect(self, now: float) -> tuple[list[Expected[float]], Expected[Column]]:
        """What each makes us expect at `now`, and the same as columns."""
        if not self._since <= now < self._until or self._is_overtaken():
            self._each = [belief.expected(now) for belief in self._beliefs]
            self._columns, self._since = side_by_side(self._each), now
            self._until = min(belief.stands_until for belief in self._beliefs)
        return self._each, self._columns

    def _is_overtaken(self) -> bool:
        """Whether something was heard of one: nobody has looked at it yet, or somebody else has."""
        return any(map(_HAS_NEWS, self._beliefs)) or list(map(_LATEST, self._beliefs)) != self._each
