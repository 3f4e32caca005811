"""Tries whether a direct way is open to peers that are reached through a relay.

1. Such a peer is knocked at, at each address of its card that is no relay's: TLS with its certificate, and no request.
   Where it opens, the peer is asked there from then on, and is near (discovery/sites.py).
2. What was never tried comes first, so that a VPN that came up is used at once: a new card names it, or it is an
   interface of our own that is new, after which all count as untried. Then whoever was tried longest ago, twice a
   minute at most. Among equals, addresses in networks of ours come first.
3. Two knocks a second are made for all of them: addresses of other homes may belong to machines of this one.
"""

import asyncio
import ipaddress
import math
from collections.abc import Callable

from discovery.gossip import Gossip
from discovery.knock import knock
from discovery.records import Address, PeerId, dialable
from discovery.transport import Transport
from gateway.peering.reach.looks import KNOCK_S, TICK_S

AGAIN_S = 30.0
AT_ONCE = 2  # knocks in a tick
Way = tuple[PeerId, Address]


class DirectWays:
    """To the peers that we reach through a relay."""

    def __init__(
        self,
        gossip: Gossip,
        transport: Transport,
        own: Callable[[], tuple[Address, ...]],
        clock: Callable[[], float],
    ) -> None:
        """`own`: the addresses of our interfaces."""
        self._gossip, self._transport, self._own, self._clock = gossip, transport, own, clock
        self._tried = dict[Way, float]()  # when

    async def run(self) -> None:
        """Try them until cancelled."""
        seen_from = self._own()
        while True:
            await asyncio.sleep(TICK_S)
            if (own := self._own()) != seen_from:
                seen_from = own
                self._tried.clear()
            await asyncio.gather(*(self.attempt(*way) for way in self.due()[:AT_ONCE]))

    def due(self) -> list[Way]:
        """Which ways to try now, the first first."""
        ways = self._ways()
        self._tried = {way: self._tried[way] for way in ways if way in self._tried}
        before = self._clock() - AGAIN_S
        waiting = [way for way in ways if self._tried.get(way, -math.inf) < before]
        if not waiting:
            return []
        ours = {_network(address.ip) for address in self._own()}
        return sorted(waiting, key=lambda way: (self._tried.get(way, -math.inf), _network(way[1].ip) not in ours))

    async def attempt(self, peer: PeerId, address: Address) -> None:
        """Knock there, and use that way where it is open."""
        self._tried[peer, address] = self._clock()
        member, client = self._gossip.member(peer), self._transport.client
        if member is None or (self._gossip.is_stranger(peer) and not client.may_dial(address, peer)):
            return
        if not await knock(address, peer, member.card.cert, KNOCK_S):
            client.contacts[peer].note_success(address)
            self._transport.answered(peer)

    def _ways(self) -> list[Way]:
        client = self._transport.client
        return [
            (member.id, address)
            for member in self._gossip.members()
            if member.state in ("alive", "suspect") and client.is_relayed(member.id)
            for address in dialable(member.card.addr, on_loopback=client.on_loopback)
            if address not in member.card.through_relays
        ]


def _network(ip: str) -> object:
    """The IPv4 /24 or IPv6 /64 around an address, as most local networks are."""
    return ipaddress.ip_network((ip, 64 if ":" in ip else 24), strict=False)
