"""What we saw of the ways to one peer: how far it is by each, and how fast large bodies get there.

A peer is reached directly, through a relay or through both NATs, and what is true of one way says little of another: a
laptop that comes home is near again at once. Knows nothing of addresses, nor of what the bodies held.
"""

from dataclasses import dataclass, field

from discovery.contacts import Way

LEAST_BYTES_PER_S = 1 << 14  # a body that is slower is given up (discovery/uploads.py)
PRIOR_BYTES = 1 << 20  # a body of so many bytes weighs as much as what is assumed beforehand
REMEMBERED_BYTES = 1 << 24  # of bodies: with more, what was seen before fades


@dataclass(slots=True)
class _Seen:
    """One way. `sent_s`: seconds that `sent_bytes` of large bodies took, beside the round trip."""

    rtt_s: float
    sent_s: float = 0.0
    sent_bytes: float = 0.0


@dataclass(slots=True)
class Ways:
    """The ways to one peer; the one that was seen last is taken for the one that the next request goes.

    The first two fields are what is assumed of each until it was measured.
    """

    prior_rtt_s: float
    prior_bandwidth_bytes_per_s: float
    _last: Way = "direct"
    _seen: dict[Way, _Seen] = field(default_factory=dict)

    @property
    def rtt_s(self) -> float:
        """A round trip, s."""
        seen = self._seen.get(self._last)
        return seen.rtt_s if seen else self.prior_rtt_s

    @property
    def byte_s(self) -> float:
        """Seconds that each byte of a body takes: the mean of what was assumed and what was seen, by bytes."""
        seen = self._seen.get(self._last)
        if seen is None:
            return 1 / self.prior_bandwidth_bytes_per_s
        return (PRIOR_BYTES / self.prior_bandwidth_bytes_per_s + seen.sent_s) / (PRIOR_BYTES + seen.sent_bytes)

    def observe_rtt(self, rtt_s: float, way: Way) -> None:
        """One round trip; smoothed as TCP does (RFC 6298, gain 1/8)."""
        seen = self._take(way)
        seen.rtt_s += (rtt_s - seen.rtt_s) / 8

    def observe_sent(self, size_bytes: int, took_s: float, way: Way) -> None:
        """A body of this size was there `took_s` after it was begun; it teaches no more than can be."""
        seen = self._take(way)
        seen.sent_s += min(max(0.0, took_s - seen.rtt_s), size_bytes / LEAST_BYTES_PER_S)
        seen.sent_bytes += size_bytes
        keep = min(1.0, REMEMBERED_BYTES / seen.sent_bytes)
        seen.sent_s *= keep
        seen.sent_bytes *= keep

    def _take(self, way: Way) -> _Seen:
        self._last = way
        return self._seen.setdefault(way, _Seen(self.prior_rtt_s))
