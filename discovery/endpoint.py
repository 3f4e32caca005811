"""Answers the requests of other peers: who is asking, may it ask, and what is the answer.

Every request from outside passes through here first: `handle_hello` answers first contact, `authenticate` checks each
signed request. The gateway's web server (gateway/peering/listener.py) calls it. Opens no sockets.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from discovery.admission import Admission
from discovery.envelopes import Envelope, MalformedMessage, Signed, Verify, open_envelope, parse, verified
from discovery.gossip import Gossip, Step
from discovery.membership import Event
from discovery.messages import MESSAGE_LIMIT_BYTES, Hello, Message, OtherNetwork, Probe, decode, encode
from discovery.records import Card, PeerId, Pulse
from discovery.request_auth import Audience, AuthConfig, Refused, RequestVerifier, Standing, refusal_body
from discovery.throttle import Throttle

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
    verify_s: float = 0.05  # s for the signatures of one message; records left over come again with a later message
    fresh_pulse_s: float = 0.5  # s; a probe is answered with a pulse no older than this
    auth: AuthConfig = field(default_factory=AuthConfig)


@dataclass(frozen=True, slots=True)
class Clocks:
    """The two clocks, passed in so that tests can set them."""

    monotonic: Callable[[], float]  # s, never goes back
    unix: Callable[[], float]  # s since 1970


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
        self._pulsed_at = float("-inf")
        self.refused: OrderedDict[PeerId, tuple[str, str]] = OrderedDict()  # peer -> (name, reason), newest last

    def authenticate(self, method: str, raw_path: str, headers: Mapping[str, str], body_sha256: str) -> PeerId:
        """The peer that signed this request to us. `headers`: by lower-case name. Raises Refused (401, 429, 503)."""
        request = (method, raw_path, headers, body_sha256)
        return self._requests.check(
            self._audience(), self._standing, request, self._clocks.unix(), self._clocks.monotonic()
        )

    def handle_hello(self, body: bytes, peer_ip: str) -> bytes:
        """Answer a hello with ours, and take in the caller. Raises Refused (400, 403, 409, 413, 429, 503)."""
        now = self._clocks.monotonic()
        if not self._hellos.allow(_rate_key(peer_ip), now):
            raise Refused(429, "too_many_requests", "slow down")
        hello = self._decode(body, self._open_always, HELLO_LIMIT_BYTES)
        if not isinstance(hello, Hello):
            raise Refused(400, "malformed", "expected a hello")
        self.welcome(hello)
        return encode(self.introduction(), self._net)

    def handle_sync(self, peer: PeerId, body: bytes) -> bytes:
        """The answer to a gossip message of an authenticated peer, empty where there is none to give.

        Raises Refused (400, 403, 413, 429).
        """
        now = self._clocks.monotonic()
        if not self._syncs.allow(peer, now):
            raise Refused(429, "too_many_requests", "slow down")
        message = self._decode(body, self.opener(), SYNC_LIMIT_BYTES)
        if isinstance(message, Hello):
            raise Refused(400, "malformed", "a hello has its own path")
        if isinstance(message, Probe) and message.subject == self._gossip.id:
            self.pulse_now(self._config.fresh_pulse_s)
        step = self._gossip.receive(message, peer, now)
        self._carry_out(step)
        return encode(step.reply, self._net) if step.reply is not None else b""

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
            why = "another running peer has our identity, a copied home: give each a home of its own (--home)"
            self._carry_out(Step(events=(Event("identity_in_use", card.id, why),)))
        records = [hello.card, hello.pulse] if hello.pulse else [hello.card]
        self._carry_out(self._gossip.learn(records, self._clocks.monotonic()))
        if card.id == self._gossip.id:
            raise Refused(409, "same_identity", "both peers have one identity: each needs a home of its own (--home)")
        if self._gossip.member(card.id) is None:
            raise Refused(503, "full", "this peer knows as many others as it can remember")
        self.refused.pop(card.id, None)
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
            self._carry_out(Step(events=(Event("refused", peer, f"{name}: {reason}"),)))

    def pulse_now(self, older_than_s: float = 0.0) -> None:
        """Publish a pulse, unless one was published within `older_than_s`."""
        now = self._clocks.monotonic()
        if now - self._pulsed_at >= older_than_s and self._gossip.own_card() is not None:
            self._pulsed_at = now
            self._carry_out(self._gossip.publish(self._pulse(now), now))

    def opener(self) -> Callable[[Envelope], Signed | None]:
        """A function that opens the envelopes of one message.

        It verifies a record that is new to us and returns it. It returns None, so that the envelope is passed over,
        for a record that would change nothing, for a card that admission keeps out, and once `verify_s` has passed.
        It raises MalformedMessage for a forged envelope.
        """
        deadline = self._clocks.monotonic() + self._config.verify_s

        def open_(envelope: Envelope) -> Signed | None:
            record = parse(envelope)
            if not self._gossip.needs(record, envelope) or self._clocks.monotonic() > deadline:
                return None
            signed = verified(envelope, record, self._net, self._verify)
            own = record.id == self._gossip.id
            unwanted = isinstance(record, Card) and not own and self._admission.admits(record) is not None
            return None if unwanted else signed

        return open_

    def refusal(self, refused: Refused) -> bytes:
        """The body to answer a refused request with."""
        return refusal_body(refused, int(self._clocks.unix() * 1000), self._gossip.gen)

    def _open_always(self, envelope: Envelope) -> Signed:
        return open_envelope(envelope, self._net, self._verify)

    def _decode(self, body: bytes, open_: Callable[[Envelope], Signed | None], limit_bytes: int) -> Message:
        if len(body) > limit_bytes:
            raise Refused(413, "too_long", f"at most {limit_bytes} bytes")
        try:
            return decode(body, self._net, open_)
        except OtherNetwork as error:
            raise Refused(403, "other_network", f"this peer belongs to network {self._net!r}: set --net") from error
        except MalformedMessage as error:
            raise Refused(400, "malformed", str(error)) from error

    def _audience(self) -> Audience:
        card = self._gossip.own_card()
        if card is None or not isinstance(card.record, Card):
            raise Refused(503, "starting", "this peer is still starting: try again")
        return Audience(self._gossip.id, self._gossip.gen, card.record.cert)

    def _standing(self, peer: PeerId) -> Standing:
        member = self._gossip.member(peer)
        if member is None or self._admission.admits(member.card) is not None:
            return "unknown"
        return "trusted" if self._admission.rights(peer) else "stranger"


def _rate_key(ip: str) -> str:
    """The key for rate limits: an IPv4 address, or the /64 of an IPv6 address, since one owner has a whole /64."""
    address = ipaddress.ip_address(ip)
    return ip if address.version == 4 else str(ipaddress.ip_network(f"{ip}/64", strict=False))
