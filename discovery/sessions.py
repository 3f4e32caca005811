"""Sessions: after one signed exchange, requests on one connection prove by a MAC who makes them (docs/protocol.md).

Both sides sign the exchange and share a key that nobody else has, by ephemeral X25519. A session serves the connection
on which it was opened and no other, for an hour at most, and ends with the generation of either side and with the
asking peer's right to ask. Its requests are counted, so that none can be repeated. Opens no sockets.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from discovery.envelopes import UNREADABLE, Sign, Verify
from discovery.gossip import Gossip
from discovery.records import COUNT_LIMIT, Card, PeerId, public_key
from discovery.request_auth import BODY_HEADER, Audience, Refused, Standing

SESSION_PATH = "/peer/1/session"
FEATURE = "session"  # in the card of a peer that answers
LIMIT_BYTES = 256  # of either message
SESSION_S = 3600.0  # s that a session is good for where it is answered
RENEW_S = 60.0  # s before its end at which who asks opens another
NUMBER_HEADER, MAC_HEADER = "ppai-session", "ppai-mac"
NO_SESSION = "no_session"  # the code of a refusal: sign the request

_Bytes32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
_Signature = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]


class InvalidSession(Exception):
    """What came is no session between these two."""


class _Offer(msgspec.Struct, frozen=True, array_like=True):
    """What who asks says; the request around it is signed as any."""

    gen: Annotated[int, msgspec.Meta(ge=1, lt=COUNT_LIMIT)]
    cert: _Bytes32
    point: _Bytes32


class _Accepted(msgspec.Struct, frozen=True, array_like=True):
    """What who answers says."""

    point: _Bytes32
    signature: _Signature


@dataclass(slots=True)
class Session:
    """What both sides of one connection hold. `until`: its end, s of the holder's monotonic clock."""

    asker: Audience
    answerer: Audience
    until: float
    _request_key: bytes
    _receipt_key: bytes
    number: int = 0  # of the last request
    card: Card | None = None  # of the asking peer, as it was looked at last

    def lines(self, raw_path: str, body_sha256: str) -> bytes:
        """The header lines that prove who makes the next POST."""
        self.number = number = self.number + 1
        mac = _request_mac(self._request_key, number, raw_path, body_sha256).hex()
        return f"{NUMBER_HEADER}: {number}\r\n{MAC_HEADER}: {mac}\r\n{BODY_HEADER}: {body_sha256}\r\n".encode()

    def take(self, number: int, mac: bytes, raw_path: str, body_sha256: str) -> None:
        """Take the next POST. Raises Refused."""
        if number <= self.number:
            raise Refused(401, "replayed", "this request was made before")
        if not hmac.compare_digest(mac, _request_mac(self._request_key, number, raw_path, body_sha256)):
            raise Refused(401, "bad_signature", "the MAC does not cover this request in this session")
        self.number = number

    def seal(self, number: int, receipt: bytes) -> bytes:
        """The MAC, (32,), of the receipt for the answer to the request of this number."""
        return hmac.digest(self._receipt_key, b"%d\n%b" % (number, receipt), "sha256")

    def sealer(self) -> Sign:
        """What seals the receipt of the request that was made last."""
        return partial(self.seal, self.number)


def offer(asker: Audience) -> tuple[X25519PrivateKey, bytes]:
    """What to keep, and what to post to SESSION_PATH in a signed request."""
    ours = X25519PrivateKey.generate()
    return ours, msgspec.msgpack.encode(_Offer(asker.gen, asker.cert, ours.public_key().public_bytes_raw()))


def opened(
    net: str, asker: Audience, answerer: Audience, ours: X25519PrivateKey, answer: bytes, verify: Verify, until: float
) -> Session:
    """The session that `answer` opens to who offered it. Raises InvalidSession, also where others answered."""
    try:
        said = msgspec.msgpack.decode(answer, type=_Accepted)
        agreed = ours.exchange(X25519PublicKey.from_public_bytes(said.point))
    except (ValueError, *UNREADABLE) as error:
        raise InvalidSession(f"no session comes back: {error}") from error
    transcript = _transcript(net, asker, answerer, ours.public_key().public_bytes_raw(), said.point)
    if not verify(answerer.id, said.signature, _accepts(transcript)):
        raise InvalidSession("who answers is not the peer of the card")
    return _session(asker, answerer, agreed, transcript, until)


class Sessions:
    """The answering side: opens sessions, and takes the requests that are made in them."""

    def __init__(
        self,
        net: str,
        gossip: Gossip,
        sign: Sign,
        standing: Callable[[PeerId], Standing],
        may_ask: Callable[[PeerId], bool],
        clock: Callable[[], float],
    ) -> None:
        """`standing(peer)` looks at the peer's card, `may_ask(peer)` is asked at each request.

        `clock`: s, monotonic.
        """
        self._net, self._gossip, self._sign, self._clock = net, gossip, sign, clock
        self._standing, self._may_ask = standing, may_ask

    def open(self, peer: PeerId, body: bytes, answerer: Audience) -> tuple[bytes, Session]:
        """What to answer to `peer`, which signed this offer to us, the `answerer`, and the session.

        It is for the connection on which the request came. Raises Refused (400, 409).
        """
        card = self._gossip.card(peer)
        try:
            said, ours = msgspec.msgpack.decode(body, type=_Offer), X25519PrivateKey.generate()
            agreed = ours.exchange(X25519PublicKey.from_public_bytes(said.point))
        except (ValueError, *UNREADABLE) as error:
            raise Refused(400, "malformed", f"no offer of a session: {error}") from error
        if card is None or said.gen < card.gen:
            raise Refused(409, "old_generation", "you have restarted since: open a session of your present generation")
        asker, point = Audience(peer, said.gen, said.cert), ours.public_key().public_bytes_raw()
        transcript = _transcript(self._net, asker, answerer, said.point, point)
        session = _session(asker, answerer, agreed, transcript, self._clock() + SESSION_S)
        return msgspec.msgpack.encode(_Accepted(point, self._sign(_accepts(transcript)))), session

    def check(self, session: Session | None, raw_path: str, headers: Mapping[str, str]) -> Session:
        """The `session` of a connection, once it has taken this POST of a peer that may ask, before its body is read.

        `headers`: by lower-case name. Raises Refused (401); the session has ended then.
        """
        if session is None or self._is_over(session):
            raise Refused(401, NO_SESSION, "there is no session on this connection: sign the request")
        number, body_sha256 = headers.get(NUMBER_HEADER, ""), headers.get(BODY_HEADER, "")
        try:
            if not (number.isascii() and number.isdigit() and len(number) <= 16 and body_sha256):
                raise ValueError("expected a number and the body's hash")
            session.take(int(number), bytes.fromhex(headers.get(MAC_HEADER, "")), raw_path, body_sha256)
        except ValueError as error:
            raise Refused(401, "unsigned", f"malformed headers of a session: {error}") from error
        return session

    def _is_over(self, session: Session) -> bool:
        asker = session.asker
        if self._clock() >= session.until or session.answerer.gen != self._gossip.gen:
            return True
        card = self._gossip.card(asker.id)
        if card is not None and card is session.card and self._may_ask(asker.id):
            return False
        if card is None or card.gen > asker.gen or self._standing(asker.id) != "trusted":
            return True
        if not self._may_ask(asker.id):  # asked again: a look at the card may have found that it proves the secret
            return True
        session.card = card
        return False


def _session(asker: Audience, answerer: Audience, agreed: bytes, transcript: bytes, until: float) -> Session:
    keys = HKDF(SHA256(), length=64, salt=transcript, info=b"ppai/1/session/keys").derive(agreed)
    return Session(asker, answerer, until, keys[:32], keys[32:])


def _transcript(net: str, asker: Audience, answerer: Audience, asks: bytes, answers: bytes) -> bytes:
    """The SHA-256, (32,), of what both sides must see alike: who, in which lives, and both points."""
    sides = [[public_key(one.id), one.gen, one.cert] for one in (asker, answerer)]
    return hashlib.sha256(b"ppai/1/session\0" + msgspec.msgpack.encode([net, *sides, asks, answers])).digest()


def _accepts(transcript: bytes) -> bytes:
    return b"ppai/1/session/accepts\0" + transcript


def _request_mac(key: bytes, number: int, raw_path: str, body_sha256: str) -> bytes:
    return hmac.digest(key, f"POST\n{raw_path}\n{body_sha256}\n{number}".encode(), "sha256")
