"""What is expected of a few peers, kept for as long as nothing is heard of any of them (P)."""

from collections.abc import Sequence
from math import inf
from operator import attrgetter

from gateway.beliefs.belief import ADMISSION_LEVEL, Belief
from gateway.beliefs.expected import Expected, side_by_side

_HAS_NEWS, _MOVED, _LATEST = attrgetter("has_news"), attrgetter("moved"), attrgetter("latest")


class Others:
    """What is expected of a few peers at one moment."""

    def __init__(self, each: Sequence[Expected[float]]) -> None:
        self.each, self.columns = each, side_by_side(each)
        self.least: Expected[float] = Expected(*map(min, self.columns))  # nobody has less of anything
        self.is_any_closed = max(self.columns.admission) >= ADMISSION_LEVEL["closed"]
        self._some: dict[tuple[int, ...], Others] = {}

    def at(self, places: Sequence[int]) -> "Others":
        """Those of them who stand at these places, in their order."""
        if len(places) == len(self.each):
            return self
        key = tuple(places)
        if (some := self._some.get(key)) is None:
            some = self._some[key] = Others([self.each[place] for place in places])
        return some


class Few:
    """Some beliefs side by side, one at least."""

    def __init__(self, beliefs: Sequence[Belief]) -> None:
        self._beliefs = beliefs
        self._since, self._until = inf, -inf
        self._latest: list[Expected[float]] = []
        self._others: Others

    def expect(self, now: float) -> Others:
        """What they make us expect at `now`."""
        if not self._since <= now < self._until or self._is_overtaken():
            self._latest = each = [belief.expected(now) for belief in self._beliefs]
            self._others, self._since = Others(each), now
            self._until = min(belief.stands_until for belief in self._beliefs)
        return self._others

    def _is_overtaken(self) -> bool:
        """Whether something was heard of one: nobody has looked at it yet, or somebody else has."""
        beliefs = self._beliefs
        if any(map(_HAS_NEWS, beliefs)) or any(map(_MOVED, beliefs)):
            return True
        return list(map(_LATEST, beliefs)) != self._latest
