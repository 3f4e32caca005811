"""How busy each peer was in the last five minutes (P): one sample every few seconds, for the page to draw."""

from collections import deque
from collections.abc import Callable, Mapping

EVERY_S = 5.0  # s between two samples
SAMPLES = 60  # of each peer: the last five minutes


class Loads:
    """By peer, the oldest sample first: how many jobs it has and how many wait; None where that was not known."""

    def __init__(self) -> None:
        self._past: dict[str, deque[tuple[int, int] | None]] = {}
        self._next = 0.0

    def look(self, now: float, read: Callable[[], Mapping[str, tuple[int, int] | None]]) -> None:
        """`read` what the loads are now, when the next sample is due. Peers that are gone are forgotten."""
        if now < self._next:
            return
        loads = read()
        self._next = now + EVERY_S
        self._past = {peer: self._past.get(peer) or deque[tuple[int, int] | None](maxlen=SAMPLES) for peer in loads}
        for peer, load in loads.items():
            self._past[peer].append(load)

    def past(self) -> dict[str, list[tuple[int, int] | None]]:
        """What is known of each peer."""
        return {peer: list(samples) for peer, samples in self._past.items()}
