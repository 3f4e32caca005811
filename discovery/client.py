"""Sends our requests to other peers: signed, over TLS pinned to the certificate in the peer's card, without proxies.

The client tries a peer's addresses in turn, first the one that worked last. One connection serves many requests.
"""

import asyncio
import ipaddress
import math
from collections.abc import Callable, Collection, Mapping
from types import TracebackType

from discovery.answer import Answer, ConnectionBroken
from discovery.contacts import FORGED, Contact, Contacts, Way
from discovery.endpoint import HELLO_PATH, Clocks
from discovery.envelopes import Sign
from discovery.exchanges import ClientConfig, Exchanges, PeerUnreachable, Request, SessionUse
from discovery.gossip import Gossip
from discovery.messages import MESSAGE_LIMIT_BYTES
from discovery.pinned import Pin, why_unreachable
from discovery.records import Address, Card, PeerId, dialable
from discovery.request_auth import Audience, HashedBody, Refused, hashed, read_refusal
from discovery.roads import Road
from discovery.strangers import StrangersDials
from discovery.uploads import LEAST_BYTES_PER_S

RELAYS = "relays"  # the feature of a peer that puts others through


class DialledLately(PeerUnreachable):
    """It was not dialled: strangers name its address, and it was dialled for strangers a moment ago.

    That says nothing of it: nobody is suspected for it.
    """

    def __init__(self, peer: str) -> None:
        super().__init__(peer, "dialled for strangers a moment ago")


class NoWholeAnswer(PeerUnreachable):
    """It was reached, but its answer is too long, came too late, or broke off."""

    SAID = "gave no whole answer"


class PeerClient:
    """Speaks to peers on our behalf. Use as an async context manager."""

    def __init__(
        self,
        net: str,
        gossip: Gossip,
        sign: Sign,
        clocks: Clocks,
        on_refusal: Callable[[PeerId, str], None],
        *,
        on_loopback: bool,
        config: ClientConfig,
    ) -> None:
        """`net`: the network's name. `on_loopback`: our own listener is there, so that we may dial other peers there.

        `on_refusal(peer, why)` is called when a peer begins to refuse our requests, or does so for another reason.
        """
        self.config = config
        self._gossip, self._clocks, self.on_loopback = gossip, clocks, on_loopback
        self._dials = StrangersDials()
        self.contacts = Contacts[Pin](config.contacts_limit, on_refusal)
        self._exchanges = Exchanges(net, gossip, sign, clocks, self.contacts, self.config)

    async def __aenter__(self) -> "PeerClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exchanges.close()

    async def first_contact(self, address: Address, body: bytes, expected: PeerId | None = None) -> tuple[bytes, Pin]:
        """POST a hello to an address whose certificate we do not know yet: (the answer's body, the pin it made).

        Of several peers behind a relay the `expected` one is asked for. The caller must compare `Pin.digest` with the
        card in the answer before it believes the answer.
        Raises PeerUnreachable, Refused.
        """
        pin = Pin(None)
        who = str(address)
        road, request = self._exchanges.road(who, address, pin, None, expected), Request(HELLO_PATH, hashed(body))
        with await self._exchanges.ask(road, request, self.config.answer_s) as answer:
            said = await self._read(who, answer, MESSAGE_LIMIT_BYTES, self.config.answer_s)
        if answer.status != 200:
            pin.close()
            raise refusal(answer.status, said)
        return said, pin

    def trust(self, peer: PeerId, address: Address, pin: Pin, time_ms: int, *, is_named: bool = False) -> None:
        """Keep the connection of a first contact that succeeded. `time_ms`: the peer's wall clock, unix ms.

        `is_named`: it was asked for by its name.
        """
        contact = self.contacts[peer]
        contact.pin, contact.good, contact.met = pin, address, address
        if is_named:
            contact.named = {address}
        contact.skew_ms = time_ms - int(self._clocks.unix() * 1000)

    def addresses(self, peer: PeerId) -> list[Address]:
        """Where we may dial a peer: the last good address first, then the untried, then the longest failed.

        One that its card does not name is among them where it answered our hello. A way through its NAT is the first,
        and direct ones come before relays.
        """
        card = self._gossip.card(peer)
        if card is None:
            return []
        addresses, contact = dialable(card.addr, on_loopback=self.on_loopback), self.contacts[peer]
        if addresses and contact.met is not None and contact.met not in addresses:
            addresses = (*addresses, contact.met)  # such as the outside of a router that forwards the port
        if contact.way is not None:
            addresses = (contact.way, *addresses)
        relays, good, way = card.through_relays, contact.good, contact.way
        return sorted(addresses, key=lambda a: (a != way, a != good, a in relays, contact.failed.get(a, -math.inf)))

    def is_relayed(self, peer: PeerId) -> bool:
        """Whether a relay is between us and where this peer answered last."""
        card, contact = self._gossip.card(peer), self.contacts.get(peer)
        return card is not None and contact is not None and _is_relayed(card, contact)

    def way_to(self, peer: PeerId) -> Way:
        """How we reach this peer."""
        contact = self.contacts.get(peer)
        if contact is not None and contact.way is not None:
            return "punched"
        return "relay" if self.is_relayed(peer) else "direct"

    def is_direct(self, peer: PeerId) -> bool:
        """Whether we reach this peer's machine itself: through no relay, and through no hole in its NAT."""
        return self.way_to(peer) == "direct"

    def is_far(self, peer: PeerId) -> bool:
        """Whether this peer answered last by a relay, or is one in the open (sites.py)."""
        card, contact = self._gossip.card(peer), self.contacts.get(peer)
        if card is None or contact is None or contact.good is None:
            return False
        if _is_relayed(card, contact):
            return True
        return RELAYS in card.features and ipaddress.ip_address(contact.good.ip).is_global

    def own_ports(self, peer: PeerId) -> Collection[int]:
        """Which ports of ours the last connections to this peer came from, as this machine sees them."""
        contact = self.contacts.get(peer)
        return contact.pin.own_ports if contact and contact.pin else ()

    def may_dial(self, address: Address, peer: PeerId | None) -> bool:
        """Whether to dial `address` for a stranger, maybe named `peer`: where it answered us last, else seldom."""
        contact = self.contacts.get(peer)
        is_good = contact is not None and contact.good == address
        return is_good or self._dials.allow(address, self._clocks.monotonic())

    async def post(
        self,
        peer: PeerId,
        path: str,
        body: bytes,
        *,
        limit_bytes: int = MESSAGE_LIMIT_BYTES,
        answer_s: float | None = None,
    ) -> bytes:
        """Make one signed request for the protocol, and return the answer's body, at most `limit_bytes`.

        Its head may take `answer_s`, its body as long again and somewhat longer by its size; None: as configured. A
        stranger is dialled as often as `StrangersDials` lets us, or where it answered us last. Raises DialledLately,
        PeerUnreachable, NoWholeAnswer, Refused.
        """
        answer_s = self.config.answer_s if answer_s is None else answer_s
        asked = self.stream(peer, path, body, answer_s=answer_s, limited=self._gossip.is_stranger(peer))
        with await asked as answer:
            said = await self._read(peer, answer, limit_bytes, answer_s)
        if answer.status != 200:
            raise refusal(answer.status, said)
        return said

    async def stream(
        self,
        peer: PeerId,
        path: str,
        body: bytes | HashedBody,
        headers: Mapping[str, str] | None = None,
        *,
        answer_s: float,
        limited: bool = False,
        session: SessionUse = "never",
    ) -> Answer:
        """Make a signed, pinned POST: the answer, whatever its status, once its head has arrived.

        The head must arrive within `answer_s` of the last byte of the body that the peer takes. The caller reads the
        answer's body, and MUST release it. Where the peer refuses the signature because the clocks differ or
        because it restarted, the request is signed again with the peer's time and generation and sent once more.
        `session`: whether it may be made in a session instead; where the peer holds none any more, it is signed.
        Raises Refused when the peer refuses the signature after that, PeerUnreachable when no address answers.
        """
        body = hashed(body) if isinstance(body, bytes) else body
        is_again = False
        while True:
            card, contact = self._gossip.card(peer), self.contacts[peer]
            if card is None:
                raise PeerUnreachable(peer, "nobody we know")
            request = Request(path, body, headers or {}, session)
            road, reason = None if limited else self._where_it_is(card, contact), ""
            try:
                answer = None if road is None else await self._exchanges.ask(road, request, answer_s)
            except PeerUnreachable as error:
                answer, reason = None, error.reason
            if answer is None:
                answer = await self._at_some_address(request, card, contact, answer_s, limited, road, reason)
            elif road is not None:
                contact.note_success(road.address)
            if answer.status != 401:
                if answer.status == 403 or contact.refuses:
                    self.contacts.note_status(peer, path, answer.status)
                return answer
            with answer:
                said = await self._read(peer, answer, MESSAGE_LIMIT_BYTES, self.config.answer_s)
            if answer.seal is not None:  # it was made in a session, which is over
                answer.connection.session, session = None, "never"
                continue
            details = read_refusal(said)
            if is_again or not details.time_ms or details.code not in ("clock_skew", "wrong_generation"):
                if details.code == "bad_signature":
                    self.contacts.note_refusal(peer, FORGED)
                raise refusal(401, said)
            contact, is_again = self.contacts[peer], True
            contact.skew_ms, contact.gen = details.time_ms - int(self._clocks.unix() * 1000), details.gen

    async def _at_some_address(
        self,
        request: Request,
        card: Card,
        contact: Contact[Pin],
        answer_s: float,
        limited: bool,
        tried: Road | None,
        reason: str,
    ) -> Answer:
        """The answer of the first address that gives one. `tried`: where it failed already, for this `reason`."""
        peer, failures = card.id, list[str]()
        known = self.addresses(peer)
        addresses = [address for address in known if not limited or self.may_dial(address, peer)]
        if tried is not None:
            failures.append(f"{tried.address}: {reason}")
            contact.note_failure(tried.address, known, self._clocks.monotonic())
            addresses = [address for address in addresses if address != tried.address]
        elif known and not addresses:
            raise DialledLately(peer)
        for address in addresses:
            try:
                answer = await self._exchanges.ask(self._road(card, contact, address), request, answer_s)
            except PeerUnreachable as error:
                failures.append(f"{address}: {error.reason}")
                contact.note_failure(address, known, self._clocks.monotonic())
                continue
            contact.note_success(address)
            return answer
        raise PeerUnreachable(peer, "; ".join(failures) or "it tells no address that we may dial")

    def _road(self, card: Card, contact: Contact[Pin], address: Address) -> Road:
        """The road to one of a peer's addresses."""
        if contact.pin is None or contact.pin.digest != card.cert:
            contact.pin = Pin(card.cert)
        is_named = address in contact.named or (card.relayed and address in card.through_relays)
        audience = Audience(card.id, max(card.gen, contact.gen), card.cert)
        return self._exchanges.road(card.id, address, contact.pin, audience, card.id if is_named else None)

    def _where_it_is(self, card: Card, contact: Contact[Pin]) -> Road | None:
        """The road to where a peer answered last, if its card still says so, or it was met there.

        None: all addresses are looked at. It is made anew where anything has changed that it came of.
        """
        road, way, good = contact.road, contact.way, contact.good
        if isinstance(road, Road) and road.came_of == _came_of(card, contact):
            return road
        is_there = good is not None and way in (None, good) and (good in card.addr or good in (contact.met, way))
        if good is None or not is_there or not card.addr:
            return None
        contact.road = road = self._road(card, contact, good)._replace(came_of=_came_of(card, contact))
        return road

    async def _read(self, peer: str, answer: Answer, limit_bytes: int, answer_s: float) -> bytes:
        """The whole body of a short answer. Raises NoWholeAnswer."""
        body, clock = bytearray(), asyncio.get_running_loop().time
        until = clock() + answer_s
        try:
            while piece := await answer.piece(until - clock()):
                body += piece
                until += len(piece) / LEAST_BYTES_PER_S
                if len(body) > limit_bytes:
                    raise NoWholeAnswer(peer, f"its answer exceeds {limit_bytes} bytes")
        except (ConnectionBroken, TimeoutError, OSError) as error:
            raise NoWholeAnswer(peer, f"its answer broke off ({why_unreachable(error)})") from error
        return bytes(body)


def _is_relayed(card: Card, contact: Contact[Pin]) -> bool:
    """Whether a peer answered last through a relay that its card names."""
    return card.relayed > 0 and not contact.way and contact.good in card.through_relays


def _came_of(card: Card, contact: Contact[Pin]) -> tuple[object, ...]:
    """All that the road to where a peer answered last follows from."""
    return card, contact.way, contact.good, contact.met, contact.pin, contact.gen, contact.named


def refusal(status: int, answer: bytes) -> Refused:
    """A peer's refusal; of what answers in other words, a question whether it is a peer."""
    details = read_refusal(answer)
    message = details.message or f"the peer answered {status}: is it an older ppai, or no peer?"
    return Refused(status, details.code or "unknown", message, details.gen)
