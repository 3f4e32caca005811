"""The tabs with other peers, kept while we run: counted, signed by both, written down. POST /peer/1/tab.

Who took states what he had in all; who gave signs it too and answers with both signatures, or with what both signed
before where that is more. A peer whose card lacks the feature is not asked: its tab is counted by us alone.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from math import inf

import msgspec

from discovery.envelopes import UNREADABLE, MalformedMessage
from discovery.exchanges import PeerUnreachable
from discovery.gossip import Gossip
from discovery.identity import verify
from discovery.records import PeerId
from discovery.request_auth import Refused
from discovery.transport import Transport
from gateway.trust.tab import Signed, Sums
from gateway.trust.tabs import NotBetweenUs, Row, Tabs

log = logging.getLogger(__name__)

TAB_PATH = "/peer/1/tab"
FEATURE = "tab"  # in the card of a peer that answers
LIMIT_BYTES = 4096  # of what is asked, and of the answer
ANSWER_S = 5.0
LOOK_S = 0.5  # between two looks for something to settle
AT_ONCE = 8  # peers
WEIGHT_S, WEIGHTS_LIMIT = 1.0, 1024  # s for which a weight counts as it was found; peers
PAUSE_S, PAUSE_LIMIT_S = 10.0, 600.0  # after a failure; it doubles


class _Asked(msgspec.Struct):
    stated: Signed
    known: Signed | None = None  # what both signed last, as far as we know


class Settling:
    """Counts, and has the sums signed and written down."""

    def __init__(
        self,
        gossip: Gossip,
        transport: Transport,
        sign: Callable[[bytes], bytes],
        rows: Sequence[Row],
        write: Callable[[Sequence[Row]], None],
        wall_clock: Callable[[], float],
        is_mine: Callable[[PeerId], bool] = lambda peer: False,
    ) -> None:
        """`rows` of the ledger, and how to `write` more of them, in a thread; it raises OSError.

        `is_mine`: whether a peer is the owner's own machine, which owes nothing.
        """
        self._gossip, self._transport, self._write, self._clock = gossip, transport, write, wall_clock
        self._is_mine = is_mine
        self.tabs = Tabs(gossip.id, sign, verify, rows)
        self._weights: dict[PeerId, tuple[float, float]] = {}  # as they were found, and when
        self._failures: dict[PeerId, tuple[int, float]] = {}  # in a row, and when it is asked again

    def weight(self, peer: str) -> float:
        """Of a peer's share of our engines, in [0, 1]; 0: a newcomer."""
        known, now = PeerId(peer), self._clock()
        weight, at = self._weights.get(known, (0.0, -inf))
        if not 0 <= now - at < WEIGHT_S:
            if len(self._weights) >= WEIGHTS_LIMIT:
                self._weights.clear()
            weight = 1.0 if self._is_mine(known) else self.tabs[known].weight(now)
            self._weights[known] = weight, now
        return weight

    def exposure(self, peer: PeerId) -> float:
        """Work that it had of late beyond what it gave."""
        return 0.0 if self._is_mine(peer) else self.tabs[peer].exposure(self._clock())

    def has_more(self, peer: PeerId, work: float) -> bool:
        """Whether it had more than so much work of late beyond what it gave."""
        return self.tabs[peer].given.recent > work and self.exposure(peer) > work  # what was had only fades

    def got(self, peer: PeerId, sums: Sums) -> None:
        """A whole answer of that peer's is here."""
        self.tabs.add(peer, "got", sums, self._clock())

    def given(self, peer: PeerId, sums: Sums) -> None:
        """That peer had an answer, or a part of one."""
        self.tabs.add(peer, "given", sums, self._clock())

    def answer(self, peer: PeerId, body: bytes) -> bytes:
        """What we answer to a statement. Raises Refused."""
        try:
            asked = msgspec.json.decode(body, type=_Asked)
            signed = self.tabs.countersign(peer, asked.stated, asked.known, self._clock())
        except (NotBetweenUs, *UNREADABLE) as error:
            raise Refused(400, "malformed", f"no statement of a tab: {error}") from error
        return msgspec.json.encode(signed)

    async def run(self) -> None:
        """Settle until cancelled, and write down what is open then."""
        try:
            while True:
                await self.settle()
                await asyncio.sleep(LOOK_S)
        finally:
            self._write_down(self.tabs.due(self._clock(), is_last=True))

    async def settle(self) -> None:
        """Write down what is due, and have it signed."""
        now = self._clock()
        if rows := self.tabs.due(now):
            await asyncio.to_thread(self._write_down, rows)
        asked = [peer for peer in self.tabs.unsigned() if self._may_ask(peer, now)][:AT_ONCE]
        await asyncio.gather(*(self._ask(peer) for peer in asked))

    def _write_down(self, rows: Sequence[Row]) -> None:
        try:
            if rows:
                self._write(rows)
        except OSError as error:  # a full disk: what is counted stays in memory, and is in the next row
            log.warning("ledger_not_written reason=%r", str(error))

    def _may_ask(self, peer: PeerId, now: float) -> bool:
        member = self._gossip.member(peer)
        is_there = member is not None and member.state == "alive" and FEATURE in member.card.features
        return is_there and now >= self._failures.get(peer, (0, 0.0))[1]

    async def _ask(self, peer: PeerId) -> None:
        try:
            answer = await self._transport.client.post(
                peer, TAB_PATH, self._stated(peer), limit_bytes=LIMIT_BYTES, answer_s=ANSWER_S
            )
            if not self.tabs.signed(peer, msgspec.json.decode(answer, type=Signed), self._clock()):
                raise MalformedMessage("its answer is no statement that both of us signed")
        except (Refused, MalformedMessage, PeerUnreachable, *UNREADABLE) as error:
            count = min(self._failures.get(peer, (0, 0.0))[0], 16)
            self._failures[peer] = (count + 1, self._clock() + min(PAUSE_S * 2**count, PAUSE_LIMIT_S))
            log.info("tab_not_signed peer=%s reason=%r", peer[:10], str(error))
        else:
            self._failures.pop(peer, None)

    def _stated(self, peer: PeerId) -> bytes:
        known = self.tabs[peer].got.signed
        return msgspec.json.encode(_Asked(self.tabs.state(peer, self._clock()), known))
