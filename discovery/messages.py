"""What peers say to each other in PPAI/1 (docs/protocol.md), and its bytes in msgpack.

Arrays only ever grow at the end: a reader ignores trailing elements it does not know and skips envelopes of an unknown
kind. Knows no keys and trusts no envelope: whoever decodes passes the function that opens them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import msgspec

from discovery.envelopes import LIMITS_BYTES, UNREADABLE, Envelope, MalformedMessage, Signed
from discovery.records import COUNT_LIMIT, Card, InvalidRecord, PeerId, Pulse, peer_id, public_key

MESSAGE_LIMIT_BYTES = 64 * 1024
ENVELOPES_LIMIT = 256
ENTRIES_LIMIT = 2048
BUCKETS = 64  # of the id space; a digest may cover only some of them
ALL_BUCKETS = 2**BUCKETS - 1

Open = Callable[[Envelope], Signed | None]


class OtherNetwork(MalformedMessage):
    """A message of another network; `net` is its name."""

    def __init__(self, net: str) -> None:
        super().__init__(f"the peer belongs to network {net!r}")
        self.net = net


class Versions(NamedTuple):
    """The newest a peer holds of one subject; sequence number 0: nothing of generation `gen`."""

    gen: Annotated[int, msgspec.Meta(ge=0, lt=COUNT_LIMIT)]
    card_seq: Annotated[int, msgspec.Meta(ge=0, lt=COUNT_LIMIT)]
    pulse_seq: Annotated[int, msgspec.Meta(ge=0, lt=COUNT_LIMIT)]


@dataclass(frozen=True, slots=True)
class Hello:
    """First contact and its answer: the speaker's own card, newest pulse, and wall clock (unix ms)."""

    card: Signed
    pulse: Signed | None
    time_ms: int


@dataclass(frozen=True, slots=True)
class Digest:
    """What the speaker holds of the subjects in `buckets` (bit b: ids whose first 6 bits are b), by 8-byte id.

    `sums` checks the cards of every bucket (4 bytes each), or is empty when `buckets` covers them all.
    """

    entries: Mapping[bytes, Versions]
    buckets: int = ALL_BUCKETS
    sums: bytes = b""


@dataclass(frozen=True, slots=True)
class Delta:
    """Records the receiver lacks, 8-byte ids whose card or pulse the speaker wants, and buckets whose cards differ."""

    records: tuple[Signed, ...] = ()
    want_cards: tuple[bytes, ...] = ()
    want_pulses: tuple[bytes, ...] = ()
    differing: int = 0


@dataclass(frozen=True, slots=True)
class Probe:
    """Asks for a fresh pulse of `subject`: from the subject itself, or through a third peer."""

    subject: PeerId


Message = Hello | Digest | Delta | Probe


def short_id(peer: PeerId) -> bytes:
    """The first 8 bytes of the public key: enough to tell subjects apart in a digest, never to authenticate."""
    return public_key(peer)[:8]


def bucket_of(short: bytes) -> int:
    """0 to 63: where in the id space this subject lies."""
    return short[0] >> 2


def encode(message: Message, net: str) -> bytes:
    """The bytes of a message, for the body of POST /peer/1/hello (Hello) or /peer/1/sync (the others)."""
    return msgspec.msgpack.encode(_to_wire(message, net))


def decode(body: bytes, net: str, open_: Open) -> Message:
    """Read a message. `open_` verifies an envelope (MalformedMessage if forged) or returns None to pass it over.

    Raises OtherNetwork, or MalformedMessage naming what is wrong; one forged envelope condemns the message.
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


# The wire's own shapes: an array element's place is its name. Bounds stand in the types: checked while decoding, in C.

_Short = Annotated[bytes, msgspec.Meta(min_length=8, max_length=8)]
_Shorts = Annotated[tuple[_Short, ...], msgspec.Meta(max_length=ENTRIES_LIMIT)]
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


class _DeltaWire(msgspec.Struct, frozen=True, array_like=True, tag="delta"):
    net: str
    envelopes: Annotated[list[Envelope], msgspec.Meta(max_length=ENVELOPES_LIMIT)]
    want_cards: _Shorts = ()
    want_pulses: _Shorts = ()
    differing: _Mask = 0


class _ProbeWire(msgspec.Struct, frozen=True, array_like=True, tag="probe"):
    net: str
    subject: bytes


_Wire = _HelloWire | _DigestWire | _DeltaWire | _ProbeWire


_DECODE_MESSAGE = msgspec.msgpack.Decoder(_Wire)


def _to_wire(message: Message, net: str) -> _Wire:
    match message:
        case Hello(card, pulse, time_ms):
            return _HelloWire(net, card.envelope, pulse.envelope if pulse else None, time_ms)
        case Digest(entries, buckets, sums):
            return _DigestWire(net, buckets, dict(entries), sums)
        case Delta(records, want_cards, want_pulses, differing):
            return _DeltaWire(net, [r.envelope for r in records], want_cards, want_pulses, differing)
        case Probe(subject):
            return _ProbeWire(net, public_key(subject))


def _from_wire(wire: _Wire, open_: Open) -> Message:
    match wire:
        case _HelloWire():
            return _hello(wire, open_)
        case _DigestWire():
            if len(wire.sums) not in (0, 4 * BUCKETS):
                raise MalformedMessage(f"digest: expected no or {BUCKETS} sums")
            return Digest(wire.entries, wire.buckets, wire.sums)
        case _DeltaWire():
            opened = [open_(e) for e in wire.envelopes if e.kind in LIMITS_BYTES]
            records = tuple(signed for signed in opened if signed is not None)
            return Delta(records, wire.want_cards, wire.want_pulses, wire.differing)
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
