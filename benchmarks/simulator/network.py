"""What lies between peers: regions with delay and bandwidth, and how records reach everybody.

A record reaches each peer after a random delay, or never; a later record of the same peer replaces a lost one. From
there on the production rules decide what the record is worth. Gossip's own exchanges are measured by benchmarks.gossip.
A peer reads its mail when it next decides. Nothing is lost by that: nobody looks at its beliefs in between, and pulses
carry cumulative counters.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from discovery.envelopes import Signed

_NonNegative = Annotated[float, msgspec.Meta(ge=0)]
_RING = 8  # pulses remembered a peer: with delays of half a period, one in three million is older


@dataclass(frozen=True, slots=True)
class Regions:
    """One-way delays, seconds, and the bandwidth between any two peers."""

    count: Annotated[int, msgspec.Meta(ge=1)]
    within_s: _NonNegative
    across_s: _NonNegative
    bandwidth_bytes_per_s: Annotated[float, msgspec.Meta(gt=0)]

    def delay_s(self, one: int, other: int) -> float:
        """From a peer of region `one` to a peer of region `other`."""
        return self.within_s if one == other else self.across_s


@dataclass(frozen=True, slots=True)
class Spread:
    """How pulses travel. `period_s` between a peer's pulses, ±10 %; each copy exponentially delayed, or lost."""

    period_s: Annotated[float, msgspec.Meta(gt=0)]
    delay_s: _NonNegative
    loss: Annotated[float, msgspec.Meta(ge=0, lt=1)]


class Mail:
    """The pulses of `senders` peers on their way to `readers` peers."""

    def __init__(self, senders: int, readers: int, spread: Spread, rng: np.random.Generator) -> None:
        self._spread, self._rng = spread, rng
        self._pulses: list[list[Signed | None]] = [[None] * _RING for _ in range(senders)]
        self._posted = np.zeros(senders, dtype=np.int64)  # how many a sender has posted
        self._arrives = np.full((readers, senders, _RING), np.inf)
        self._number = np.full((senders, _RING), -1, dtype=np.int64)
        self._read = np.full((readers, senders), -1, dtype=np.int64)  # the newest one read

    def post(self, sender: int, pulse: Signed, now: float) -> None:
        """A pulse sets out to everybody."""
        number = int(self._posted[sender])
        slot = number % _RING
        readers = len(self._arrives)
        arrives = now + self._rng.exponential(self._spread.delay_s, readers)
        arrives[self._rng.random(readers) < self._spread.loss] = np.inf
        self._arrives[:, sender, slot] = arrives
        self._number[sender, slot] = number
        self._pulses[sender][slot] = pulse
        self._posted[sender] = number + 1

    def read(self, reader: int, now: float) -> list[tuple[Signed, float]]:
        """The newest pulse of every sender that has one the reader has not read, and when it arrived."""
        arrives = self._arrives[reader]
        number: NDArray[np.int64] = np.where(arrives <= now, self._number, -1)
        newest = number.max(axis=1)
        unread = np.flatnonzero(newest > self._read[reader])
        self._read[reader, unread] = newest[unread]
        mail = []
        for sender in unread.tolist():
            slot = int(newest[sender]) % _RING
            pulse = self._pulses[sender][slot]
            assert pulse is not None, "a number was posted with it"
            mail.append((pulse, float(arrives[sender, slot])))
        return mail
