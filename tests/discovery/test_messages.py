"""Messages survive the wire, and hostile bytes are malformed, never a crash."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.envelopes import Envelope, MalformedMessage, Signed, open_envelope
from discovery.messages import (
    ALL_BUCKETS,
    BUCKETS,
    MESSAGE_LIMIT_BYTES,
    Delta,
    Digest,
    Hello,
    Message,
    OtherNetwork,
    Probe,
    Sign,
    Versions,
    buckets_in,
    decode,
    encode,
    short_id,
)
from tests.cluster import NET, card_of, fake_verify, id_of, pulse_of, signed


def opened(envelope: Envelope) -> Signed:
    return open_envelope(envelope, NET, fake_verify)


CARD, PULSE = signed(card_of(id_of(1))), signed(pulse_of(id_of(1)))
SHORTS = tuple(short_id(id_of(n)) for n in range(5))


@pytest.mark.parametrize(
    "message",
    [
        Hello(CARD, PULSE, 123),
        Hello(CARD, None, 0),
        Digest({}),
        Digest({short: Versions(n + 1, n, 2**53 - 1) for n, short in enumerate(SHORTS)}, 5, bytes(256)),
        Delta(),
        Digest({}, 0, bytes(256), {0: b"\0\1", 63: b"\0\1\0\2"}),
        Delta((CARD, PULSE), SHORTS, SHORTS[:2], ALL_BUCKETS),
        Delta(signs={short: Sign(n + 1, bytes(16)) for n, short in enumerate(SHORTS)}, want_signs=SHORTS),
        Probe(id_of(3)),
    ],
)
def test_a_message_survives_the_wire(message: Message) -> None:
    assert message == decode(encode(message, NET), NET, opened)


def test_a_mask_names_its_buckets() -> None:
    assert ((), (0, 5, 63), tuple(range(BUCKETS))) == tuple(map(buckets_in, (0, 1 | 1 << 5 | 1 << 63, ALL_BUCKETS)))


def test_another_network_is_named() -> None:
    with pytest.raises(OtherNetwork, match="elsewhere"):
        decode(encode(Probe(id_of(1)), "elsewhere"), NET, opened)


def test_one_forged_envelope_condemns_the_message() -> None:
    forged = signed(card_of(id_of(2)), by=id_of(9))

    with pytest.raises(MalformedMessage, match="signature"):
        decode(encode(Delta((CARD, forged)), NET), NET, opened)


def test_an_envelope_of_an_unknown_kind_is_skipped() -> None:
    """The versioning rule: a later version may gossip about things we do not know."""
    wish = Signed(CARD.record, Envelope("wish", b"?", bytes(64)))

    assert Delta((CARD,)) == decode(encode(Delta((wish, CARD)), NET), NET, opened)


def test_trailing_elements_are_ignored() -> None:
    later = msgspec.msgpack.encode([*msgspec.msgpack.decode(encode(Probe(id_of(1)), NET)), {"new": 1}])

    assert Probe(id_of(1)) == decode(later, NET, opened)


@pytest.mark.parametrize(
    "wire",
    [
        ["probe", NET, b"short"],
        ["digest", NET, ALL_BUCKETS, {b"1234567": [1, 1, 1]}],
        ["digest", NET, ALL_BUCKETS, {b"123456789": [1, 1, 1]}],
        ["digest", NET, ALL_BUCKETS, {b"12345678": [1, 1]}],
        ["digest", NET, ALL_BUCKETS, {b"12345678": [-1, 1, 1]}],
        ["digest", NET, ALL_BUCKETS, {b"12345678": [1, 2**53, 1]}],
        ["digest", NET, ALL_BUCKETS, {b"12345678": [1, 1, float("nan")]}],
        ["digest", NET, -1, {}],
        ["digest", NET, ALL_BUCKETS, {}, b"sum"],
        ["digest", NET, ALL_BUCKETS, {n.to_bytes(8, "big"): [1, 1, 1] for n in range(2049)}],
        ["digest", NET, 0, {}, bytes(256), {64: b""}],
        ["digest", NET, 0, {}, bytes(256), [b""]],
        ["digest", NET, ALL_BUCKETS, {}, b"", {0: b"12"}],
        ["delta", NET, [], [b"123"]],
        ["delta", NET, [], [], [], 0, {b"12345678": [0, bytes(16)]}],
        ["delta", NET, [], [], [], 0, {b"12345678": [1, bytes(15)]}],
        ["delta", NET, [], [], [], 0, {b"1234567": [1, bytes(16)]}],
        ["delta", NET, [], [], [], 0, {}, [b"123"]],
        ["delta", NET, [], [b"12345678"] * 2049],
        ["delta", NET, [], [], [], -1],
        ["delta", NET, [["card", b"", b""]]],
        ["delta", NET, [["wish", b"", b""]] * 257],
        ["hello", NET, ["wish", b"", b""], None, 0],
        ["hello", NET, ["pulse", PULSE.envelope.payload, PULSE.envelope.signature], None, 0],
        ["nonsense", NET],
        [],
        {},
        None,
        7,
    ],
)
def test_a_malformed_message_is_refused(wire: object) -> None:
    with pytest.raises(MalformedMessage):
        decode(msgspec.msgpack.encode(wire), NET, opened)


def test_a_hello_with_another_peers_pulse_is_refused() -> None:
    with pytest.raises(MalformedMessage, match="own pulse"):
        decode(encode(Hello(CARD, signed(pulse_of(id_of(2))), 0), NET), NET, opened)


def test_a_message_beyond_64_kib_is_refused_unread() -> None:
    """Attack 10."""
    with pytest.raises(MalformedMessage, match="at most"):
        decode(bytes(MESSAGE_LIMIT_BYTES + 1), NET, opened)


@settings(max_examples=1000)
@given(st.binary(max_size=300))
def test_garbage_is_malformed_and_nothing_else(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode(body, NET, opened)


SENT = encode(Delta((CARD, PULSE), SHORTS), NET)


@settings(max_examples=1000)
@given(st.dictionaries(st.integers(0, len(SENT) - 1), st.integers(0, 255), min_size=1, max_size=8))
def test_a_damaged_message_is_malformed_or_still_true(changes: dict[int, int]) -> None:
    """Whatever bytes are changed: no other exception, and no record that its owner did not sign."""
    body = bytearray(SENT)
    for at, byte in changes.items():
        body[at] = byte

    try:
        message = decode(bytes(body), NET, opened)
    except MalformedMessage:
        return
    assert not isinstance(message, Delta) or all(record in (CARD, PULSE) for record in message.records)
