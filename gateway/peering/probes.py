"""What we do with other peers: probe some before a decision, be an upstream to each, tell gossip how they did.

A shell around discovery's transport; whom to probe and whom to ask is decided elsewhere.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from math import inf

import aiohttp
import msgspec

from discovery.client import PeerUnreachable
from discovery.envelopes import UNREADABLE
from discovery.records import SLOTS_LIMIT, PeerId
from discovery.request_auth import Refused
from discovery.transport import Transport
from gateway.peering.listener import ProbeAnswer
from gateway.peering.remote import PeerUpstream
from gateway.routing.node import Node

log = logging.getLogger(__name__)

PROBE = "/peer/1/probe"
PROBE_LIMIT_BYTES = 1024
COLD_LIMIT = 64  # agents a probe may name as not loaded; a card has 16
FRESH_S = 0.02  # news this young is as good as a probe, which takes 2-8 ms on a LAN itself


class Peers:
    """Other peers, as the dispatcher uses them."""

    def __init__(self, node: Node, transport: Transport, clock: Callable[[], float], probe_budget_s: float) -> None:
        self._node, self._transport, self._clock, self._budget_s = node, transport, clock, probe_budget_s
        self._under_way: dict[PeerId, asyncio.Task[bool]] = {}
        self._answered_at: dict[PeerId, float] = {}

    async def probe(self, peers: Collection[PeerId]) -> set[PeerId]:
        """Ask them how busy they are, all at once; those that answered within the budget."""
        answered = await asyncio.gather(*(self._shared(peer) for peer in peers))
        return {peer for peer, has_answered in zip(peers, answered, strict=True) if has_answered}

    async def _shared(self, peer: PeerId) -> bool:
        """One probe serves all requests of one moment: what they send there meanwhile is counted as our own anyway.

        200 requests at once used to send 400 probes, miss the budget on most, and keep all work at home.
        """
        if self._clock() - self._answered_at.get(peer, -inf) < FRESH_S:
            return True
        if peer not in self._under_way:
            task = self._under_way[peer] = asyncio.create_task(self._probe(peer))
            task.add_done_callback(lambda _: self._under_way.pop(peer))
        answered = await asyncio.shield(self._under_way[peer])
        if answered:
            self._answered_at[peer] = self._clock()
        return answered

    def upstream(self, peer: PeerId, name: str) -> PeerUpstream:
        """The peer as somebody who answers."""
        return PeerUpstream(peer, name, self._transport.open_stream, self.failed)

    def failed(self, peer: PeerId, reason: str) -> None:
        """It did not answer us: suspected until it does."""
        self._transport.suspect(peer, reason)

    def served(self, peer: PeerId) -> None:
        """It answered a request: recent work outranks missed announcements."""
        self._transport.answered(peer)

    async def _probe(self, peer: PeerId) -> bool:
        began = self._clock()
        try:
            async with (
                asyncio.timeout(self._budget_s),
                self._transport.open_stream(peer, PROBE, b"", answer_s=self._budget_s) as response,
            ):
                body = await response.content.read(PROBE_LIMIT_BYTES)
                if response.status != 200:
                    self._node.observe_closed(peer, self._clock())
                    return True
                answer = msgspec.json.decode(body, type=ProbeAnswer)
        except TimeoutError:
            return False
        except PeerUnreachable as error:
            self.failed(peer, error.reason)
            return False
        except (Refused, aiohttp.ClientError, OSError, *UNREADABLE) as error:
            log.info("probe_failed peer=%s reason=%r", peer[:10], str(error))
            return False
        now = self._clock()
        jobs, slots = max(0, answer.running + answer.waiting), max(1, min(answer.slots, SLOTS_LIMIT))
        self._node.observe_cold(peer, answer.cold[:COLD_LIMIT])
        self._node.observe_probe(peer, jobs, slots, answer.admission, now - began, now)
        return True
