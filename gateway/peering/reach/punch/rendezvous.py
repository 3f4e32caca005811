"""A relay's side of punching: it tells each peer behind it from which address its packets come.

A peer names its endpoint when it asks for a key for tunnels (reach/relay.py), which it signs. Only endpoints named so
may stay; the others' links are closed. Whom a peer punches a hole to, and whether, the relay learns from nobody.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable

from discovery.records import Address, PeerId
from gateway.peering.reach.punch.quic import Bind, Link

log = logging.getLogger(__name__)

TELL_S = 5.0  # s between two times that it says so: a NAT forgets a way on which nothing moves for 30 s


class Rendezvous:
    """Tells outer addresses to peers that may be reached through us."""

    def __init__(self, may: Callable[[PeerId], bool], limit: int) -> None:
        """`limit`: peers at once."""
        self._may, self._limit = may, limit
        self.endpoint = ""  # ours, once we listen
        self._named: OrderedDict[PeerId, str] = OrderedDict()  # endpoints by peer, who named his longest ago first
        self._links: dict[PeerId, Link] = {}

    def expect(self, peer: PeerId, endpoint: str) -> None:
        """This peer's endpoint is this one from now on."""
        self._named.pop(peer, None)
        self._named[peer] = endpoint
        while len(self._named) > self._limit:
            self._named.popitem(last=False)

    async def run(self, bind: Bind, at: Address) -> None:
        """Serve at this address of ours, by UDP, until cancelled; nothing where that cannot be had."""
        try:
            quic = await bind(str(at))
        except OSError as error:
            log.warning("rendezvous_not_possible at=%s reason=%r", at, str(error))
            return
        self.endpoint = quic.id
        try:
            await quic.run(self._came)
        finally:
            self.endpoint = ""
            await quic.close()

    async def _came(self, link: Link) -> None:
        peer = self._holder(link.endpoint)
        if peer is None:
            return
        if old := self._links.get(peer):
            old.close()
        self._links[peer] = link
        try:
            while self._holder(link.endpoint) == peer and self._may(peer):
                link.say(str(link.at() or "").encode())
                await asyncio.sleep(TELL_S)
        finally:
            if self._links.get(peer) is link:
                del self._links[peer]

    def _holder(self, endpoint: str) -> PeerId | None:
        return next((peer for peer, named in self._named.items() if named == endpoint), None)
