"""How much strangers may take of us together: our time, and dials. Pure: the caller passes the time.

A stranger is a peer that we approved neither by name nor by a secret. Ids cost nothing, so a limit for each id limits
nobody: time is counted for all strangers together, and for each site. Example: one site gets at most a quarter of the
whole in the long run. Half of what all have at once is left to sites that have used less than others of late, so that a
newcomer finds room while others ask without end.
"""

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache

from discovery.records import Address
from discovery.throttle import Throttle

UNKNOWN_SITE = "unknown"  # of a caller whose address is not known


@dataclass(frozen=True, slots=True)
class StrangersConfig:
    """The processor time of strangers: their hellos, messages, signatures, and the records about them."""

    share: float = 0.05  # of one core, in the long run; TLS and HTTP come on top
    burst_s: float = 0.05  # s at once, in all
    site_share: float = 0.25  # of `share`, for one site
    memory_s: float = 10.0  # s over which the use of a site is counted; it fades exponentially
    request_s: float = 0.0005  # s counted for each request beside what is measured: reading it off the wire
    sites_limit: int = 4096  # sites remembered; beyond it the one that asked longest ago is forgotten


class StrangersTime:
    """The seconds of work left to all strangers, and what each site has used of late."""

    def __init__(self, config: StrangersConfig | None = None) -> None:
        self.config = config or StrangersConfig()
        self._left_s, self._at = self.config.burst_s, 0.0
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()  # site -> (seconds used, as of), oldest first
        self._used_by_all = (0.0, 0.0)

    def has_room(self, site: str, now: float) -> bool:
        """Whether work for `site` may begin at `now`, seconds of a monotonic clock."""
        c, left_s = self.config, self._left(now)
        used_s = self._faded(self._used.get(site, (0.0, now)), now)
        if left_s <= 0 or used_s >= c.share * c.site_share * c.memory_s:
            return False
        fair_s = self._faded(self._used_by_all, now) / (len(self._used) + 1)
        return left_s > c.burst_s / 2 or used_s < fair_s / 2

    def spend(self, site: str, seconds: float, now: float) -> None:
        """Count work that was done for `site`. It may exceed what was left: the debt is paid off before the next."""
        self._left_s, self._at = self._left(now) - seconds, now
        self._used_by_all = (self._faded(self._used_by_all, now) + seconds, now)
        self._used[site] = (self._faded(self._used.pop(site, (0.0, now)), now) + seconds, now)
        while len(self._used) > self.config.sites_limit or self._is_forgotten(now):
            self._used.popitem(last=False)

    def _left(self, now: float) -> float:
        return min(self.config.burst_s, self._left_s + (now - self._at) * self.config.share)

    def _faded(self, used: tuple[float, float], now: float) -> float:
        seconds, at = used
        return seconds * math.exp((at - now) / self.config.memory_s)

    def _is_forgotten(self, now: float) -> bool:
        """Whether the site that asked longest ago has not asked for so long that nothing is left of its use."""
        _, at = next(iter(self._used.values()))
        return now - at > 3 * self.config.memory_s


@dataclass(frozen=True, slots=True)
class DialsConfig:
    """How often we dial where strangers say that somebody is, and nobody has answered us there."""

    address_s: float = 60.0  # s between two dials to one address, whoever names it
    site_per_s: float = 0.25  # dials a second to all ports of one site
    site_burst: float = 16.0  # dials to one site at once: several peers may run on one machine
    per_s: float = 8.0  # dials a second in all
    burst: float = 32.0  # dials at once in all


class StrangersDials:
    """Decides which dials may be made on the word of strangers.

    Made-up peers can name any address. Without a limit for each address, a thousand of them make every peer of the
    network dial one victim.
    """

    def __init__(self, config: DialsConfig | None = None) -> None:
        c = config or DialsConfig()
        self._addresses = Throttle(1 / c.address_s, 1.0)
        self._sites = Throttle(c.site_per_s, c.site_burst)
        self._all = Throttle(c.per_s, c.burst)

    def allow(self, address: Address, now: float) -> bool:
        """Whether to dial `address` at `now`, seconds of a monotonic clock. If so, the dial is counted.

        Only dials that are made are remembered, and there are fewer of those in `address_s` than keys have room.
        """
        keys = ((self._all, ""), (self._sites, site_of(address.ip)), (self._addresses, str(address)))
        if not all(limit.has_room(key, now) for limit, key in keys):
            return False
        for limit, key in keys:
            limit.allow(key, now)
        return True


@lru_cache(maxsize=1024)
def site_of(ip: str) -> str:
    """Who counts as one caller: an IPv4 address, or the /64 of an IPv6 address, since one owner has a whole /64.

    On a listener for both families an IPv4 caller has the address `::ffff:a.b.c.d`, and behind 6to4 one owner has the
    /48 that is made from his IPv4 address: both count as that IPv4 address.
    """
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return UNKNOWN_SITE
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if inner := address.ipv4_mapped or address.sixtofour:
        return str(inner)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
