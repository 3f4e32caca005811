"""Rate limits by key (token buckets), for a bounded number of keys. Pure: the caller passes the time."""

from collections import OrderedDict
from math import inf
from typing import NamedTuple


class Rate(NamedTuple):
    """What a bucket lets through, by when it is full again (GCRA)."""

    act_s: float  # s that it takes to fill up again after one act
    early_s: float  # s before it is full at which one may act; none may where one act is more than the burst


def rate(per_s: float, burst: float) -> Rate:
    """`per_s` acts a second in the long run, `burst` at once."""
    act_s, burst_s = 1 / per_s, burst / per_s
    return Rate(act_s, burst_s - act_s if act_s <= burst_s else -inf)


class Throttle:
    """Lets each key act `rate_per_s` times a second in the long run, and `burst` times at once.

    It remembers at most `keys_limit` keys; beyond that it forgets the key that acted longest ago.
    """

    def __init__(self, rate_per_s: float, burst: float, keys_limit: int = 4096) -> None:
        (self._act_s, self._early_s), self._keys_limit = rate(rate_per_s, burst), keys_limit
        self._full_at: OrderedDict[str, float] = OrderedDict()  # key -> when its bucket is full again

    def has_room(self, key: str, now: float) -> bool:
        """Whether `key` may act at `now`, seconds of a monotonic clock. Nothing is counted."""
        return self._full_at.get(key, now) - now <= self._early_s

    def allow(self, key: str, now: float) -> bool:
        """Whether `key` may act at `now`. If so, the act is counted."""
        allowed = self.has_room(key, now)
        self.spend(key, 1.0 if allowed else 0.0, now)
        return allowed

    def spend(self, key: str, cost: float, now: float) -> None:
        """Count what was done, of whatever cost: what exceeds the burst is waited for before the next act."""
        full_at = self._full_at.pop(key, now)
        self._full_at[key] = (full_at if full_at > now else now) + cost * self._act_s
        if len(self._full_at) > self._keys_limit:
            self._full_at.popitem(last=False)
