"""What answers were seen to be worth, by (peer, agent, category) (P): the sums of their grades, never their text.

An answer is graded by an audit, by a person or by a sign (measuring/feedback.py). What was seen fades with a half-life
of a day, and a pair is forgotten a month after its last grade. It outlives this process: `kept`, `restore`.
"""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.records import PeerId

Floats = NDArray[np.floating[Any]]

HALF_LIFE_S = 86400.0
TOPICAL = "(topics)"  # the category of answers to queries of an agent's own topics: no gate's
REMEMBERED_S = 30 * 86400.0  # after its last grade an agent is forgotten
FADED = 0.01  # answers that are left of a category which is no longer kept: a week after the last one
_PAIRS_REMEMBERED = 4096  # agents whose answers were graded; who was graded longest ago is forgotten first


@dataclass(slots=True)
class _Seen:
    """Answers of one agent: by category the sum of scores, the sum of weights, as of when; and how many there were."""

    sums: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    count: int = 0

    def faded(self, category: str, now: float) -> tuple[float, float]:
        right, weight, at = self.sums.get(category, (0.0, 0.0, now))
        left = 0.5 ** (max(0.0, now - at) / HALF_LIFE_S)
        return right * left, weight * left

    @property
    def at(self) -> float:
        """When one of its answers was graded last."""
        return max(at for _, _, at in self.sums.values())


@dataclass(frozen=True, slots=True)
class KeptPair:
    """What was seen of one agent, to outlive this process: its times are of the wall's clock."""

    peer: str
    agent: str
    count: int
    sums: dict[str, tuple[float, float, float]]  # by category: sum of scores, sum of weights, as of when

    @property
    def is_sound(self) -> bool:
        """Whether these are sums of shares."""
        return bool(self.sums) and all(0.0 <= right <= weight for right, weight, _ in self.sums.values())


class Observations:
    """Answers that were graded here. Peers that leave are remembered: they may come back.

    `touched` names the agents of which answers were graded since it was asked last; `changes` counts all grades.
    """

    def __init__(self) -> None:
        self._pairs: OrderedDict[tuple[PeerId, str], _Seen] = OrderedDict()
        self._counts: dict[PeerId, int] = {}
        self._touched: set[tuple[PeerId, str]] = set()
        self.changes = 0

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def observe(self, peer: PeerId, agent: str, category: str, score: float, weight: float, now: float) -> None:
        """An answer of this agent to a query of this category was graded: 1 right, 0 wrong.

        `weight` up to 1 says how much it counts: 1 a grade, less a hint, such as that it is asked again elsewhere.
        A score that is no share, and what has no weight, teaches nothing.
        """
        if not (0.0 <= score <= 1.0 and weight > 0.0):
            return
        weight = min(weight, 1.0)
        of = self._pairs.setdefault((peer, agent), _Seen())
        right, seen = of.faded(category, now)
        of.sums[category] = right + score * weight, seen + weight, now
        of.count += 1
        self._counts[peer] = self.count(peer) + 1
        self._pairs.move_to_end((peer, agent))
        self._touched.add((peer, agent))
        self.changes += 1
        self._forget(now)

    def count(self, peer: PeerId) -> int:
        """How many answers of this peer were graded."""
        return self._counts.get(peer, 0)

    def count_of(self, peer: PeerId, agent: str) -> int:
        """How many of this agent."""
        return self._pairs[peer, agent].count if (peer, agent) in self._pairs else 0

    def seen(self, peer: PeerId, agent: str, categories: Sequence[str], now: float) -> tuple[Floats, Floats]:
        """Sums of scores and of weights by prototype, (K,) each; `categories`, (K,), says of which each one is."""
        of = self._pairs.get((peer, agent), _Seen())
        faded = {category: of.faded(category, now) for category in of.sums}
        found = np.array([faded.get(category, (0.0, 0.0)) for category in categories]).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def topical(self, peer: PeerId, agent: str, now: float) -> tuple[float, float]:
        """Sums of scores and of weights of answers to queries of this agent's own topics."""
        return self._pairs.get((peer, agent), _Seen()).faded(TOPICAL, now)

    def pairs(self) -> Collection[tuple[PeerId, str]]:
        """All agents of which answers were graded."""
        self._touched.clear()
        return tuple(self._pairs)

    def touched(self) -> Collection[tuple[PeerId, str]]:
        """Those of them since this, or `pairs`, was asked last."""
        found, self._touched = self._touched, set()
        return found

    def kept(self, now: float, wall: float) -> list[KeptPair]:
        """What is to be restored, who was graded last coming last; it is `wall` s by the wall's clock.

        A category of which next to nothing is left is left out, unless it is the agent's last.
        """
        found = []
        for (peer, agent), of in self._pairs.items():
            last = max(of.sums, key=lambda category: of.sums[category][2])
            left = [one for one in of.sums if one == last or of.faded(one, now)[1] >= FADED]
            sums = {one: (*of.sums[one][:2], of.sums[one][2] + wall - now) for one in left}
            found.append(KeptPair(str(peer), agent, of.count, sums))
        return found

    def restore(self, kept: Sequence[KeptPair], now: float, wall: float) -> None:
        """Take over what `kept` returned in an earlier run. A clock that was set back keeps nothing for longer."""
        for one in kept[-_PAIRS_REMEMBERED:]:
            peer, age = PeerId(one.peer), wall - now
            if one.is_sound and one.count > 0:
                sums = {name: (right, seen, min(now, at - age)) for name, (right, seen, at) in one.sums.items()}
                self._pairs[peer, one.agent] = _Seen(sums, one.count)
                self._counts[peer] = self.count(peer) + one.count
                self._touched.add((peer, one.agent))
        self._forget(now)

    def _forget(self, now: float) -> None:
        while self._pairs:
            pair, oldest = next(iter(self._pairs.items()))
            if len(self._pairs) <= _PAIRS_REMEMBERED and now - oldest.at < REMEMBERED_S:
                return
            del self._pairs[pair]
            self._touched.add(pair)
            peer = pair[0]
            self._counts[peer] -= oldest.count
            if not self._counts[peer]:
                del self._counts[peer]
