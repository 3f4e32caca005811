"""How many connections a listener holds, and for whom (P).

Whoever connects takes a place, and comes from a *site* (discovery.strangers.site_of). The rules:

1. A site opens so many connections a second, and all sites that nobody vouches for so many together.
2. A connection on which a peer with rights made a request is *vouched for*. It counts for that peer from then on, and
   its site may come back whatever other sites do. All others are strangers' connections: a site has so many of them,
   and all sites so many together.
3. Who would be one too many takes the place of the connection that has been idle for longest among those it is counted
   with; one that is not vouched for goes first. Example: 1,000 connections that say nothing keep nobody out.
4. Where none is idle, the newcomer is refused.
5. Where loopback is the owner's, connections from there are bounded by the number of all places alone.

Knows nothing of sockets and clocks.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from discovery.throttle import Throttle

SITES_LIMIT = 1024  # sites remembered because a peer with rights came from there
OWNER = "the owner"


@dataclass(frozen=True, slots=True)
class PlacesConfig:
    """How many places there are, and how fast they may be taken."""

    in_all: int  # connections
    for_strangers: int  # not vouched for
    for_a_site: int  # not vouched for, of one site
    for_a_peer: int  # vouched for, of one peer
    loopback_is_ours: bool = False
    new_per_s: float = 50.0  # connections from all sites that nobody vouches for
    new_burst: float = 64.0  # many peers may start together
    site_new_per_s: float = 10.0
    site_new_burst: float = 64.0


class Place:
    """One connection's place. `idle_since` is None while it is being made, and from a request's head to its answer."""

    __slots__ = ("idle_since", "peer", "site")

    def __init__(self, site: str, peer: str | None = None) -> None:
        self.site = site
        self.peer = peer  # who vouches for it
        self.idle_since: float | None = None


class Places:
    """The places of one listener."""

    def __init__(self, config: PlacesConfig) -> None:
        self._config = config
        self._taken: dict[Place, None] = {}
        self._at_site, self._of_peer = Counter[str](), Counter[str]()
        self._sites = Throttle(config.site_new_per_s, config.site_new_burst)
        self._all = Throttle(config.new_per_s, config.new_burst)
        self._vouched_sites = OrderedDict[str, None]()

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, site: str, now: float) -> tuple[Place | None, Place | None]:
        """(the newcomer's place, or None where it is refused; whose connection is to be closed for it)."""
        if self._config.loopback_is_ours and (site.startswith("127.") or site == "::/64"):
            return self._enter(site, OWNER, self._taken if len(self._taken) >= self._config.in_all else None)
        is_known = site in self._vouched_sites
        if not self._sites.allow(site, now) or not (is_known or self._all.allow("", now)):
            return None, None
        if self._at_site[site] >= self._config.for_a_site:
            rivals = [place for place in self._taken if place.site == site and place.peer is None]
        elif self._at_site.total() >= self._config.for_strangers:
            rivals = [place for place in self._taken if place.peer is None]
        elif len(self._taken) >= self._config.in_all:
            rivals = list(self._taken)
        else:
            return self._enter(site, None, None)
        return self._enter(site, None, rivals)

    def leave(self, place: Place) -> None:
        """It is closed. Safe to call again."""
        if place in self._taken:
            del self._taken[place]
            self._count(place, -1)

    def vouch(self, place: Place, peer: str) -> bool:
        """A peer with rights made a request on it. False: it holds as many as one may, or it is another peer's."""
        if place.peer is not None or place not in self._taken:
            return place.peer == peer
        if self._of_peer[peer] >= self._config.for_a_peer:
            return False
        self._count(place, -1)
        place.peer = peer
        self._count(place, 1)
        self._vouched_sites[place.site] = None
        self._vouched_sites.move_to_end(place.site)
        if len(self._vouched_sites) > SITES_LIMIT:
            self._vouched_sites.popitem(last=False)
        return True

    def _enter(self, site: str, peer: str | None, rivals: Iterable[Place] | None) -> tuple[Place | None, Place | None]:
        """A place, in exchange for that of the longest idle of `rivals`, if it is one too many."""
        evicted = None
        if rivals is not None:
            if (evicted := _longest_idle(rivals)) is None:
                return None, None
            self.leave(evicted)
        place = Place(site, peer)
        self._count(place, 1)
        self._taken[place] = None
        return place, evicted

    def _count(self, place: Place, more: int) -> None:
        counter, key = (self._at_site, place.site) if place.peer is None else (self._of_peer, place.peer)
        counter[key] += more
        if not counter[key]:
            del counter[key]


def _longest_idle(places: Iterable[Place]) -> Place | None:
    idle = [place for place in places if place.idle_since is not None]
    return min(idle, key=lambda place: (place.peer is not None, place.idle_since), default=None)
