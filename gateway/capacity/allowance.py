"""What one other peer may cost us besides the engine's time (P): memory, probes, work that comes to nothing.

A peer that a person approved may still be broken, or taken over. Its delegations are bounded by the door (line.py);
what is bounded here would pass the door by. Example: a peer that hangs up on each of its requests at once costs us a
connection to the engine each time, and never waits in line.

Whose requests are not proved to be its own yet share one allowance under the name UNPROVED.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass

from discovery.records import PeerId
from discovery.throttle import Throttle
from gateway.capacity.quota import Account, Quota

UNPROVED = PeerId("")  # whoever has not signed what he sends, as far as we know
PEERS_LIMIT = 1024  # whose bans are remembered: in mode `open` everybody has rights


@dataclass(frozen=True, slots=True)
class AllowanceConfig:
    """What one peer may cost."""

    held_bytes: int = 32 << 20  # of its bodies, from the first byte to the end of the answer
    unproved_bytes: int = 12 << 20  # of all bodies together whose sender is not proved yet
    all_bytes: int = 128 << 20  # of all bodies
    probes_per_s: float = 60.0  # a peer that is busy asking needs 50 (probes.py)
    probes_burst: float = 120.0
    enquiries_per_s: float = 0.2  # for our agents' details, up to 256 KiB each: a peer asks once a change
    enquiries_burst: float = 8.0
    failures_per_s: float = 2.0  # requests that we refuse as unacceptable, or that it hangs up on
    failures_burst: float = 64.0  # a program that is closed hangs up on all that it asked
    ban_s: float = 10.0  # for which a peer that fails more often is refused
    requests_per_s: float = 200.0  # of a peer's delegations, in the long run; 0: no limit
    tokens_per_s: float = 5000.0  # that they come to, a token read counting a quarter; 0: no limit
    burst_s: float = 20.0  # of such requests at once, and six times that of tokens
    tabs_per_s: float = 1.0  # statements of what it had (peering/settling.py)
    tabs_burst: float = 16.0
    sessions_per_s: float = 4.0  # opened (discovery/sessions.py): one a connection and hour
    sessions_burst: float = 128.0
    looks_per_s: float = 1 / 60  # times that we dial it back (peering/reach/looks.py)
    looks_burst: float = 2.0  # by itself, and when its owner runs `ppai doctor`


Spending = tuple[Account, Account]  # a request, of those for which it counts: its peer, and all behind its address

SITE_FACTOR = 4.0  # what all peers behind one address (or IPv6 /64) may have, of what one may


class Allowance:
    """What each peer costs at present."""

    def __init__(self, config: AllowanceConfig | None = None) -> None:
        self._config = c = config or AllowanceConfig()
        self._held, self._held_in_all = Counter[PeerId](), 0
        self._probes = Throttle(c.probes_per_s, c.probes_burst)
        self._enquiries = Throttle(c.enquiries_per_s, c.enquiries_burst)
        self._failures = Throttle(c.failures_per_s, c.failures_burst)
        self._tabs = Throttle(c.tabs_per_s, c.tabs_burst)
        self._sessions = Throttle(c.sessions_per_s, c.sessions_burst)
        self._looks = Throttle(c.looks_per_s, c.looks_burst)
        self._of_peers = Quota(c.requests_per_s, c.tokens_per_s, c.burst_s)
        self._of_sites = Quota(c.requests_per_s * SITE_FACTOR, c.tokens_per_s * SITE_FACTOR, c.burst_s)
        self._banned_until = OrderedDict[PeerId, float]()

    def hold(self, peer: PeerId, size: int) -> bool:
        """Whether there is room for a body of `size` bytes; if so, it is held until `release`."""
        limit = self._config.unproved_bytes if peer == UNPROVED else self._config.held_bytes
        held = self._held.get(peer, 0) + size
        if held > limit or self._held_in_all + size > self._config.all_bytes:
            return False
        self._held[peer] = held
        self._held_in_all += size
        return True

    def release(self, peer: PeerId, size: int) -> None:
        """The body is gone."""
        self._held_in_all -= size
        self._held[peer] -= size
        if not self._held[peer]:
            del self._held[peer]

    def may_probe(self, peer: PeerId, now: float) -> bool:
        """Whether this peer may probe us at `now`; if so, the probe is counted."""
        return self._probes.allow(peer, now)

    def may_enquire(self, peer: PeerId, now: float) -> bool:
        """Whether this peer may ask for our agents' details at `now`; if so, that is counted."""
        return self._enquiries.allow(peer, now)

    def may_state(self, peer: PeerId, now: float) -> bool:
        """Whether this peer may state what it had from us at `now`; if so, that is counted."""
        return self._tabs.allow(peer, now)

    def may_open(self, peer: PeerId, now: float) -> bool:
        """Whether this peer may open a session at `now`; if so, that is counted."""
        return self._sessions.allow(peer, now)

    def may_look(self, peer: PeerId, now: float) -> bool:
        """Whether we dial this peer back at `now`, as it asks; if so, that is counted."""
        return self._looks.allow(peer, now)

    def spends(self, peer: PeerId, site: str, now: float) -> Spending | None:
        """One more request, counted, where this peer and all behind its address asked for little enough of late.

        Its tokens are to be `spent` once it is known how many they are. None: they asked for too much.
        """
        mine = self._of_peers.take(peer, now)
        if mine is None:
            return None
        together = self._of_sites.take(site, now)
        if together is None:
            self._of_peers.give_back(mine)
            return None
        return mine, together

    def spent(self, spending: Spending, tokens: float, now: float) -> None:
        """What such a request came to."""
        mine, together = spending
        self._of_peers.have(mine, tokens, now)
        self._of_sites.have(together, tokens, now)

    def may_delegate(self, peer: PeerId, now: float) -> bool:
        """Whether few enough of this peer's requests came to nothing of late."""
        return now >= self._banned_until.get(peer, now)

    def failed(self, peer: PeerId, now: float) -> None:
        """One of its requests came to nothing, through its own doing."""
        if self._failures.allow(peer, now):
            return
        self._banned_until[peer] = now + self._config.ban_s
        self._banned_until.move_to_end(peer)
        if len(self._banned_until) > PEERS_LIMIT:
            self._banned_until.popitem(last=False)
