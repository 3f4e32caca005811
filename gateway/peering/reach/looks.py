"""Looks between peers: POST /peer/1/look. Who is asked dials the asker back, and says whether it hears its mDNS.

1. The only address dialled is the one that the request came from, at the port that it names: nobody can have a third
   machine dialled. Only TLS is spoken there, with the certificate of the asker's card, and no request is sent.
2. A peer answers one look a minute of each other, two at once, and makes so many for all.
3. Both sides announce themselves by mDNS at that moment, so that each knows whether it hears the other now.

We ask two peers when we have met some, again when our addresses change, and every ten minutes.
"""

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from discovery.client import DialledLately, NoWholeAnswer
from discovery.ear import Ear
from discovery.envelopes import UNREADABLE
from discovery.exchanges import PeerUnreachable
from discovery.gossip import Gossip
from discovery.knock import knock
from discovery.records import Address, InvalidRecord, PeerId, check_address, dialable, printable
from discovery.request_auth import Refused
from discovery.strangers import site_of
from discovery.transport import Transport
from gateway.peering.reach.evidence import AGREEING, Evidence, Look, State

log = logging.getLogger(__name__)

LOOK_PATH = "/peer/1/look"
FEATURE = "look"  # in the card of a peer that answers
LIMIT_BYTES = 256  # of what is asked
ANSWER_LIMIT_BYTES = 1024
ANSWER_S = 5.0
KNOCK_S = 2.0
HEARD_S = 0.5  # for an announcement to come, beside the dial
FRESH_S = 2.0  # an announcement may come that much before the request, which goes another way
AT_ONCE = 8  # looks that we make for others
AGAIN_S, UNREACHED_AGAIN_S = 600.0, 120.0  # between two times that we ask; the other rule says a minute for each peer
FIRST_S = 6.0  # from our start, when the ear for mDNS has settled
TICK_S = 1.0


_FAILURES = (Refused, NoWholeAnswer, DialledLately, ValueError, *UNREADABLE)


class _Asked(msgspec.Struct):
    port: int  # where the asker listens


class _Seen(msgspec.Struct):
    ip: str  # the address that the request came from, which was dialled
    port: int = 0  # and its port there
    why: str = ""  # it was not reached, in words
    hears: bool | None = None  # its mDNS; None: we do not listen


class LooksForOthers:
    """The answering side."""

    def __init__(self, gossip: Gossip, transport: Transport, ear: Ear, clock: Callable[[], float]) -> None:
        self._gossip, self._transport, self._ear, self._clock = gossip, transport, ear, clock
        self._room = AT_ONCE

    async def answer(self, peer: PeerId, ip: str, from_port: int, body: bytes) -> bytes:
        """Dial this peer back at `ip`, from which it asks. Raises Refused (400, 429)."""
        try:
            address = Address(plain(ip), msgspec.json.decode(body, type=_Asked).port)
            check_address(address)
        except (ValueError, InvalidRecord, *UNREADABLE) as error:
            raise Refused(400, "malformed", f"this cannot be dialled: {error}") from error
        if not self._room:
            raise Refused(429, "too_many_requests", "many ask for a look now: try again")
        self._room -= 1
        try:
            self._ear.announce()
            why, hears = await asyncio.gather(self._dial(peer, address), self._hears(peer))
        finally:
            self._room += 1
        return msgspec.json.encode(_Seen(address.ip, from_port, why, hears))

    async def _dial(self, peer: PeerId, address: Address) -> str:
        member, client = self._gossip.member(peer), self._transport.client
        if member is None:
            return "it is not known here"
        if not dialable((address,), on_loopback=client.on_loopback):
            return "an address of loopback means another machine here"
        if self._gossip.is_stranger(peer) and not client.may_dial(address, peer):
            return "it was dialled for strangers a moment ago"
        return await knock(address, peer, member.card.cert, KNOCK_S)

    async def _hears(self, peer: PeerId) -> bool | None:
        return await self._ear.hears(peer, self._clock() - FRESH_S, HEARD_S)


class Looks:
    """The asking side: who looks at us, when, and what they found."""

    def __init__(
        self,
        gossip: Gossip,
        transport: Transport,
        ear: Ear,
        may_answer: Callable[[PeerId], bool],
        own: Callable[[], tuple[Address, ...]],
        port: int,
        evidence: Evidence,
        clock: Callable[[], float],
    ) -> None:
        """`may_answer`: whom we deal with. `own`: the addresses of our interfaces; `port`: where we listen."""
        self._gossip, self._transport, self._ear, self._may_answer = gossip, transport, ear, may_answer
        self._own, self._port, self._clock = own, port, clock
        self.evidence = evidence
        self._asked_at: dict[PeerId, float] = {}
        self._next_at = 0.0
        self._seen_from: tuple[Address, ...] = ()

    def published(self) -> tuple[Address, ...]:
        """Which of our addresses others are told (evidence.py)."""
        return self.evidence.published(self._own(), len(self.lookers()), self._clock(), self._may_publish)

    def entered(self, ip: str) -> None:
        """A peer came in at this address of ours."""
        with suppress(ValueError):
            self.evidence.entered(plain(ip), self._clock())

    def state(self) -> State:
        """Whether we are reached, in a word for people."""
        return self.evidence.state(self._own(), len(self.lookers()), self._clock())

    async def run(self, changed: Callable[[], None]) -> None:
        """Have ourselves looked at until cancelled; `changed` is called when something new was found."""
        self._seen_from, self._next_at = self._own(), self._clock() + FIRST_S
        while True:
            await asyncio.sleep(TICK_S)
            if (own := self._own()) != self._seen_from:
                self._seen_from, self._next_at = own, 0.0
                self.evidence.forget()
                changed()
            if self._clock() >= self._next_at and (peers := self.next()):
                looks = await self.ask(peers)
                is_reached = any(look.is_reached for look in looks)
                self._next_at = self._clock() + (AGAIN_S if is_reached else UNREACHED_AGAIN_S)
                if looks:
                    changed()

    def lookers(self) -> list[PeerId]:
        """Who can look at us now: not those that we reach through a relay or a hole in a NAT, who see that alone."""
        members, is_direct = map(self._gossip.member, self.others()), self._transport.client.is_direct
        return [
            member.id
            for member in members
            if member is not None and FEATURE in member.card.features and is_direct(member.id)
        ]

    def others(self) -> list[PeerId]:
        """The same, with those whose version of PPAI does not look."""
        refusal = self._transport.client.contacts.refusal
        return [
            member.id
            for member in self._gossip.members()
            if member.state == "alive" and member.card.addr and self._may_answer(member.id) and not refusal(member.id)
        ]

    def next(self) -> list[PeerId]:
        """Who is asked next: those who were not for longest, of two sites where there are."""
        waiting = sorted(self.lookers(), key=lambda peer: self._asked_at.get(peer, float("-inf")))
        if not waiting:
            return []
        first = waiting[0]
        elsewhere = [peer for peer in waiting[1:] if self._site(peer) != self._site(first)]
        return [first, *(elsewhere or waiting[1:])][:AGREEING]

    async def ask(self, peers: Sequence[PeerId]) -> list[Look]:
        """What these peers find, as far as they answer."""
        await self._ear.settled(FRESH_S)
        self._ear.announce()
        self._asked_at = {peer: at for peer, at in self._asked_at.items() if self._gossip.member(peer)}
        looks = await asyncio.gather(*(self._ask(peer) for peer in peers))
        return [look for look in looks if look is not None]

    async def _ask(self, peer: PeerId) -> Look | None:
        began = self._asked_at[peer] = self._clock()
        try:
            seen = await self._read(peer)
            ip = plain(seen.ip)
        except _FAILURES as error:
            log.info("look_failed peer=%s reason=%r", peer[:10], str(error))
            return None
        except PeerUnreachable as error:
            self._transport.suspect(peer, error.reason)
            return None
        heard = await self._ear.hears(peer, began - FRESH_S, 0.0)
        why = printable(seen.why, 100)
        keeps_port = seen.port in self._transport.client.own_ports(peer) if seen.port else None
        look = Look(peer, ip, self._port, why, self._clock(), seen.hears, heard, keeps_port)
        self.evidence.looked(look)
        return look

    async def _read(self, peer: PeerId) -> _Seen:
        answer = await self._transport.client.post(
            peer, LOOK_PATH, msgspec.json.encode(_Asked(self._port)), limit_bytes=ANSWER_LIMIT_BYTES, answer_s=ANSWER_S
        )
        return msgspec.json.decode(answer, type=_Seen)

    def _may_publish(self, address: Address) -> bool:
        """Whether it may stand in our card: another peer says it, which could be wrong."""
        try:
            check_address(address)
        except InvalidRecord:
            return False
        return bool(dialable((address,), on_loopback=self._transport.client.on_loopback))

    def rows(self, peers: Sequence[PeerId]) -> list[dict[str, Any]]:
        """What each of these peers found last, for the owner; `reached` is None of who did not look."""
        ours = {address.ip for address in self._own()}
        return [self._row(peer, self.evidence.look_of(peer), ours) for peer in peers]

    def _row(self, peer: PeerId, look: Look | None, ours: set[str]) -> dict[str, Any]:
        card = self._gossip.card(peer)
        row: dict[str, Any] = {"peer": peer, "name": card.name if card else ""}
        if look is None:
            can = card is not None and FEATURE in card.features
            why = "it gave no answer that we can use" if can else "its version of PPAI does not look"
            if not self._transport.client.is_direct(peer):
                why = "a relay, or a hole in its NAT, is between"
            return {**row, "reached": None, "why": why, "own": False, "hears_us": None, "heard": None}
        return {
            **row,
            "ip": look.ip,
            "port": look.port,
            "reached": look.is_reached,
            "why": look.why,
            "own": look.ip in ours,
            "keeps_port": look.keeps_port,
            "hears_us": look.hears_us,
            "heard": look.heard,
            "age_s": round(self._clock() - look.at, 1),
        }

    def _site(self, peer: PeerId) -> str:
        addresses = self._transport.client.addresses(peer)
        return site_of(addresses[0].ip) if addresses else ""


def plain(ip: str) -> str:
    """An address without the form that a listener of both families gives it. Raises ValueError."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    inner = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(inner or address)
