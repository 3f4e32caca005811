"""Signed envelopes: a record as the exact bytes that its owner signed, so that any peer can pass it on and check it.

msgspec checks types while decoding, `records.validate` checks bounds. Knows no keys: `sign` and `verify` are passed in.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from discovery.records import (
    CARD_LIMIT_BYTES,
    PULSE_LIMIT_BYTES,
    Address,
    AdmissionState,
    Agent,
    Card,
    EngineCounts,
    Flag,
    InvalidRecord,
    PeerId,
    Profile,
    Pulse,
    Record,
    peer_id,
    public_key,
    validate,
)

Sign = Callable[[bytes], bytes]
Verify = Callable[[PeerId, bytes, bytes], bool]  # (signer, signature, data)
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what msgspec raises on hostile bytes
LIMITS_BYTES = {"card": CARD_LIMIT_BYTES, "pulse": PULSE_LIMIT_BYTES}  # of a payload; other kinds are skipped


class MalformedMessage(ValueError):
    """Bytes from a peer that break the protocol; the text says how. Nothing of the message has taken effect."""


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """The exact bytes a peer signed, and the signature (64,) over `signed_bytes(kind, net, payload)`.

    The class is its own wire format, so that decoding a delta with dozens of envelopes converts none of them
    (docs/results/gossip.md#small-choices).
    """

    kind: str
    payload: bytes
    signature: bytes

    def size(self) -> int:
        """Bytes that it takes in a message, at most."""
        return len(self.payload) + len(self.signature) + 14


@dataclass(frozen=True, slots=True)
class Signed:
    """A record and the envelope that proves who wrote it: what peers keep and pass on."""

    record: Record
    envelope: Envelope


def signed_bytes(kind: str, net: str, payload: bytes) -> bytes:
    """The bytes that a record's signature covers.

    Kind and network stand in front, so that a pulse cannot pass as a card, nor a record as one of another network.
    """
    return f"ppai/1/{kind}\0{net}\0".encode() + payload


def seal(record: Record, net: str, sign: Sign) -> Signed:
    """Encode and sign a record of our own. Raises InvalidRecord when it is out of bounds or too long."""
    validate(record)
    kind, payload = ("card", _encode_card(record)) if isinstance(record, Card) else ("pulse", _encode_pulse(record))
    if len(payload) > LIMITS_BYTES[kind]:
        raise InvalidRecord(kind, f"takes {len(payload)} bytes, at most {LIMITS_BYTES[kind]}: fewer agents or profiles")
    return Signed(record, Envelope(kind, payload, sign(signed_bytes(kind, net, payload))))


def card_bytes(card: Card) -> int:
    """Bytes that this card takes at most, whatever numbers it gets when it is sealed."""
    return len(_encode_card(card)) + 16


def parse(envelope: Envelope) -> Record:
    """The record inside an envelope; its bounds are checked, its signature is not. Raises MalformedMessage."""
    if len(envelope.payload) > LIMITS_BYTES.get(envelope.kind, 0):
        raise MalformedMessage(f"{envelope.kind[:16]!r} of {len(envelope.payload)} bytes")
    try:
        record = _decode_card(envelope.payload) if envelope.kind == "card" else _decode_pulse(envelope.payload)
        validate(record)
    except (*UNREADABLE, InvalidRecord) as error:
        raise MalformedMessage(f"{envelope.kind}: {error}") from error
    return record


def open_envelope(envelope: Envelope, net: str, verify: Verify) -> Signed:
    """Parse and verify an envelope. Raises MalformedMessage unless it is a record signed by the peer it is about."""
    return verified(envelope, parse(envelope), net, verify)


def verified(envelope: Envelope, record: Record, net: str, verify: Verify) -> Signed:
    """Check the owner's signature of `record`, which was parsed from `envelope`. Raises MalformedMessage."""
    if not verify(record.id, envelope.signature, signed_bytes(envelope.kind, net, envelope.payload)):
        raise MalformedMessage(f"{envelope.kind} of {record.id[:10]}: signature does not match")
    return Signed(record, envelope)


class _AgentWire(msgspec.Struct, frozen=True, array_like=True):
    name: str
    model: str
    context_tokens: int
    modalities: tuple[str, ...]
    profiles: dict[str, tuple[bytes, tuple[int, ...]]]


class _CardWire(msgspec.Struct, frozen=True, array_like=True):
    id: bytes
    name: str
    gen: int
    seq: int
    flag: Flag
    ts: int
    addr: tuple[tuple[str, int], ...]
    cert: bytes
    slots: int
    ttl_s: int
    agents: tuple[_AgentWire, ...]
    proof: bytes = b""
    features: tuple[str, ...] = ()
    details: bytes = b""
    relayed: int = 0


class _PulseWire(msgspec.Struct, frozen=True, array_like=True):
    id: bytes
    gen: int
    seq: int
    running: int
    waiting: int
    slots: int
    arrivals: int
    completions: int
    busy_ms: int
    t_ms: int
    tokens_in: int
    tokens_out: int
    admission: AdmissionState
    engines: tuple[EngineCounts, ...] = ()
    word: bytes = b""


_DECODE_CARD = msgspec.msgpack.Decoder(_CardWire)
_DECODE_PULSE = msgspec.msgpack.Decoder(_PulseWire)


def _encode_card(card: Card) -> bytes:
    agents = tuple(_AgentWire(a.name, a.model, a.context_tokens, a.modalities, _profiles_wire(a)) for a in card.agents)
    addr = tuple((a.ip, a.port) for a in card.addr)
    head = (public_key(card.id), card.name, card.gen, card.seq, card.flag, card.ts)
    tail = (card.proof, card.features, card.details, card.relayed)
    return msgspec.msgpack.encode(_CardWire(*head, addr, card.cert, card.slots, card.ttl_s, agents, *tail))


def _profiles_wire(agent: Agent) -> dict[str, tuple[bytes, tuple[int, ...]]]:
    return {space: (p.capability, p.evidence) for space, p in agent.profiles.items()}


def _decode_card(payload: bytes) -> Card:
    w = _DECODE_CARD.decode(payload)
    agents = tuple(
        Agent(a.name, a.model, a.context_tokens, a.modalities, {s: Profile(c, e) for s, (c, e) in a.profiles.items()})
        for a in w.agents
    )
    addr = tuple(Address(ip, port) for ip, port in w.addr)
    head = (peer_id(w.id), w.name, w.gen, w.seq, w.flag, w.ts)
    return Card(*head, addr, w.cert, w.slots, w.ttl_s, agents, w.proof, w.features, w.details, w.relayed)


def _encode_pulse(p: Pulse) -> bytes:
    """In at most 300 bytes: what does not fit of single engines is left out from the end."""
    head = (public_key(p.id), p.gen, p.seq, p.running, p.waiting, p.slots, p.arrivals, p.completions)
    totals = (*head, p.busy_ms, p.t_ms, p.tokens_in, p.tokens_out, p.admission)
    for count in range(len(p.engines), -1, -1):
        encoded = msgspec.msgpack.encode(_PulseWire(*totals, p.engines[:count], p.word))
        if len(encoded) <= PULSE_LIMIT_BYTES:
            break
    return encoded


def _decode_pulse(payload: bytes) -> Pulse:
    w = _DECODE_PULSE.decode(payload)
    head = (peer_id(w.id), w.gen, w.seq, w.running, w.waiting, w.slots, w.arrivals, w.completions)
    return Pulse(*head, w.busy_ms, w.t_ms, w.tokens_in, w.tokens_out, w.admission, w.engines, w.word)
