"""Sends our requests to other peers: signed, over TLS pinned to the certificate in the peer's card, without proxies.

The client tries a peer's addresses in turn, first the one that worked last. One connection serves many requests.
"""

import asyncio
import hashlib
import math
import os
import secrets
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from weakref import WeakValueDictionary

import aiohttp
import yarl

from discovery.contacts import FORGED, Contacts
from discovery.endpoint import Clocks
from discovery.envelopes import Sign
from discovery.gossip import Gossip
from discovery.messages import MESSAGE_LIMIT_BYTES
from discovery.records import Address, PeerId, dialable
from discovery.request_auth import NONCE_BYTES, Audience, HashedBody, Refused, hashed, read_refusal, sign_request
from discovery.strangers import StrangersDials
from discovery.uploads import LEAST_BYTES_PER_S, Upload, while_it_moves

CHANGED = "what came back was changed on the way"
PORTS_KEPT = 128  # ports of our own connections to one peer that are remembered: as many as it may have


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """How long we wait for other peers, and how many connections we hold."""

    connect_s: float = 2.0  # s for TCP and TLS to one address
    answer_s: float = 3.0  # s for a whole gossip exchange, and for every 16 KiB of it one more
    keepalive_s: float = 60.0  # s an idle connection is kept; the server must keep it longer (75 s)
    connections: int = 512  # connections to all peers together
    contacts_limit: int = 2048  # peers of whom we remember where they answered: twice as many as are alive
    connections_each: int = 128  # connections to one peer; each running stream needs one
    # requests to one peer whose answer has not begun: it closes connections beyond 32 on which nobody proved himself
    opening_each: int = 24
    direct_again_s: float = 30.0  # s between two tries of a direct way to a peer that is reached through a relay


class PeerUnreachable(Exception):
    """No address of a peer could be reached; `reason` says why, address by address."""

    def __init__(self, peer: str, reason: str) -> None:
        super().__init__(f"peer {peer[:10]} is unreachable: {reason}")
        self.peer = peer
        self.reason = reason


class DialledLately(PeerUnreachable):
    """It was not dialled: strangers name its address, and it was dialled for strangers a moment ago."""

    def __init__(self, peer: str) -> None:
        super().__init__(peer, "dialled for strangers a moment ago")


class Pin(aiohttp.Fingerprint):
    """The one certificate that a peer may present; `digest` is its SHA-256, (32,).

    A pin made without a digest takes that of the first certificate it sees and accepts no other from then on. Keep one
    Pin object for each peer: aiohttp reuses a connection only for the same object.
    """

    def __init__(self, digest: bytes | None) -> None:
        super().__init__(digest or bytes(32))
        self.digest = digest
        self.own_ports = deque[int](maxlen=PORTS_KEPT)  # where our connections to this peer came from, at our end

    def check(self, transport: asyncio.BaseTransport) -> None:
        """Raises ServerFingerprintMismatch for another certificate, or TLS below 1.3; OSError where TLS has ended."""
        ssl_object = transport.get_extra_info("ssl_object")
        try:
            presented = hashlib.sha256(ssl_object.getpeercert(binary_form=True)).digest()
        except ValueError as error:  # what followed the handshake was no TLS: OpenSSL has forgotten who is there
            raise ConnectionAbortedError(CHANGED) from error
        if self.digest is None:
            self.digest = presented
        if presented != self.digest or ssl_object.version() != "TLSv1.3":
            host, port, *_ = transport.get_extra_info("peername")
            raise aiohttp.ServerFingerprintMismatch(self.digest, presented, host, port)
        self.own_ports.append(transport.get_extra_info("sockname")[1])


class PeerClient:
    """Speaks to peers on our behalf. Use as an async context manager."""

    def __init__(
        self,
        gossip: Gossip,
        sign: Sign,
        clocks: Clocks,
        *,
        on_loopback: bool,
        config: ClientConfig | None = None,
        dials: StrangersDials | None = None,
        on_refusal: Callable[[PeerId, str], None] = lambda peer, why: None,
    ) -> None:
        """`on_loopback`: our own listener is bound to loopback, so we may dial loopback addresses of other peers.

        `on_refusal(peer, why)` is called when a peer begins to refuse our requests, or does so for another reason.
        """
        self.config = config or ClientConfig()
        self._gossip, self._sign, self._clocks, self.on_loopback = gossip, sign, clocks, on_loopback
        self._dials = dials or StrangersDials()
        self._session: aiohttp.ClientSession | None = None
        self._opening = WeakValueDictionary[Address, asyncio.Semaphore]()  # by address, while somebody uses it
        self.contacts = Contacts[Pin](self.config.contacts_limit, on_refusal)

    async def __aenter__(self) -> "PeerClient":
        connector = aiohttp.TCPConnector(
            limit=self.config.connections,
            limit_per_host=self.config.connections_each,
            keepalive_timeout=self.config.keepalive_s,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={"accept-encoding": "identity", "user-agent": "ppai/1"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def first_contact(self, address: Address, body: bytes, expected: PeerId | None = None) -> tuple[bytes, Pin]:
        """POST a hello to an address whose certificate we do not know yet: (the answer's body, the pin it made).

        Of several peers behind a relay the `expected` one is asked for. The caller must compare `Pin.digest` with the
        card in the answer before it believes the answer.
        Raises PeerUnreachable, Refused.
        """
        pin = Pin(None)
        exchange = self._exchange(str(address), address, pin, "/peer/1/hello", (body,), {}, name=expected)
        async with exchange as response:
            answer = await self._read(str(address), response)
            if response.status != 200:
                raise refusal(response.status, answer)
            return answer, pin

    def trust(self, peer: PeerId, address: Address, pin: Pin, time_ms: int, *, is_named: bool = False) -> None:
        """Keep the connection of a first contact that succeeded. `time_ms`: the peer's wall clock, unix ms.

        `is_named`: it was asked for by its name.
        """
        contact = self.contacts[peer]
        contact.pin, contact.good, contact.met = pin, address, address
        if is_named:
            contact.named = {address}
        contact.skew_ms = time_ms - int(self._clocks.unix() * 1000)

    def addresses(self, peer: PeerId, *, tries_direct: bool = False) -> list[Address]:
        """Where we may dial a peer: the last good address first, then the untried, then the longest failed.

        One that its card does not name is among them where it answered our hello. Direct ways come before relays, and
        where it `tries_direct` also before a relay that is good, once in a while.
        """
        member = self._gossip.member(peer)
        if member is None:
            return []
        addresses, contact = dialable(member.card.addr, on_loopback=self.on_loopback), self.contacts[peer]
        if addresses and contact.met is not None and contact.met not in addresses:
            addresses = (*addresses, contact.met)  # such as the outside of a router that forwards the port
        relays, good, now = member.card.through_relays, contact.good, self._clocks.monotonic()
        if tries_direct and good in relays and now - contact.direct_at > self.config.direct_again_s:
            contact.direct_at, good = now, None
        return sorted(addresses, key=lambda a: (a != good, a in relays, contact.failed.get(a, -math.inf)))

    def is_relayed(self, peer: PeerId) -> bool:
        """Whether a relay is between us and where this peer answered last."""
        member, contact = self._gossip.member(peer), self.contacts.get(peer)
        return bool(member and contact and contact.good in member.card.through_relays)

    def own_ports(self, peer: PeerId) -> Collection[int]:
        """Which ports of ours the last connections to this peer came from, as this machine sees them."""
        contact = self.contacts.get(peer)
        return contact.pin.own_ports if contact and contact.pin else ()

    def may_dial(self, address: Address, peer: PeerId | None) -> bool:
        """Whether to dial `address` for a stranger, maybe named `peer`: where it answered us last, else seldom."""
        contact = self.contacts.get(peer)
        is_good = contact is not None and contact.good == address
        return is_good or self._dials.allow(address, self._clocks.monotonic())

    async def post(self, peer: PeerId, path: str, body: bytes) -> bytes:
        """Make one signed request for the protocol, and return the answer's body, at most 64 KiB.

        A stranger is dialled as often as `StrangersDials` lets us, or where it answered us last. Raises DialledLately,
        PeerUnreachable, Refused.
        """
        limited = self._gossip.is_stranger(peer)
        asked = self.stream(
            peer, path, body, answer_s=self.config.answer_s, limited=limited, tries_direct=True
        )  # fmt: skip
        async with asked as response:
            answer = await self._read(peer, response)
            if response.status >= 400:
                raise refusal(response.status, answer)
            return answer

    @asynccontextmanager
    async def stream(
        self,
        peer: PeerId,
        path: str,
        body: bytes | HashedBody,
        headers: Mapping[str, str] | None = None,
        answer_s: float = 10.0,
        *,
        limited: bool = False,
        tries_direct: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Make a signed, pinned POST and yield the response, whatever its status, once its head has arrived.

        The head must arrive within `answer_s` of the last byte of the body that the peer takes. The caller reads the
        answer's body and sets the timeouts for it. Where the peer refuses the signature because the clocks differ or
        because it restarted, the request is signed again with the peer's time and generation and sent once more.
        Raises Refused when the peer refuses the signature after that, PeerUnreachable when no address answers.
        """
        body = hashed(body) if isinstance(body, bytes) else body
        for attempt in range(2):
            known = self.addresses(peer, tries_direct=tries_direct)
            async with self._at_some_address(peer, path, body, headers or {}, answer_s, limited, known) as response:
                if response.status != 401:
                    self.contacts.note_status(peer, path, response.status)
                    yield response
                    return
                answer = await self._read(peer, response)
            details = read_refusal(answer)
            if attempt or not details.time_ms or details.code not in ("clock_skew", "wrong_generation"):
                if details.code == "bad_signature":
                    self.contacts.note_refusal(peer, FORGED)
                raise refusal(401, answer)
            contact = self.contacts[peer]
            contact.skew_ms, contact.gen = details.time_ms - int(self._clocks.unix() * 1000), details.gen

    @asynccontextmanager
    async def _at_some_address(
        self,
        peer: PeerId,
        path: str,
        body: HashedBody,
        headers: Mapping[str, str],
        answer_s: float,
        limited: bool,
        known: list[Address],
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        audience = self._audience(peer)
        addresses = [address for address in known if not limited or self.may_dial(address, peer)]
        if known and not addresses:
            raise DialledLately(peer)
        failures = []
        for address in addresses:
            signed = self._signed(audience, path, body.sha256)
            async with AsyncExitStack() as stack:
                exchange = self._exchange(
                    peer, address, self._pin(audience), path, body.pieces, {**headers, **signed}, answer_s,
                    self._name_at(peer, address),
                )  # fmt: skip
                try:
                    response = await stack.enter_async_context(exchange)
                except PeerUnreachable as error:
                    failures.append(f"{address}: {error.reason}")
                    self.contacts[peer].note_failure(address, known, self._clocks.monotonic())
                    continue
                self.contacts[peer].note_success(address)
                yield response
                return
        raise PeerUnreachable(peer, "; ".join(failures) or "it tells no address that we may dial")

    @asynccontextmanager
    async def _exchange(
        self,
        peer: str,
        address: Address,
        pin: Pin,
        path: str,
        pieces: tuple[bytes | memoryview, ...],
        headers: Mapping[str, str],
        answer_s: float | None = None,
        name: str | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """`name`: what TLS is asked for, where several peers are behind the address."""
        assert self._session is not None, "use PeerClient as an async context manager"
        url = yarl.URL(f"https://{address}{path}", encoded=True)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.config.connect_s)
        body = Upload(pieces)
        opening = self._opening.setdefault(address, asyncio.Semaphore(self.config.opening_each))
        try:
            async with opening, while_it_moves(lambda: body.taken_bytes, answer_s or self.config.answer_s):
                response = await self._session.post(
                    url,
                    data=body,
                    headers={**headers, "content-length": str(body.size)},
                    ssl=pin, timeout=timeout, allow_redirects=False, server_hostname=name,
                )  # fmt: skip
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise PeerUnreachable(peer, why_unreachable(error)) from error
        try:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise PeerUnreachable(peer, "it answers in an encoding nobody asked for")
            yield response
        finally:
            response.release()  # closes the connection when the body was not read to its end

    async def _read(self, peer: str, response: aiohttp.ClientResponse) -> bytes:
        """The whole body of a short answer. Raises PeerUnreachable when it is too long, late or cut off."""
        body = bytearray()
        try:
            async with asyncio.timeout(self.config.answer_s) as limit:
                async for chunk in response.content.iter_any():
                    body += chunk
                    limit.reschedule((limit.when() or 0.0) + len(chunk) / LEAST_BYTES_PER_S)
                    if len(body) > MESSAGE_LIMIT_BYTES:
                        raise PeerUnreachable(peer, f"its answer exceeds {MESSAGE_LIMIT_BYTES} bytes")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise PeerUnreachable(peer, f"its answer broke off ({why_unreachable(error)})") from error
        return bytes(body)

    def _name_at(self, peer: PeerId, address: Address) -> str | None:
        """What TLS is asked for at this address of this peer: its id at a relay, and where it was met by that."""
        member, contact = self._gossip.member(peer), self.contacts[peer]
        is_named = address in contact.named or (member is not None and address in member.card.through_relays)
        return peer if is_named else None

    def _audience(self, peer: PeerId) -> Audience:
        member = self._gossip.member(peer)
        if member is None:
            raise PeerUnreachable(peer, "nobody we know")
        return Audience(peer, max(member.card.gen, self.contacts[peer].gen), member.card.cert)

    def _pin(self, audience: Audience) -> Pin:
        contact = self.contacts[audience.id]
        if contact.pin is None or contact.pin.digest != audience.cert:
            contact.pin = Pin(audience.cert)
        return contact.pin

    def _signed(self, audience: Audience, path: str, body_sha256: str) -> dict[str, str]:
        time_ms = int(self._clocks.unix() * 1000) + self.contacts[audience.id].skew_ms
        nonce = secrets.token_bytes(NONCE_BYTES)
        return sign_request(self._gossip.id, self._sign, audience, "POST", path, body_sha256, time_ms, nonce)


def refusal(status: int, answer: bytes) -> Refused:
    """A peer's refusal; of what answers in other words, a question whether it is a peer."""
    details = read_refusal(answer)
    message = details.message or f"the peer answered {status}: is it an older ppai, or no peer?"
    return Refused(status, details.code or "unknown", message, details.gen)


def why_unreachable(error: BaseException) -> str:
    """What of a dial or an exchange failed, in words. An address may answer what no peer does: a captive portal's."""
    if isinstance(error, aiohttp.ServerFingerprintMismatch):
        return "it presents another certificate than its card names"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientSSLError):  # an OSError whose number is none of the system's
        return "no TLS of a peer's is spoken there: does something else answer, as a captive portal does?"
    if isinstance(error, aiohttp.ClientResponseError):
        return "no HTTP comes back: does something else answer than a peer?"
    if _is_of_tls(error):
        return CHANGED
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno).lower()
    if isinstance(cause, aiohttp.ClientPayloadError):
        return "it ends too early"
    return "it hung up" if isinstance(cause, ConnectionError | aiohttp.ServerDisconnectedError) else str(cause)


def _is_of_tls(error: BaseException | None) -> bool:
    """Whether OpenSSL found it; aiohttp passes it on as an OSError of the same number, which means another thing."""
    return error is not None and (isinstance(error, ssl.SSLError) or _is_of_tls(error.__cause__))
