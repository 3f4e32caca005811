"""Makes first contact: says hello to seeds, to hints (from mDNS and peers.json), and to peers that have forgotten us.

The dialler says one hello to a hint, at a limited rate, and says hello to a seed until a living peer is found there.
endpoint.py and admission.py decide whether who answers may join.
"""

import asyncio
import ipaddress
import logging
import math
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from discovery.client import PeerClient
from discovery.endpoint import Clocks, Endpoint
from discovery.envelopes import Envelope, MalformedMessage, Signed, Verify, open_envelope
from discovery.exchanges import PeerUnreachable
from discovery.gossip import Gossip, Step
from discovery.membership import Event
from discovery.messages import Hello, OtherNetwork, decode, encode
from discovery.names import quoted
from discovery.own import shared_at
from discovery.records import Address, Card, InvalidRecord, PeerId, check_address, dialable
from discovery.request_auth import Refused
from discovery.throttle import Throttle

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DiallerConfig:
    """How often we dial."""

    hints_per_s: float = 2.0  # hellos a second to hints, in the long run
    hints_burst: float = 16.0  # hellos to hints at once
    hints_limit: int = 64  # hints waiting; beyond it the oldest is dropped
    seed_min_s: float = 1.0  # s between two hellos to a seed; the pause doubles up to seed_max_s
    seed_max_s: float = 30.0  # s
    resolve_s: float = 5.0  # s for looking up the name of a seed
    refused_s: float = 5.0  # s after a refusal in which that peer is not greeted again
    refused_limit: int = 256  # such peers remembered


@dataclass(frozen=True, slots=True)
class Hint:
    """An address where a peer may listen, and the id it is said to have (None: not said; it may be wrong)."""

    address: Address
    id: PeerId | None = None


class Dialler:
    """Makes first contacts. Run its two loops, `follow_hints()` and `dial_seeds()`, as tasks."""

    def __init__(
        self,
        net: str,
        gossip: Gossip,
        endpoint: Endpoint,
        client: PeerClient,
        verify: Verify,
        carry_out: Callable[[Step], None],
        clocks: Clocks,
        *,
        on_loopback: bool,
        config: DiallerConfig | None = None,
    ) -> None:
        self._config = config or DiallerConfig()
        self._net, self._gossip, self._endpoint, self._client = net, gossip, endpoint, client
        self._verify, self._carry_out, self._clocks, self._on_loopback = verify, carry_out, clocks, on_loopback
        self._hints: OrderedDict[Hint, None] = OrderedDict()
        self._hint_came = asyncio.Event()
        self._seeds: dict[tuple[str, int], PeerId | None] = {}
        self._kept: dict[tuple[str, int], PeerId] = {}  # who answered last at each seed
        self._refused_at: OrderedDict[PeerId, float] = OrderedDict()  # when it last refused our greeting

    def hint(self, address: Address, peer: PeerId | None = None) -> None:
        """Queue one hello to `address`, where a peer may listen. Never waits; an address we may not dial is ignored."""
        with suppress(InvalidRecord):
            check_address(address)
            if peer != self._gossip.id and dialable((address,), on_loopback=self._on_loopback):
                self._hints[Hint(address, peer)] = None
                while len(self._hints) > self._config.hints_limit:
                    self._hints.popitem(last=False)
                self._hint_came.set()

    def add_seed(self, host: str, port: int) -> None:
        """Say hello to this address whenever no living peer is known there. A name is resolved at every attempt."""
        self._seeds[host, port] = None

    async def hello(self, address: Address, expected: PeerId | None = None, *, keep: bool = False) -> PeerId:
        """Say hello at `address` and take in the peer that answers: its id. Raises PeerUnreachable, Refused.

        The answer must hold a card that is signed by its owner, names the certificate that the channel presented, and
        has the `expected` id where one is given. Only whom the user named is to `keep`: mDNS, cards and strangers'
        greetings make us dial as well.
        """
        greeting = encode(self._endpoint.introduction(), self._net)
        answer, pin = await self._client.first_contact(address, greeting, expected)
        hello = self._read_hello(answer, address)
        card = hello.card.record
        assert isinstance(card, Card), "decode() lets only cards into a hello"
        if card.cert != pin.digest or expected not in (None, card.id):
            raise PeerUnreachable(str(address), "somebody else than the card says answers there")
        self._endpoint.welcome(hello, keep=keep)
        self._client.trust(card.id, address, pin, hello.time_ms, is_named=expected is not None)
        self._endpoint.forget_refusal(card.id, PeerId(str(address)))
        self._refused_at.pop(card.id, None)
        if address in card.addr:  # else it says that it is elsewhere, and there nobody has answered yet
            far = self._client.is_far(card.id)
            self._carry_out(self._gossip.answered(card.id, self._clocks.monotonic(), far=far))
        return card.id

    async def follow_hints(self) -> None:
        """Say hello to every queued hint, newest first, until cancelled."""
        throttle = Throttle(self._config.hints_per_s, self._config.hints_burst)
        while True:
            await self._hint_came.wait()
            while not throttle.allow("", self._clocks.monotonic()):
                await asyncio.sleep(1 / self._config.hints_per_s)
            if self._hints:
                hint, _ = self._hints.popitem()
                if not self._is_live(hint.id) and self._client.may_dial(hint.address, hint.id):
                    await self._try(hint.address, hint.id)
            else:
                self._hint_came.clear()

    async def dial_seeds(self) -> None:
        """Say hello to every seed where no living peer is known, until cancelled."""
        pause_s = self._config.seed_min_s
        while True:
            lost = [seed for seed, peer in self._seeds.items() if not self._is_live(peer)]
            for host, port in lost:
                self._seeds[host, port] = await self._try_seed(host, port)
            pause_s = min(2 * pause_s, self._config.seed_max_s) if lost else self._config.seed_min_s
            await asyncio.sleep(pause_s)

    async def greet(self, peer: PeerId) -> bool:
        """Say hello to a known peer again, which has forgotten us. Returns whether it worked.

        One that keeps us out forgets us at every message: it is greeted once in a while.
        """
        now = self._clocks.monotonic()
        if now - self._refused_at.get(peer, -math.inf) < self._config.refused_s:
            return False
        card = self._gossip.card(peer)
        addresses = dialable(card.addr, on_loopback=self._on_loopback) if card else ()
        limited = self._gossip.is_stranger(peer)
        for address in addresses:
            if limited and not self._client.may_dial(address, peer):
                continue
            if await self._try(address, peer) is not None:
                return True
        return False

    async def _try(self, address: Address, expected: PeerId | None, *, keep: bool = False) -> PeerId | None:
        """Say hello; a failure is logged and returned as None."""
        try:
            return await self.hello(address, expected, keep=keep)
        except Refused as refused:
            level = logging.DEBUG if refused.code == "same_identity" else logging.WARNING
            log.log(level, "hello_refused address=%s code=%s reason=%r", address, refused.code, refused.message)
            if refused.code == "same_identity" and refused.gen not in (0, self._gossip.gen):  # not ourselves
                event = Event("identity_in_use", self._gossip.id, shared_at(address))
                self._carry_out(Step(events=(event,)))
            if refused.status == 403:
                said = f"it refuses us, and says: {quoted(refused.message)}"
                self._endpoint.note_refusal(PeerId(expected or str(address)), str(address), said)
                if expected:
                    self._client.contacts.note_refusal(expected, said, by_admission=True)
                    self._note_refused(expected)
        except PeerUnreachable as error:
            log.debug("hello_failed address=%s reason=%r", address, error.reason)
        return None

    def _note_refused(self, peer: PeerId) -> None:
        self._refused_at.pop(peer, None)
        self._refused_at[peer] = self._clocks.monotonic()
        while len(self._refused_at) > self._config.refused_limit:
            self._refused_at.popitem(last=False)

    async def _try_seed(self, host: str, port: int) -> PeerId | None:
        try:
            async with asyncio.timeout(self._config.resolve_s):
                found = await asyncio.get_running_loop().getaddrinfo(host, port)
        except (OSError, TimeoutError):
            log.warning("seed_unknown host=%s: no such name, still trying", host)
            return None
        for ip in dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found):
            peer = await self._try(Address(str(ipaddress.ip_address(ip)), port), None, keep=True)
            if peer is not None:
                self._keep_one((host, port), peer)
                return peer
        log.info("seed_silent seed=%s:%d: still trying", host, port)
        return None

    def _keep_one(self, seed: tuple[str, int], peer: PeerId) -> None:
        """A seed keeps the one peer that answered there last: others who take its address in turn are not kept."""
        before = self._kept.get(seed)
        self._kept[seed] = peer
        if before is not None and before not in self._kept.values():
            self._endpoint.release(before)

    def _is_live(self, peer: PeerId | None) -> bool:
        member = self._gossip.member(peer) if peer else None
        return member is not None and member.state in ("alive", "suspect")

    def _read_hello(self, answer: bytes, address: Address) -> Hello:
        def open_(envelope: Envelope) -> Signed:
            return open_envelope(envelope, self._net, self._verify)

        try:
            hello = decode(answer, self._net, open_)
        except OtherNetwork as error:
            raise Refused(
                403, "other_network", f"{address} belongs to network {error.net!r}: set network.name"
            ) from error
        except MalformedMessage as error:
            raise PeerUnreachable(str(address), f"no hello comes back: {error}") from error
        if not isinstance(hello, Hello):
            raise PeerUnreachable(str(address), "no hello comes back")
        return hello
