"""The messages of PPAI/1 (docs/protocol.md), and their encoding in msgpack.

A later version may only append elements to an array: a reader ignores trailing elements it does not know, and passes
over envelopes of an unknown kind. Knows no keys: whoever decodes a message passes the function that opens envelopes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, NamedTuple

import msgspec

from discovery.envelopes import LIMITS_BYTES, UNREADABLE, Envelope, MalformedMessage, Signed
from discovery.records import COUNT_LIMIT, Card, InvalidRecord, PeerId, Pulse, peer_id, public_key
from discovery.words import WORD_BYTES

MESSAGE_LIMIT_BYTES = 64 * 1024
ENVELOPES_LIMIT = 256  # in one delta
ENTRIES_LIMIT = 2048  # in one digest, and of each kind of wanted ids in a delta
BUCKETS = 64  # equal parts of the id space; a digest may cover only some of them
ALL_BUCKETS = 2**BUCKETS - 1

Open = Callable[[Envelope], Signed | None]


class OtherNetwork(MalformedMessage):
    """A message of another network; `net` is its name."""

    def __init__(self, net: str) -> None:
        super().__init__(f"the peer belongs to network {net!r}")
        self.net = net


class Versions(NamedTuple):
    """The newest records a peer holds of one subject; a seq of 0: it holds none of generation `gen`."""

    gen: Annotated[int, msgspec.Meta(ge=0, lt=COUNT_LIMIT)]
    card_seq: Annotated[int, msgspec.Meta(ge=0, lt=COUNT_LIMIT)]
    pulse_seq: Annotated[int, msgspec.Meta(ge=0, lt=COUNT_LIMIT)]


class Sign(NamedTuple):
    """A peer's sign of life: the number of one of its pulses, and that pulse's word (words.py)."""

    seq: Annotated[int, msgspec.Meta(ge=1, lt=COUNT_LIMIT)]
    word: Annotated[bytes, msgspec.Meta(min_length=WORD_BYTES, max_length=WORD_BYTES)]


@dataclass(frozen=True, slots=True)
class Hello:
    """First contact, and the answer to it: the sender's own card, newest pulse, and wall clock (unix ms)."""

    card: Signed
    pulse: Signed | None
    time_ms: int


@dataclass(frozen=True, slots=True)
class Digest:
    """The versions that the sender holds of the subjects in `buckets`, by 8-byte id.

    Bit b of `buckets` stands for the ids whose first 6 bits are b. `sums` holds one 4-byte checksum a bucket over its
    cards, for all 64 buckets; it is empty where `buckets` covers them all and there are no `lives`, which say by
    bucket whose newest pulse has which number (signs.py).
    """

    entries: Mapping[bytes, Versions]
    buckets: int = ALL_BUCKETS
    sums: bytes = b""
    lives: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delta:
    """Records that the receiver lacks; 8-byte ids whose card or pulse the sender wants; buckets whose cards differ.

    `signs` of life that it lacks, by 8-byte id, and whose signs the sender wants.
    """

    records: tuple[Signed, ...] = ()
    want_cards: tuple[bytes, ...] = ()
    want_pulses: tuple[bytes, ...] = ()
    differing: int = 0
    signs: Mapping[bytes, Sign] = field(default_factory=dict)
    want_signs: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """Asks for a fresh pulse of `subject`. It is sent to the subject, or to a third peer that asks it for us."""

    subject: PeerId


Message = Hello | Digest | Delta | Probe


@lru_cache(maxsize=4096)
def short_id(peer: PeerId) -> bytes:
    """The first 8 bytes of the public key. They tell subjects apart in a digest; they authenticate nobody."""
    return public_key(peer)[:8]


def bucket_of(short: bytes) -> int:
    """The bucket, 0 to 63, in which this 8-byte id lies: its first 6 bits."""
    return short[0] >> 2


@lru_cache(maxsize=1024)
def buckets_in(mask: int) -> tuple[int, ...]:
    """The numbers of the buckets that this mask covers, rising."""
    return tuple(bucket for bucket in range(BUCKETS) if mask >> bucket & 1)


def encode(message: Message, net: str) -> bytes:
    """The bytes of a message, for the body of POST /peer/1/hello (Hello) or /peer/1/sync (the others)."""
    return msgspec.msgpack.encode(_to_wire(message, net))


def decode(body: bytes, net: str, open_: Open) -> Message:
    """Read a message. `open_` verifies an envelope, or returns None to pass over it; it raises MalformedMessage.

    Raises OtherNetwork, or MalformedMessage that says what is wrong. One forged envelope makes the message malformed.
    """
    if len(body) > MESSAGE_LIMIT_BYTES:
        raise MalformedMessage(f"message of {len(body)} bytes, at most {MESSAGE_LIMIT_BYTES}")
    try:
        wire = _DECODE_MESSAGE.decode(body)
    except UNREADABLE as error:
        raise MalformedMessage(f"message: {error}") from error
    if wire.net != net:
        raise OtherNetwork(wire.net[:64])
    return _from_wire(wire, open_)


# The shapes on the wire: an element of an array is known by its place. msgspec checks the bounds while it decodes.

_Short = Annotated[bytes, msgspec.Meta(min_length=8, max_length=8)]
_Shorts = Annotated[tuple[_Short, ...], msgspec.Meta(max_length=ENTRIES_LIMIT)]
_Bucket = Annotated[int, msgspec.Meta(ge=0, lt=BUCKETS)]
_Mask = Annotated[int, msgspec.Meta(ge=0)]  # below 2^64, as every msgpack integer


class _HelloWire(msgspec.Struct, frozen=True, array_like=True, tag="hello"):
    net: str
    card: Envelope
    pulse: Envelope | None
    time_ms: int


class _DigestWire(msgspec.Struct, frozen=True, array_like=True, tag="digest"):
    net: str
    buckets: _Mask
    entries: Annotated[dict[_Short, Versions], msgspec.Meta(max_length=ENTRIES_LIMIT)]
    sums: bytes = b""
    lives: Annotated[dict[_Bucket, bytes], msgspec.Meta(max_length=BUCKETS)] = {}


class _DeltaWire(msgspec.Struct, frozen=True, array_like=True, tag="delta"):
    net: str
    envelopes: Annotated[list[Envelope], msgspec.Meta(max_length=ENVELOPES_LIMIT)]
    want_cards: _Shorts = ()
    want_pulses: _Shorts = ()
    differing: _Mask = 0
    signs: Annotated[dict[_Short, Sign], msgspec.Meta(max_length=ENTRIES_LIMIT)] = {}
    want_signs: _Shorts = ()


class _ProbeWire(msgspec.Struct, frozen=True, array_like=True, tag="probe"):
    net: str
    subject: bytes


_Wire = _HelloWire | _DigestWire | _DeltaWire | _ProbeWire


_DECODE_MESSAGE = msgspec.msgpack.Decoder(_Wire)


def _to_wire(message: Message, net: str) -> _Wire:
    match message:
        case Hello(card, pulse, time_ms):
            return _HelloWire(net, card.envelope, pulse.envelope if pulse else None, time_ms)
        case Digest(entries, buckets, sums, lives):
            return _DigestWire(net, buckets, dict(entries), sums, dict(lives))
        case Delta(records, want_cards, want_pulses, differing, signs, want_signs):
            envelopes = [signed.envelope for signed in records]
            return _DeltaWire(net, envelopes, want_cards, want_pulses, differing, dict(signs), want_signs)
        case Probe(subject):
            return _ProbeWire(net, public_key(subject))


def _from_wire(wire: _Wire, open_: Open) -> Message:
    match wire:
        case _HelloWire():
            return _hello(wire, open_)
        case _DigestWire():
            if len(wire.sums) not in (0, 4 * BUCKETS):
                raise MalformedMessage(f"digest: expected no or {BUCKETS} sums")
            if wire.lives and not wire.sums:
                raise MalformedMessage("digest: expected sums, since there are lives")
            return Digest(wire.entries, wire.buckets, wire.sums, wire.lives)
        case _DeltaWire():
            opened = [open_(e) for e in wire.envelopes if e.kind in LIMITS_BYTES]
            records = tuple(signed for signed in opened if signed is not None)
            wants = wire.want_cards, wire.want_pulses
            return Delta(records, *wants, wire.differing, wire.signs, wire.want_signs)
        case _ProbeWire():
            try:
                return Probe(peer_id(wire.subject))
            except InvalidRecord as error:
                raise MalformedMessage(f"probe: {error}") from error


def _hello(wire: _HelloWire, open_: Open) -> Hello:
    card = open_(wire.card)
    if card is None or not isinstance(card.record, Card):
        raise MalformedMessage("hello: expected the speaker's card")
    pulse = open_(wire.pulse) if wire.pulse else None
    if pulse is not None and (not isinstance(pulse.record, Pulse) or pulse.record.id != card.record.id):
        raise MalformedMessage("hello: expected the speaker's own pulse")
    return Hello(card, pulse, wire.time_ms)
