"""What two machines say when one joins the other (P): the line to paste, the messages, and what their proofs cover.

A proof is an HMAC under a key that only the two have: derived from the secret in the line, or agreed on by SPAKE2 from
six digits. It covers the network, both ids, both certificates and what is said, so that a proof of one exchange is of
no use in another, and a machine in the middle, whose certificate is another, cannot pass one on. Each side signs the
same with the key of its id as well: nobody joins in another's name.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from discovery.envelopes import UNREADABLE, Sign, Verify
from discovery.records import Address, InvalidRecord, PeerId, check_address, peer_id, printable, public_key

JOIN_PATH = "/peer/1/join"
JOIN_LIMIT_BYTES = 1024
SECRET_BYTES = 16
_PREFIX = "PPAI1:"  # upper case, as base32: a QR code of such characters is a third smaller
_ASKS, _TAKES = b"ppai/1/join/asks\0", b"ppai/1/join/takes\0"


class InvalidLine(ValueError):
    """The text is no line of an invitation; the message names the remedy."""


class InvalidJoin(ValueError):
    """A message that is none, or whose proof does not hold."""


@dataclass(frozen=True, slots=True)
class Line:
    """What `ppai invite` prints: where who listens, how it proves that, and the secret that lets one machine in."""

    net: str
    id: PeerId
    cert: bytes  # (32,) SHA-256 of the certificate that the inviter presents
    secret: bytes  # (16,)
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Parties:
    """Who joins whom: what every proof of an exchange covers besides its own words."""

    net: str
    inviter: PeerId
    inviter_cert: bytes  # (32,) as the joining machine saw it
    joiner: PeerId
    joiner_cert: bytes  # (32,)
    exchange: bytes  # what makes this exchange another than any before


def encode_line(line: Line) -> str:
    """One word of capitals and digits, with a checksum."""
    where = [[address.ip, address.port] for address in line.addresses]
    packed = msgspec.msgpack.encode([line.net, public_key(line.id), line.cert, line.secret, where])
    return _PREFIX + base64.b32encode(packed + _checksum(packed)).decode().rstrip("=")


def read_line(text: str) -> Line:
    """The invitation in a line, however a terminal broke or a mail indented it. Raises InvalidLine."""
    word = "".join(text.split()).upper()
    if not word.startswith(_PREFIX):
        raise InvalidLine(f"this is no line of `ppai invite`: it begins with {_PREFIX}")
    body = word.removeprefix(_PREFIX)
    try:
        data = base64.b32decode(body + "=" * (-len(body) % 8))
    except (binascii.Error, ValueError) as error:
        raise InvalidLine("the line holds characters that none of ours has: copy it again") from error
    packed, checksum = data[:-4], data[-4:]
    if _checksum(packed) != checksum:
        raise InvalidLine("a part of the line is missing or another: copy all of it")
    try:
        wire = _DECODE_LINE.decode(packed)
        addresses = tuple(Address(ip, port) for ip, port in wire.addresses)
        for address in addresses:
            check_address(address)
        return Line(wire.net, peer_id(wire.id), wire.cert, wire.secret, addresses)
    except (*UNREADABLE, InvalidRecord) as error:
        raise InvalidLine("the line is of another version of ppai: update the older of the two") from error


def key_of(secret: bytes) -> tuple[str, bytes]:
    """(id of the invitation, 16 hex digits; the key of its proofs, (32,)) of a line's secret."""
    return _derive(secret, "invite/id", 8).hex(), _derive(secret, "invite/key", 32)


def key_of_pin(agreed: bytes) -> bytes:
    """The key of proofs, (32,), from what SPAKE2 agreed on."""
    return _derive(agreed, "pin/key", 32)


# --- messages: arrays, whose elements are known by their place; further ones are passed over

_Id = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
_Hash = _Id
_Salt = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
_Short = Annotated[bytes, msgspec.Meta(min_length=8, max_length=8)]
_Point = Annotated[bytes, msgspec.Meta(min_length=33, max_length=33)]
_Signature = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Proof(msgspec.Struct, frozen=True, array_like=True):
    """That its sender has the key of the exchange, and that of its id."""

    mac: _Hash
    signature: _Signature


class Ask(msgspec.Struct, frozen=True, array_like=True, tag="ask"):
    """Let me in by the line whose id this is."""

    net: str
    invite: _Short
    joiner: _Id
    cert: _Hash
    salt: _Salt
    name: _Name
    proof: Proof


class Try(msgspec.Struct, frozen=True, array_like=True, tag="try"):
    """Let me in by six digits: the first message of SPAKE2."""

    net: str
    joiner: _Id
    cert: _Hash
    point: _Point


class Tried(msgspec.Struct, frozen=True, array_like=True, tag="tried"):
    """The answer: the second message of SPAKE2."""

    net: str
    exchange: _Salt
    inviter: _Id
    point: _Point


class Prove(msgspec.Struct, frozen=True, array_like=True, tag="prove"):
    """These were the digits."""

    net: str
    exchange: _Salt
    name: _Name
    proof: Proof


class Taken(msgspec.Struct, frozen=True, array_like=True, tag="taken"):
    """You are in, with these rights at our peer. `secret`: the network's, where the invitation gives it."""

    net: str
    name: _Name
    rights: Annotated[tuple[str, ...], msgspec.Meta(max_length=8)]
    secret: Annotated[bytes, msgspec.Meta(max_length=512)]
    proof: Proof


Request = Ask | Try | Prove
Answer = Tried | Taken


def encode(message: Request | Answer) -> bytes:
    return msgspec.msgpack.encode(message)


def decode_request(body: bytes) -> Request:
    """Raises InvalidJoin."""
    try:
        request: Request = _DECODE_REQUEST.decode(body)
        return request
    except UNREADABLE as error:
        raise InvalidJoin(str(error)) from error


def decode_answer(body: bytes) -> Answer:
    """Raises InvalidJoin."""
    try:
        answer: Answer = _DECODE_ANSWER.decode(body)
        return answer
    except UNREADABLE as error:
        raise InvalidJoin(str(error)) from error


def asks(parties: Parties, key: bytes, name: str, sign: Sign) -> Proof:
    """The joining machine's proof."""
    return _prove(_ASKS + _covered(parties, name), key, sign)


def takes(parties: Parties, key: bytes, name: str, rights: tuple[str, ...], secret: bytes, sign: Sign) -> Proof:
    """The inviter's proof; it covers what it gives."""
    return _prove(_TAKES + _covered(parties, name, rights, secret), key, sign)


def check_asks(proof: Proof, parties: Parties, key: bytes, name: str, verify: Verify) -> None:
    """Raises InvalidJoin."""
    _check(proof, _ASKS + _covered(parties, name), key, parties.joiner, verify)


def check_takes(taken: Taken, parties: Parties, key: bytes, verify: Verify) -> None:
    """Raises InvalidJoin."""
    said = _TAKES + _covered(parties, taken.name, taken.rights, taken.secret)
    _check(taken.proof, said, key, parties.inviter, verify)


def shown(name: str) -> str:
    """A name as it may be printed; never empty."""
    return printable(name, 64) or "peer"


def _covered(parties: Parties, *said: object) -> bytes:
    p = parties
    ends = (public_key(p.inviter), p.inviter_cert, public_key(p.joiner), p.joiner_cert)
    return msgspec.msgpack.encode([p.net, *ends, p.exchange, *said])


def _prove(covered: bytes, key: bytes, sign: Sign) -> Proof:
    return Proof(hmac.digest(key, covered, "sha256"), sign(covered))


def _check(proof: Proof, covered: bytes, key: bytes, signer: PeerId, verify: Verify) -> None:
    if not hmac.compare_digest(proof.mac, hmac.digest(key, covered, "sha256")):
        raise InvalidJoin("the proof does not hold")
    if not verify(signer, proof.signature, covered):
        raise InvalidJoin("the signature does not hold")


def _checksum(packed: bytes) -> bytes:
    return hashlib.sha256(packed).digest()[:4]


def _derive(secret: bytes, purpose: str, length: int) -> bytes:
    return HKDF(SHA256(), length=length, salt=None, info=f"ppai/1/{purpose}".encode()).derive(secret)


class _LineWire(msgspec.Struct, frozen=True, array_like=True):
    net: _Name
    id: _Id
    cert: _Hash
    secret: _Salt
    addresses: Annotated[tuple[tuple[str, int], ...], msgspec.Meta(min_length=1, max_length=4)]


_DECODE_LINE = msgspec.msgpack.Decoder(_LineWire)
_DECODE_REQUEST = msgspec.msgpack.Decoder(Request)
_DECODE_ANSWER = msgspec.msgpack.Decoder(Answer)
