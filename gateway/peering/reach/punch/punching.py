"""Direct ways to peers that are behind a NAT as we are, and that we reach through a relay.

1. We keep a link to the rendezvous of one of our relays, which tells us from where our packets come.
2. Where we reach a peer through a relay, we ask it by a signed POST /peer/1/punch, through that relay: our endpoint and
   address go there, its own come back, and both dial at once. A NAT lets in who was written to just before.
3. A link that stands is a way to that peer: whoever connects to a port of ours on loopback gets a stream of it, which
   the other side serves as a connection to its peer port. TLS with the pinned certificate goes on inside it.
4. A link on which nothing is heard is closed. Then the relay is used, as before, and the peer is asked again later.

Where a NAT gives each destination another port (a symmetric one) no link comes about, and the relay stays in use.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

import msgspec

from discovery.client import PeerClient
from discovery.envelopes import UNREADABLE
from discovery.exchanges import PeerUnreachable
from discovery.gossip import Gossip
from discovery.records import Address, InvalidRecord, PeerId, check_address, dialable
from discovery.request_auth import Refused
from discovery.throttle import Throttle
from gateway.peering.reach.both_ways import Adopt, Connection, Stream, copy_both_ways, served_here
from gateway.peering.reach.punch.quic import ID_CHARS, Bind, Link, Quic

log = logging.getLogger(__name__)

PUNCH_PATH = "/peer/1/punch"
FEATURE = "punch"  # in the card of a peer that answers
LIMIT_BYTES = 256  # of what is asked and answered
TICK_S = 2.0  # s between two looks whom we reach through a relay
DIAL_S = 4.0  # for both ends to meet: the first packets may come before the other NAT lets them in
HEAR_S, SAY_S = 12.0, 4.0  # s without a word after which a link is given up; between two of our own
AGAIN_S, AGAIN_LIMIT_S = 60.0, 3600.0  # until a peer is asked anew where no link came about; doubles each time
RENDEZVOUS_PAUSE_S = 5.0
LINKS = 64  # that we hold to other peers, and that other peers hold to us
EXPECT_S = 30.0  # for which an endpoint that named itself may come
_WORD = b"\0"
_FAILURES = (OSError, TimeoutError, PeerUnreachable, Refused, ValueError, InvalidRecord, *UNREADABLE)

_Id = Annotated[str, msgspec.Meta(pattern=rf"\A[0-9a-f]{{{ID_CHARS}}}\Z")]


class _End(msgspec.Struct):
    """One end of a link that is to be."""

    endpoint: _Id
    ip: str
    port: int

    @property
    def at(self) -> Address:
        """Raises InvalidRecord."""
        address = Address(self.ip, self.port)
        check_address(address)
        return address


@dataclass(slots=True)
class _Asked:
    """When a peer is asked again for a link."""

    at: float = -math.inf
    pause_s: float = field(default_factory=lambda: AGAIN_S)


class Punching:
    """See the module."""

    def __init__(
        self, bind: Bind, client: PeerClient, gossip: Gossip, may_answer: Callable[[PeerId], bool],
        clock: Callable[[], float], adopt: Adopt,
    ) -> None:  # fmt: skip
        """`may_answer`: whom we ask. `clock`: seconds, monotonic. `adopt`: our peer side (reach/both_ways.py)."""
        self._bind, self._client, self._gossip, self._may_answer, self._clock = bind, client, gossip, may_answer, clock
        self._adopt = adopt
        self.endpoint = ""  # ours, once we have one
        self.outer: Address | None = None  # where our packets come from, as the rendezvous says
        self._quic: Quic | None = None
        self._offered: dict[str, Address] = {}  # endpoints of rendezvous, by relay
        self._links: dict[PeerId, Link] = {}  # ours to others
        self._theirs: dict[PeerId, Link] = {}  # those of others to us, the newest of each
        self._met: set[tuple[PeerId, str]] = set()  # the endpoints that we dial, or hold a link to
        self._expected: dict[str, tuple[PeerId, float]] = {}  # by endpoint: whose it is, and until when it may come
        self._asked: dict[PeerId, _Asked] = {}
        self._answers = Throttle(0.1, 3.0)

    def offered(self, at: Address, endpoint: str) -> None:
        """The relay at this address has a rendezvous, of this endpoint; "": it has none."""
        self._offered = {known: there for known, there in self._offered.items() if there != at}
        if endpoint:
            self._offered[endpoint] = at

    def address_of(self, peer: PeerId) -> Address | None:
        """Where the other end of our link to this peer is; None where we have none."""
        link = self._links.get(peer)
        return link.at() if link else None

    def state(self) -> dict[str, Any]:
        """From where our packets come, and to and from how many peers links stand, for the owner."""
        return {"at": str(self.outer) if self.outer else None, "to": len(self._links), "from": len(self._theirs)}

    def answer(self, peer: PeerId, ip: str, body: bytes) -> bytes:
        """Our end, for a peer whose request came from `ip`; it is dialled at once. Raises Refused (400, 409, 429)."""
        if self._quic is None or self.outer is None:
            raise Refused(409, "no_punch", "this peer knows no address of its own to be reached at through a NAT")
        try:
            end = msgspec.json.decode(body, type=_End)
            at = end.at
        except (InvalidRecord, *UNREADABLE) as error:
            raise Refused(400, "malformed", "expected an endpoint, its ip and its port") from error
        if at.ip != ip:
            raise Refused(400, "malformed", "only the address that a request comes from is dialled")
        self._forget_late()
        now = self._clock()
        if not self._answers.allow(peer, now) or len(self._expected) >= LINKS or len(self._theirs) >= LINKS:
            raise Refused(429, "too_many_requests", "too many ask for a direct way now: try again")
        self._expected[end.endpoint] = peer, now + EXPECT_S
        self._tasks.create_task(self._meet(peer, end.endpoint, at))
        return self._own_end()

    async def prepare(self) -> bool:
        """Have an endpoint, which relays are told; False where none can be had."""
        try:
            self._quic = await self._bind("0.0.0.0:0")
        except OSError as error:
            log.warning("punch_not_possible reason=%r", str(error))
            return False
        self.endpoint = self._quic.id
        return True

    async def run(self) -> None:
        """Punch until cancelled, at the endpoint that was prepared."""
        assert self._quic is not None, "it was prepared"
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._quic.run(self._came))
                self._tasks.create_task(self._learn_outer(self._quic))
                while True:
                    await asyncio.sleep(TICK_S)
                    for peer in self._due():
                        self._tasks.create_task(self._ask(peer))
        finally:
            self.endpoint, self.outer = "", None
            await self._quic.close()

    def _own_end(self) -> bytes:
        """Raises OSError where it is not known any more."""
        if self.outer is None:
            raise OSError("no rendezvous tells us our address")
        return msgspec.json.encode(_End(self.endpoint, self.outer.ip, self.outer.port))

    # --- our address ---

    async def _learn_outer(self, quic: Quic) -> None:
        """Hold a link to one rendezvous, and believe what it says of us: who lies there keeps us at the relay."""
        while True:
            for endpoint, at in tuple(self._offered.items()):
                with suppress(*_FAILURES):
                    async with asyncio.timeout(DIAL_S):
                        link = await quic.connect(endpoint, at)
                    try:
                        await self._hear_outer(link)
                    finally:
                        self.outer = None
                        link.close()
            await asyncio.sleep(RENDEZVOUS_PAUSE_S)

    async def _hear_outer(self, link: Link) -> None:
        """Until it says no more. Raises OSError, TimeoutError, ValueError, InvalidRecord."""
        while True:
            async with asyncio.timeout(HEAR_S):
                ip, _, port = (await link.hear()).decode("ascii", "replace").rpartition(":")
            outer = Address(ip.strip("[]"), int(port))
            check_address(outer)
            if outer != self.outer:
                self.outer, self._asked = outer, {}
                log.info("punch_ready at=%s", outer)

    # --- ways to others ---

    def _due(self) -> list[PeerId]:
        """Whom to ask now for a link."""
        now = self._clock()
        if self.outer is None or len(self._links) >= LINKS:
            return []
        members = [member for member in self._gossip.members() if FEATURE in member.card.features]
        self._asked = {member.id: self._asked.get(member.id, _Asked()) for member in members}
        return [
            member.id
            for member in members
            if member.state == "alive" and self._may_answer(member.id) and member.id not in self._links
            and self._client.is_relayed(member.id) and self._asked[member.id].at <= now
        ][: LINKS - len(self._links)]  # fmt: skip

    async def _ask(self, peer: PeerId) -> None:
        asked = self._asked.setdefault(peer, _Asked())
        asked.at, asked.pause_s = self._clock() + asked.pause_s, min(2 * asked.pause_s, AGAIN_LIMIT_S)
        try:
            end = msgspec.json.decode(await self._client.post(peer, PUNCH_PATH, self._own_end()), type=_End)
            at = end.at
        except _FAILURES as error:
            log.info("punch_refused peer=%s reason=%r", peer[:10], str(error))
            return
        if dialable((at,), on_loopback=self._client.on_loopback):
            self._forget_late()
            self._expected[end.endpoint] = peer, self._clock() + EXPECT_S  # it dials us, which opens its NAT
            await self._meet(peer, end.endpoint, at)

    async def _meet(self, peer: PeerId, endpoint: str, at: Address) -> None:
        """Dial the other end; it dials us meanwhile. Each uses the link that it opened itself.

        Both may ask at once, and whoever lost its link asks while ours stands. A second link of ours to the endpoint
        would cost us the first, which the other end closes for it: so there is none.
        """
        if (peer, endpoint) in self._met:
            return
        self._met.add((peer, endpoint))
        try:
            await self._dial(peer, endpoint, at)
        finally:
            self._met.discard((peer, endpoint))

    async def _dial(self, peer: PeerId, endpoint: str, at: Address) -> None:
        """Open a link there and use it while it is alive, unless we have another way by now."""
        assert self._quic is not None, "we have an endpoint"
        try:
            async with asyncio.timeout(DIAL_S):
                link = await self._quic.connect(endpoint, at)
        except _FAILURES as error:
            log.info("punch_failed peer=%s at=%s reason=%r", peer[:10], at, str(error) or "no answer in time")
            return
        try:
            if self._client.is_relayed(peer) and peer not in self._links and len(self._links) < LINKS:
                self._links[peer] = link
                try:
                    await self._use(peer, link)
                finally:
                    del self._links[peer]
        except _FAILURES as error:
            log.info("punch_ended peer=%s reason=%r", peer[:10], str(error) or "nothing more was heard")
        finally:
            link.close()

    async def _use(self, peer: PeerId, link: Link) -> None:
        """Let our clients reach the peer through this link while it is alive. Raises OSError, TimeoutError."""
        server = await asyncio.start_server(partial(self._through, link), "127.0.0.1", 0)
        place = Address("127.0.0.1", server.sockets[0].getsockname()[1])
        try:
            self._client.contacts[peer].way = place
            self._asked.setdefault(peer, _Asked()).pause_s = AGAIN_S  # not before that: the way may be of no use
            log.info("punched peer=%s at=%s", peer[:10], link.at())
            await _alive(link, lambda: self._client.contacts[peer].way == place)
        finally:
            contact = self._client.contacts[peer]
            contact.way = None if contact.way == place else contact.way
            server.close()

    async def _through(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of ours to the peer."""
        try:
            stream = await link.open()
        except OSError:
            writer.close()
            return
        await copy_both_ways(Connection(reader, writer), stream)

    # --- ways of others to us ---

    def _forget_late(self) -> None:
        """Who did not come in time is not expected any more."""
        now = self._clock()
        self._expected = {one: (who, until) for one, (who, until) in self._expected.items() if until > now}

    async def _came(self, link: Link) -> None:
        """Serve what another peer sends through a link that it opened. Who named no such endpoint is hung up on."""
        peer, until = self._expected.get(link.endpoint, (None, 0.0))
        if peer is None or until < self._clock() or len(self._theirs) >= LINKS:
            return
        if old := self._theirs.get(peer):
            old.close()
        self._theirs[peer] = link
        try:
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(self._serve(link, tasks))
                with suppress(OSError, TimeoutError):
                    await _alive(link, lambda: True)
                link.close()  # which ends its streams
                serving.cancel()
        finally:
            if self._theirs.get(peer) is link:
                del self._theirs[peer]

    async def _serve(self, link: Link, tasks: asyncio.TaskGroup) -> None:
        with suppress(OSError):
            while True:
                stream = await link.accept()
                tasks.create_task(self._serve_stream(stream, link))

    async def _serve_stream(self, stream: Stream, link: Link) -> None:
        at = link.at()
        try:
            near = await served_here(self._adopt, at.ip if at else "")
        except OSError:
            near = None
        if near is None:
            await stream.abort()
        else:
            await copy_both_ways(stream, near)


async def _alive(link: Link, is_wanted: Callable[[], bool]) -> None:
    """Until the other end is silent, or the link is not wanted. Raises OSError, TimeoutError."""

    async def speak() -> None:
        while is_wanted():
            link.say(_WORD)
            await asyncio.sleep(SAY_S)
        link.close()

    speaking = asyncio.create_task(speak())
    try:
        while True:
            async with asyncio.timeout(HEAR_S):
                await link.hear()
    finally:
        speaking.cancel()
        with suppress(OSError, asyncio.CancelledError):
            await speaking
