"""Answers the requests of other peers: who is asking, may it ask, and what is the answer.

Every request from outside passes through here first: `handle_hello` answers first contact, `authenticate` checks each
signed request. The gateway's web server (gateway/peering/listener.py) calls it. Opens no sockets.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

from discovery.admission import Admission
from discovery.envelopes import Envelope, MalformedMessage, Signed, Verify, open_envelope, parse, verified
from discovery.gossip import Gossip, Step
from discovery.join_messages import JOIN_PATH
from discovery.membership import Event
from discovery.messages import MESSAGE_LIMIT_BYTES, Hello, Message, OtherNetwork, Probe, decode, encode
from discovery.names import with_id
from discovery.own import shared
from discovery.records import Card, PeerId, Pulse
from discovery.request_auth import Audience, AuthConfig, Refused, RequestVerifier, Standing, refusal_body
from discovery.strangers import StrangersConfig, StrangersTime, site_of
from discovery.throttle import Throttle

HELLO_PATH = "/peer/1/hello"
HELLO_LIMIT_BYTES = 16 * 1024
SYNC_LIMIT_BYTES = MESSAGE_LIMIT_BYTES
REFUSED_LIMIT = 64  # refused peers remembered for the user to see


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """How much of our time other peers may take."""

    hellos_per_s: float = 10.0  # hellos a second from one address, in the long run
    hellos_burst: float = 64.0  # hellos at once: many peers behind one address may start together
    syncs_per_s: float = 16.0  # messages a second from one peer: five times what the protocol needs
    syncs_burst: float = 32.0  # messages at once from one peer
    verify_s: float = 0.02  # s for the signatures of one message; records left over come again with a later message
    strangers_verify_s: float = 0.005  # s, where a stranger sends it
    strangers: StrangersConfig = field(default_factory=StrangersConfig)
    refusals_per_s: float = 1.0  # refusals to one site that are sent at once, in the long run; further ones are held up
    refusals_burst: float = 32.0  # refusals to one site sent at once
    refusal_pause_s: float = 1.0  # s that a further one is held up, so that asking again and again is slow
    held_up_per_s: float = 32.0  # refusals to all sites that are held up so long, in the long run
    flood_pause_s: float = 4.0  # s that any further one is: a flood from many addresses holds all places of strangers
    fresh_pulse_s: float = 0.5  # s; a probe is answered with a pulse no older than this
    auth: AuthConfig = field(default_factory=AuthConfig)


@dataclass(frozen=True, slots=True)
class Clocks:
    """The two clocks, passed in so that tests can set them."""

    monotonic: Callable[[], float]  # s, never goes back
    unix: Callable[[], float]  # s since 1970
    worked: Callable[[], float] = time.thread_time  # s of processor time that this thread has used


class Endpoint:
    """Answers peers. Its methods neither wait nor dial: messages to send and events go to `carry_out`."""

    def __init__(
        self,
        net: str,
        gossip: Gossip,
        admission: Admission,
        verify: Verify,
        pulse: Callable[[float], Pulse],
        carry_out: Callable[[Step], None],
        clocks: Clocks,
        config: EndpointConfig | None = None,
    ) -> None:
        """`pulse(now)` returns our present load; its id, gen and seq are filled in when it is published."""
        self._net, self._gossip, self._admission, self._verify = net, gossip, admission, verify
        self._pulse, self._carry_out, self._clocks = pulse, carry_out, clocks
        self._config = c = config or EndpointConfig()
        self._requests = RequestVerifier(verify, c.auth)
        self._hellos = Throttle(c.hellos_per_s, c.hellos_burst)
        self._syncs = Throttle(c.syncs_per_s, c.syncs_burst)
        self._refusals = Throttle(c.refusals_per_s, c.refusals_burst)
        self._held_up = Throttle(c.held_up_per_s, c.refusals_burst)
        self._strangers = StrangersTime(c.strangers)
        self._pulsed_at = float("-inf")
        self.refused: OrderedDict[PeerId, tuple[str, str]] = OrderedDict()  # peer -> (name, reason), newest last

    def expect(self, path: str, headers: Mapping[str, str], peer_ip: str) -> None:
        """Whether to read the body of this request at all: ask before reading. Nothing is counted.

        `headers`: by lower-case name. Raises Refused (401, 429, 503).
        """
        if path in (HELLO_PATH, JOIN_PATH):
            self._check_room(site_of(peer_ip))
            return
        unix_s, now = self._clocks.unix(), self._clocks.monotonic()
        peer = self._requests.expect(self.audience(), self.standing, headers, unix_s, now)
        if self.standing(peer) == "stranger":
            self._check_room(site_of(peer_ip))

    def authenticate(
        self, method: str, raw_path: str, headers: Mapping[str, str], body_sha256: str, peer_ip: str = ""
    ) -> PeerId:
        """The peer that signed this request to us. `headers`: by lower-case name. Raises Refused (401, 429, 503)."""
        request, site = (method, raw_path, headers, body_sha256), site_of(peer_ip)
        is_stranger = self.standing(PeerId(headers.get("ppai-id", ""))) != "trusted"
        if is_stranger:
            self._check_room(site)
        times = (self._clocks.unix(), self._clocks.monotonic())
        try:
            with self._counted(site) if is_stranger else nullcontext():
                return self._requests.check(self.audience(), self.standing, request, *times)
        except Refused as refused:  # an id can be claimed by anybody: what a false claim costs is a stranger's
            if refused.code == "bad_signature":
                self.note_forgery(PeerId(headers["ppai-id"]))
            self._strangers.spend(site, 0.0 if is_stranger else self._config.strangers.request_s, times[1])
            raise

    def handle_hello(self, body: bytes, peer_ip: str) -> bytes:
        """Answer a hello with ours, and take in the caller. Raises Refused (400, 403, 409, 413, 429, 503)."""
        site = site_of(peer_ip)
        self._check_room(site)
        if not self._hellos.allow(site, self._clocks.monotonic()):
            raise Refused(429, "too_many_requests", "slow down")
        began, is_counted = self._clocks.worked(), True
        try:
            hello = self._decode(body, self._open_always, HELLO_LIMIT_BYTES)
            if not isinstance(hello, Hello):
                raise Refused(400, "malformed", "expected a hello")
            is_news = self._gossip.needs(hello.card.record, hello.card.envelope)  # what is known, anybody can replay
            is_counted = self._is_stranger(self.welcome(hello)) or not is_news
            return encode(self.introduction(), self._net)
        finally:
            if is_counted:
                self._count(site, began)

    @contextmanager
    def room_for_unknown(self, peer_ip: str) -> Iterator[None]:
        """Answer inside somebody who has proven nothing: it counts as a hello does. Raises Refused (429)."""
        site = site_of(peer_ip)
        self._check_room(site)
        if not self._hellos.allow(site, self._clocks.monotonic()):
            raise Refused(429, "too_many_requests", "slow down")
        with self._counted(site):
            yield

    def handle_sync(self, peer: PeerId, body: bytes, peer_ip: str = "") -> bytes:
        """The answer to a gossip message of an authenticated peer, empty where there is none to give.

        Raises Refused (400, 403, 413, 429).
        """
        site, is_stranger = site_of(peer_ip), self._is_stranger(peer)
        if not self._syncs.allow(peer, self._clocks.monotonic()):
            raise Refused(429, "too_many_requests", "slow down")
        if is_stranger:
            self._check_room(site)
        with self._counted(site) if is_stranger else nullcontext():
            return self._sync(peer, body)

    def take_answer(self, peer: PeerId, body: bytes) -> None:
        """Take in what a peer answered to a message of ours; a stranger's is passed over where strangers have no time.

        Raises MalformedMessage.
        """
        is_stranger = self._is_stranger(peer)
        if is_stranger and not self._strangers.has_room(peer, self._clocks.monotonic()):
            return
        with self._counted(peer) if is_stranger else nullcontext():
            message = decode(body, self._net, self.opener(peer))
            self._carry_out(self._gossip.receive(message, peer, self._clocks.monotonic()))

    def pause_s(self, peer_ip: str) -> float:
        """Call before a refusal is sent: the seconds to hold it up, more than 0 for a site that is refused often."""
        now, c = self._clocks.monotonic(), self._config
        if self._refusals.allow(site_of(peer_ip), now):
            return 0.0
        return c.refusal_pause_s if self._held_up.allow("", now) else c.flood_pause_s

    def introduction(self) -> Hello:
        """Our hello: our card and a fresh pulse. Raises Refused (503) before the first card."""
        self.pulse_now(self._config.fresh_pulse_s)
        card = self._gossip.own_card()
        if card is None:
            raise Refused(503, "starting", "this peer is still starting: try again")
        return Hello(card, self._gossip.own_pulse(), int(self._clocks.unix() * 1000))

    def welcome(self, hello: Hello, *, keep: bool = False) -> PeerId:
        """Take in the peer whose hello this is: its id. One to `keep`, a seed's, is never evicted for others.

        Raises Refused when admission keeps it out (403), when it has our identity (409), when there is no room (503).
        """
        card = hello.card.record
        assert isinstance(card, Card), "decode() lets only cards into a hello"
        if card.id != self._gossip.id and (refusal := self._admission.admits(card)) is not None:
            self.note_refusal(card.id, card.name, refusal.message)
            raise Refused(403, refusal.code, refusal.message)
        if keep and card.id != self._gossip.id:
            self._gossip.keep(card.id)
        if card.id == self._gossip.id and card.gen != self._gossip.gen:  # with our gen, we have dialled ourselves
            self._carry_out(Step(events=(Event("identity_in_use", card.id, shared(card)),)))
        records = [hello.card, hello.pulse] if hello.pulse else [hello.card]
        self._carry_out(self._gossip.learn(records, self._clocks.monotonic()))
        if card.id == self._gossip.id:
            raise Refused(409, "same_identity", "both peers have one identity: each needs a home of its own (--home)")
        if self._gossip.member(card.id) is None:
            raise Refused(503, "full", "this peer knows as many others as it can remember")
        self.forget_refusal(card.id)
        return card.id

    def release(self, peer: PeerId) -> None:
        """A seed's address belongs to another peer now: keep this one no longer, unless the user approved it."""
        if peer not in self._admission.approved():
            self._gossip.keep(peer, kept=False)

    def note_refusal(self, peer: PeerId, name: str, reason: str) -> None:
        """Remember, for the user to see, that this peer was refused or refused us, and why."""
        is_news = self.refused.pop(peer, None) != (name, reason)
        self.refused[peer] = (name, reason)
        while len(self.refused) > REFUSED_LIMIT:
            self.refused.popitem(last=False)
        if is_news:
            who = name if name == peer else with_id(name, peer)
            self._carry_out(Step(events=(Event("refused", peer, f"{who}: {reason}"),)))

    def forget_refusal(self, *peers: PeerId) -> None:
        """These peers are let in, or let us in: nobody need see any more that they were not."""
        for peer in peers:
            self.refused.pop(peer, None)

    def note_forgery(self, peer: PeerId) -> None:
        """Tell the user that somebody asked in the name of this peer, which he trusts, and did not sign for it."""
        if not self._is_stranger(peer):
            why = "a request in its name was refused, for its signature is not this peer's"
            self._carry_out(Step(events=(Event("refused", peer, f"{self._called(peer)}: {why}"),)))

    def pulse_now(self, older_than_s: float = 0.0) -> None:
        """Publish a pulse, unless one was published within `older_than_s`."""
        now = self._clocks.monotonic()
        if now - self._pulsed_at >= older_than_s and self._gossip.own_card() is not None:
            self._pulsed_at = now
            self._carry_out(self._gossip.publish(self._pulse(now), now))

    def opener(self, sender: PeerId) -> Callable[[Envelope], Signed | None]:
        """A function that opens the envelopes of one message of `sender`.

        It verifies a record that is new to us and returns it. It returns None, so that the envelope is passed over,
        for a record that would change nothing, for a card that admission keeps out, for a record of a stranger where
        strangers have used up their time, and once the time for one message has passed.
        It raises MalformedMessage for a forged envelope.
        """
        c, is_stranger = self._config, self._is_stranger(sender)
        deadline = self._clocks.monotonic() + (c.strangers_verify_s if is_stranger else c.verify_s)

        def open_(envelope: Envelope) -> Signed | None:
            now = self._clocks.monotonic()
            if now > deadline:
                return None
            record = parse(envelope)
            if not self._gossip.needs(record, envelope):
                return None
            own = record.id == self._gossip.id
            if is_stranger or own or not self._is_stranger(record.id):
                signed = verified(envelope, record, self._net, self._verify)
            elif not self._strangers.has_room(sender, now):
                return None
            else:
                with self._counted(sender):
                    signed = verified(envelope, record, self._net, self._verify)
            unwanted = isinstance(record, Card) and not own and self._admission.admits(record) is not None
            return None if unwanted else signed

        return open_

    def refusal(self, refused: Refused) -> bytes:
        """The body to answer a refused request with."""
        return refusal_body(refused, int(self._clocks.unix() * 1000), self._gossip.gen)

    def _sync(self, peer: PeerId, body: bytes) -> bytes:
        try:
            message = self._decode(body, self.opener(peer), SYNC_LIMIT_BYTES)
        except Refused as refused:
            if not self._is_stranger(peer):
                self._carry_out(Step(events=(Event("refused", peer, f"{self._called(peer)}: {refused.message}"),)))
            raise
        if isinstance(message, Hello):
            raise Refused(400, "malformed", "a hello has its own path")
        if isinstance(message, Probe) and message.subject == self._gossip.id:
            self.pulse_now(self._config.fresh_pulse_s)
        step = self._gossip.receive(message, peer, self._clocks.monotonic())
        self._carry_out(step)
        return encode(step.reply, self._net) if step.reply is not None else b""

    def _called(self, peer: PeerId) -> str:
        card = self._gossip.card(peer)
        return with_id(card.name if card else "", peer)

    def _is_stranger(self, peer: PeerId) -> bool:
        return self._gossip.is_stranger(peer)

    def _check_room(self, site: str) -> None:
        if not self._strangers.has_room(site, self._clocks.monotonic()):
            raise Refused(429, "too_many_requests", "this peer is busy with strangers: try again, or get approved")

    @contextmanager
    def _counted(self, key: str) -> Iterator[None]:
        """Count the processor time of what is done inside for the strangers of `key`, a site or a sender."""
        began = self._clocks.worked()
        try:
            yield
        finally:
            self._count(key, began)

    def _count(self, key: str, began: float) -> None:
        seconds = self._clocks.worked() - began + self._config.strangers.request_s
        self._strangers.spend(key, seconds, self._clocks.monotonic())

    def _open_always(self, envelope: Envelope) -> Signed:
        return open_envelope(envelope, self._net, self._verify)

    def _decode(self, body: bytes, open_: Callable[[Envelope], Signed | None], limit_bytes: int) -> Message:
        if len(body) > limit_bytes:
            raise Refused(413, "too_long", f"at most {limit_bytes} bytes")
        try:
            return decode(body, self._net, open_)
        except OtherNetwork as error:
            raise Refused(
                403, "other_network", f"this peer belongs to network {self._net!r}: set network.name"
            ) from error
        except MalformedMessage as error:
            raise Refused(400, "malformed", str(error)) from error

    def audience(self) -> Audience:
        """Us, as requests to us are signed for. Raises Refused (503) before the first card."""
        card = self._gossip.own_card()
        if card is None or not isinstance(card.record, Card):
            raise Refused(503, "starting", "this peer is still starting: try again")
        return Audience(self._gossip.id, self._gossip.gen, card.record.cert)

    def standing(self, peer: PeerId) -> Standing:
        """How this peer stands with us, by its card and its rights."""
        card = self._gossip.card(peer)
        if card is None or self._admission.admits(card) is not None:
            return "unknown"
        return "trusted" if self._admission.rights(peer) else "stranger"
