"""When a peer may be audited, and on what (P): a small share of what we ask it anyway, and of the same kind.

Each answer of a peer to a request of ours earns a part of an audit. So who is not used is not asked, what is audited is
what we use it for, and nobody pays for more than a twentieth of our traffic.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from discovery.records import PeerId

FIRST, FIRST_SHARE, SHARE = 20, 0.05, 0.01  # of our traffic to a peer: for so many audits, and after them
DAY_S, A_DAY = 86400.0, 50  # audits of one peer a day, at most
SAVED = 2.0  # audits that are saved up while none may be made
_PEERS = 1024  # who answered us longest ago is forgotten first


class Due(msgspec.Struct, frozen=True):
    """Whom to audit, and the kind of what it answered last."""

    peer: PeerId
    agent: str
    category: str


@dataclass(slots=True)
class _Account:
    last: Due
    earned: float = 0.0
    audits: int = 0
    times: deque[float] = field(default_factory=deque)  # of those of the last day


class Budget:
    """Which audits our traffic pays for."""

    def __init__(self) -> None:
        self._accounts: OrderedDict[PeerId, _Account] = OrderedDict()

    def answered(self, peer: PeerId, agent: str, category: str, *, is_doubted: bool = False) -> None:
        """A peer's agent answered a request of ours, of a category of our gate. Who is doubted is asked as at first."""
        last = Due(peer, agent, category)
        of = self._accounts.get(peer)
        if of is None:
            of = self._accounts[peer] = _Account(last)
        of.last = last
        of.earned += FIRST_SHARE if of.audits < FIRST or is_doubted else SHARE
        if of.earned > SAVED:
            of.earned = SAVED
        self._accounts.move_to_end(peer)
        if len(self._accounts) > _PEERS:
            self._accounts.popitem(last=False)

    def due(self, may: Callable[[PeerId], bool], now: float) -> Due | None:
        """Whose turn it is of those that may be audited: who earned most. None: nobody's."""
        earned = [of for of in self._accounts.values() if of.earned >= 1.0 - 1e-9 and self._has_room(of, now)]
        best = max((of for of in earned if may(of.last.peer)), key=lambda of: of.earned, default=None)
        return best.last if best else None

    def has_earned(self, peer: PeerId, now: float) -> bool:
        """Whether our traffic pays for an audit of this peer now."""
        of = self._accounts.get(peer)
        return of is not None and of.earned >= 1.0 - 1e-9 and self._has_room(of, now)

    def suspect(self, peer: PeerId) -> None:
        """Something speaks against it: it is asked as often as at first, for as many audits."""
        if peer in self._accounts:
            self._accounts[peer].audits = 0

    def spend(self, peer: PeerId, now: float) -> None:
        """It is audited now."""
        of = self._accounts[peer]
        of.earned, of.audits = max(0.0, of.earned - 1.0), of.audits + 1
        of.times.append(now)

    def _has_room(self, of: _Account, now: float) -> bool:
        while of.times and of.times[0] <= now - DAY_S:
            of.times.popleft()
        return len(of.times) < A_DAY
