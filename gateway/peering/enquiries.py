"""Asks other peers what they tell of their agents beyond their cards: POST /peer/1/agents (discovery/details.py).

1. Asked is a peer that is alive, that we may send prompts, and whose card has a digest other than that of its answer.
2. Four are asked at a time, each three times at once and then once in 10 s: what a peer learns of its engine in the
   seconds after its start is heard at once, and an engine that comes and goes makes no flood. After a failure it is
   not asked for 10 s; that pause doubles, up to 10 minutes.
3. All answers together may take 16 MiB; what exceeds them is not kept.

A peer that does not answer is dealt with by its card alone.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from discovery.client import DialledLately, NoWholeAnswer
from discovery.details import DETAILS_LIMIT_BYTES, decode_details
from discovery.envelopes import MalformedMessage
from discovery.exchanges import PeerUnreachable
from discovery.gossip import Gossip
from discovery.records import Agent, PeerId
from discovery.request_auth import Refused
from discovery.throttle import Throttle
from discovery.transport import Transport

log = logging.getLogger(__name__)

AGENTS_PATH = "/peer/1/agents"
FEATURE = "agents"  # in the card of a peer that answers
AT_ONCE = 4
BURST = 3  # so often one peer is asked at once
INTERVAL_S, INTERVAL_LIMIT_S = 10.0, 600.0  # then between two times; after failures in a row
ANSWER_S = 5.0
LOOK_S = 1.0  # between two looks for somebody to ask
KEPT_BYTES = 16 << 20  # of all answers


@dataclass(slots=True)
class _Asked:
    """How it went with one peer."""

    digest: bytes = b""  # in its card when it answered last
    size: int = 0  # of that answer
    failures: int = 0  # in a row
    next_at: float = 0.0  # not before, after a failure


class Enquiries:
    """Who was asked, and who is to be asked next."""

    def __init__(
        self,
        gossip: Gossip,
        transport: Transport,
        may_answer: Callable[[PeerId], bool],
        hear: Callable[[PeerId, Sequence[Agent]], None],
        clock: Callable[[], float],
    ) -> None:
        """`hear` is called with what a peer tells of its agents."""
        self._gossip, self._transport, self._may_answer = gossip, transport, may_answer
        self._hear, self._clock = hear, clock
        self._asked: dict[PeerId, _Asked] = {}
        self._throttle = Throttle(1 / INTERVAL_S, BURST)

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await asyncio.gather(*(self._ask(peer, digest) for peer, digest in self.due()[:AT_ONCE]))
            await asyncio.sleep(LOOK_S)

    def due(self) -> list[tuple[PeerId, bytes]]:
        """Who is to be asked now, with the digest of its card; who waits for longest comes first."""
        now = self._clock()
        members = self._gossip.members()
        known = {member.id for member in members}
        self._asked = {peer: asked for peer, asked in self._asked.items() if peer in known}
        due: list[tuple[float, PeerId, bytes]] = []
        for member in members:
            card, asked = member.card, self._asked.get(member.id) or _Asked()
            is_news = FEATURE in card.features and card.details and card.details != asked.digest
            is_time = now >= asked.next_at and self._throttle.has_room(member.id, now)
            if is_news and is_time and member.state == "alive" and self._may_answer(member.id):
                due.append((asked.next_at, member.id, card.details))
        return [(peer, digest) for _, peer, digest in sorted(due)]

    async def _ask(self, peer: PeerId, digest: bytes) -> None:
        asked = self._asked.setdefault(peer, _Asked())
        self._throttle.spend(peer, 1.0, self._clock())
        try:
            answer = await self._transport.client.post(
                peer, AGENTS_PATH, b"", limit_bytes=DETAILS_LIMIT_BYTES, answer_s=ANSWER_S
            )
            agents = decode_details(answer)
            if sum(other.size for other in self._asked.values()) - asked.size + len(answer) > KEPT_BYTES:
                raise MalformedMessage("no room for more details")
        except (Refused, MalformedMessage, NoWholeAnswer, DialledLately) as error:
            self._failed(peer, asked, str(error))
        except PeerUnreachable as error:
            self._transport.suspect(peer, error.reason)
            self._failed(peer, asked, error.reason)
        else:
            asked.digest, asked.size, asked.failures = digest, len(answer), 0
            asked.next_at = self._clock()
            self._hear(peer, agents)

    def _failed(self, peer: PeerId, asked: _Asked, reason: str) -> None:
        asked.next_at = self._clock() + min(INTERVAL_S * 2**asked.failures, INTERVAL_LIMIT_S)
        asked.failures = min(asked.failures + 1, 16)
        log.info("details_failed peer=%s reason=%r", peer[:10], reason)
