"""Signs requests to other peers and checks theirs, after RFC 9421 with a fixed set of components.

A signature covers method, raw path, the receiver's id, generation and certificate, the body's hash, the time and a
nonce. So nobody can replay a request, alter it, or send it to another peer or to the same peer after a restart.
"""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from discovery.envelopes import UNREADABLE, Sign, Verify
from discovery.records import COUNT_LIMIT, InvalidRecord, PeerId, printable, public_key

HEADERS = ("ppai-id", "ppai-gen", "ppai-ts", "ppai-nonce", "ppai-sig")
BODY_HEADER = "ppai-sha256"  # the body's SHA-256, which is signed: with it a receiver verifies before it reads the body
NONCE_BYTES = 16


Standing = Literal["unknown", "stranger", "trusted"]


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """How much clocks may differ, and how many nonces are remembered, each for twice that, to refuse replays."""

    window_s: float = 30.0  # s by which a request's time may differ from ours
    # Nonces of all peers with a right, and of one such peer: 136 requests a second. Once all of them have used up
    # theirs, a peer may still add its fair share, an equal part of the limit: there are twice as many at most.
    trusted_nonces: int = 32768
    trusted_nonces_each: int = 8192
    # The same for peers without a right: counted apart, so that they take no room of others.
    stranger_nonces: int = 8192
    stranger_nonces_each: int = 1024


class Audience(msgspec.Struct, frozen=True):
    """The receiver that a request is signed for: peer, generation, and certificate hash."""

    id: PeerId
    gen: int
    cert: bytes  # (32,)


class Refused(Exception):
    """A request was refused, by us or by a peer. `status` is HTTP's, `code` is for programs, `message` for people.

    `gen`: the generation of the peer that refused us; 0 where it did not say.
    """

    def __init__(self, status: int, code: str, message: str, gen: int = 0) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.gen = gen


class HashedBody(msgspec.Struct, frozen=True):
    """A request's body in pieces that are sent one after the other, and its SHA-256 in hexadecimal."""

    pieces: tuple[bytes | memoryview, ...]
    sha256: str
    size_bytes: int


def hashed(*pieces: bytes | memoryview) -> HashedBody:
    """The body made of these pieces. A large one takes a while, during which other threads run."""
    if len(pieces) == 1:
        return HashedBody(pieces, hashlib.sha256(pieces[0]).hexdigest(), len(pieces[0]))
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return HashedBody(pieces, digest.hexdigest(), sum(map(len, pieces)))


def sign_request(
    signer: PeerId,
    sign: Sign,
    audience: Audience,
    method: str,
    raw_path: str,
    body_sha256: str,
    time_ms: int,
    nonce: bytes,
) -> dict[str, str]:
    """The headers that sign a request. `time_ms`: unix ms on the receiver's clock; `nonce`: (16,)."""
    signature = sign(_covered(audience, method, raw_path, body_sha256, time_ms, nonce))
    values = (signer, str(audience.gen), str(time_ms), nonce.hex(), signature.hex())
    return {**dict(zip(HEADERS, values, strict=True)), BODY_HEADER: body_sha256}


class RequestVerifier:
    """Checks requests made to us. Holds the nonces of the last minute, within bounds."""

    def __init__(self, verify: Verify, config: AuthConfig | None = None) -> None:
        self._verify = verify
        self._config = c = config or AuthConfig()
        self._nonces = {
            "trusted": _Nonces(2 * c.window_s, c.trusted_nonces, c.trusted_nonces_each),
            "stranger": _Nonces(2 * c.window_s, c.stranger_nonces, c.stranger_nonces_each),
        }

    def expect(
        self,
        audience: Audience,
        standing: Callable[[PeerId], Standing],
        headers: Mapping[str, str],
        unix_s: float,
        now: float,
    ) -> PeerId:
        """Who `headers` (by lower-case name) say signed a request to us, checked as far as it goes without the body.

        So a body is read only for whom we know. Raises Refused as `check` does, but for `bad_signature`.
        """
        return self._claim(audience, standing, _parse(headers), unix_s, now)[0]

    def check(
        self,
        audience: Audience,
        standing: Callable[[PeerId], Standing],
        request: tuple[str, str, Mapping[str, str], str],
        unix_s: float,
        now: float,
    ) -> PeerId:
        """The peer that signed `request` for us, the `audience`.

        `request`: method, raw path, headers by lower-case name, SHA-256 of the body in hexadecimal. `unix_s` is our
        wall clock, `now` our monotonic clock. Raises Refused: 401 `unsigned`, `unknown_peer`, `wrong_generation`,
        `clock_skew`, `bad_signature`, `replayed`; 429 `too_many_requests`. A refused request leaves no nonce behind.
        """
        method, raw_path, headers, body_sha256 = request
        said = _parse(headers)
        peer, known_as = self._claim(audience, standing, said, unix_s, now)
        _, _, time_ms, nonce, signature = said
        if not self._verify(peer, signature, _covered(audience, method, raw_path, body_sha256, time_ms, nonce)):
            raise Refused(401, "bad_signature", "the signature does not cover this request to this peer")
        self._nonces[known_as].add(peer, nonce, now)
        return peer

    def _claim(
        self,
        audience: Audience,
        standing: Callable[[PeerId], Standing],
        said: tuple[PeerId, int, int, bytes, bytes],
        unix_s: float,
        now: float,
    ) -> tuple[PeerId, Literal["trusted", "stranger"]]:
        """Who the headers, parsed, say signed the request, and its standing with us."""
        peer, gen, time_ms, nonce, _ = said
        known_as = standing(peer)
        if known_as == "unknown":
            raise Refused(401, "unknown_peer", "we do not know you: say hello first")
        if gen != audience.gen:
            raise Refused(401, "wrong_generation", f"this peer has restarted: it is in generation {audience.gen}")
        if abs(time_ms / 1000 - unix_s) > self._config.window_s:
            raise Refused(401, "clock_skew", f"our clocks differ by {abs(time_ms / 1000 - unix_s):.0f} s: set the time")
        if any(memory.has(peer, nonce, now) for memory in self._nonces.values()):
            raise Refused(401, "replayed", "this request was made before")
        if self._nonces[known_as].is_full_for(peer):
            raise Refused(429, "too_many_requests", "slow down")
        return peer, known_as


class _Nonces:
    """The nonces seen, each kept for `keep_s`, the oldest first."""

    def __init__(self, keep_s: float, limit: int, limit_each: int) -> None:
        self._keep_s, self._limit, self._limit_each = keep_s, limit, limit_each
        self._expiry: OrderedDict[tuple[PeerId, bytes], float] = OrderedDict()
        self._counts: Counter[PeerId] = Counter()

    def has(self, peer: PeerId, nonce: bytes, now: float) -> bool:
        self._expire(now)
        return (peer, nonce) in self._expiry

    def is_full_for(self, peer: PeerId) -> bool:
        """Whether this peer has used up its own limit, or all have used up theirs and it its fair share of that."""
        mine = self._counts.get(peer, 0)
        if mine >= self._limit_each:
            return True
        return len(self._expiry) >= self._limit and mine >= self._limit // (len(self._counts) + 1)

    def add(self, peer: PeerId, nonce: bytes, now: float) -> None:
        self._expiry[peer, nonce] = now + self._keep_s
        self._counts[peer] += 1

    def _expire(self, now: float) -> None:
        while self._expiry:
            pair, expiry = next(iter(self._expiry.items()))
            if expiry >= now:
                return
            del self._expiry[pair]
            self._counts[pair[0]] -= 1
            if not self._counts[pair[0]]:
                del self._counts[pair[0]]


def refusal_body(refused: Refused, time_ms: int, gen: int) -> bytes:
    """The JSON body of a refusal. It carries our clock and generation, so that the caller can sign again with them."""
    error = {"code": refused.code, "message": refused.message, "time_ms": time_ms, "gen": gen}
    return msgspec.json.encode({"error": error})


@dataclass(frozen=True, slots=True)
class RefusalDetails:
    """What `refusal_body` carries; zeros and empty texts where an answer has another form."""

    code: str = ""
    message: str = ""
    time_ms: int = 0
    gen: int = 0


def read_refusal(body: bytes) -> RefusalDetails:
    """The details of an error answer. The bytes may be hostile: what is out of bounds becomes zero or empty."""
    try:
        details = _DECODE_REFUSAL.decode(body)["error"]
    except (*UNREADABLE, KeyError):
        return RefusalDetails()
    message = printable(details.message, 300)
    sound = 0 <= details.time_ms < COUNT_LIMIT and 0 <= details.gen < COUNT_LIMIT
    return RefusalDetails(printable(details.code, 40), message, *((details.time_ms, details.gen) if sound else (0, 0)))


def _covered(audience: Audience, method: str, raw_path: str, body_sha256: str, time_ms: int, nonce: bytes) -> bytes:
    lines = (
        method,
        raw_path,
        audience.id,
        str(audience.gen),
        audience.cert.hex(),
        body_sha256,
        str(time_ms),
        nonce.hex(),
    )
    return b"ppai/1/request\0" + "\n".join(lines).encode()


def _parse(headers: Mapping[str, str]) -> tuple[PeerId, int, int, bytes, bytes]:
    try:
        peer, gen, time_ms, nonce, signature = (headers[name] for name in HEADERS)
    except KeyError as error:
        raise Refused(401, "unsigned", f"the request lacks the header {error.args[0]}") from error
    try:
        public_key(peer)
        numbers = [int(text) for text in (gen, time_ms) if text.isascii() and text.isdigit() and len(text) <= 16]
        raw_nonce, raw_signature = bytes.fromhex(nonce), bytes.fromhex(signature)
        if len(numbers) != 2 or max(numbers) >= COUNT_LIMIT:
            raise ValueError("expected counts")
        if len(raw_nonce) != NONCE_BYTES or len(raw_signature) != 64:
            raise ValueError("expected 16 and 64 bytes")
    except (InvalidRecord, ValueError) as error:
        raise Refused(401, "unsigned", f"malformed signature headers: {error}") from error
    return PeerId(peer), numbers[0], numbers[1], raw_nonce, raw_signature


_DECODE_REFUSAL = msgspec.json.Decoder(dict[str, RefusalDetails])
