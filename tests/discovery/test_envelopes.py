"""Real signatures over records: what is signed is what arrives, and nothing else passes."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.envelopes import Envelope, MalformedMessage, Signed, open_envelope, parse, seal, signed_bytes
from discovery.identity import Identity, verify
from discovery.records import (
    Address,
    Agent,
    Card,
    EngineCounts,
    InvalidRecord,
    PeerId,
    Profile,
    Pulse,
    public_key,
    validate,
)
from tests.cluster import NET, card_of, id_of, pulse_of


@pytest.fixture(scope="module")
def me(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity.load_or_create(tmp_path_factory.mktemp("me"))


@pytest.fixture(scope="module")
def mallory(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity.load_or_create(tmp_path_factory.mktemp("mallory"))


def sealed(record: Card | Pulse, by: Identity) -> Signed:
    return seal(record, NET, by.sign)


NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20).filter(str.isprintable)
PROFILES = st.binary(min_size=1, max_size=64).flatmap(
    lambda c: st.tuples(*[st.integers(0, 2**20)] * len(c)).map(lambda e: Profile(c, e))
)
AGENTS = st.builds(
    Agent,
    NAMES,
    NAMES,
    st.integers(1, 10**6),
    st.tuples(NAMES.map(lambda n: n[:16])),
    st.dictionaries(NAMES, PROFILES, max_size=2),
)
CARDS = st.builds(
    Card,
    *(st.just(id_of(1)), NAMES, st.integers(1, 2**53 - 1), st.integers(1, 2**53 - 1)),
    *(st.sampled_from(["join", "update", "delete"]), st.integers(0, 2**40)),
    st.lists(st.builds(Address, st.sampled_from(["10.0.0.1", "fd12::1"]), st.integers(1024, 65535)), max_size=4).map(
        tuple
    ),
    *(st.binary(min_size=32, max_size=32), st.integers(0, 64), st.integers(60, 86400)),
    st.lists(AGENTS, min_size=1, max_size=4, unique_by=lambda a: a.name).map(tuple),
    st.sampled_from([b"", bytes(32)]),
)
COUNTS = st.integers(0, 2**53 - 1)
ENGINE_COUNTS = st.integers(0, 2**20)
PULSES = st.builds(
    Pulse,
    *(st.just(id_of(1)), st.integers(1, 2**53 - 1), st.integers(1, 2**53 - 1), COUNTS, COUNTS, st.integers(0, 64)),
    *([COUNTS] * 6),
    st.sampled_from(["open", "soft", "closed"]),
    st.lists(
        st.builds(EngineCounts, ENGINE_COUNTS, ENGINE_COUNTS, st.integers(0, 64), *[ENGINE_COUNTS] * 3), max_size=4
    ).map(tuple),
    st.sampled_from([b"", bytes(16)]),
)


@given(CARDS | PULSES)
def test_what_is_sealed_is_what_is_read(record: Card | Pulse) -> None:
    assert record == parse(seal(record, NET, lambda data: bytes(64)).envelope)


def test_the_largest_pulse_fits() -> None:
    big = 2**53 - 1
    pulse = Pulse(id_of(1), big, big, big, big, 4095, big, big, big, big, big, big, "closed", word=bytes(16))

    assert 300 >= len(seal(pulse, NET, lambda data: bytes(64)).envelope.payload)


def test_what_a_pulse_has_no_room_for_is_left_out_of_its_engines_and_never_of_its_totals() -> None:
    big, most = 2**53 - 1, EngineCounts(*[2**32 - 1] * 2, 4095, *[2**32 - 1] * 3)
    pulse = Pulse(id_of(1), big, big, big, big, 4095, big, big, big, big, big, big, "closed", (most,) * 4, bytes(16))

    read = parse(seal(pulse, NET, lambda data: bytes(64)).envelope)

    assert isinstance(read, Pulse)
    assert replace(pulse, engines=()) == replace(read, engines=())
    assert (most,) * len(read.engines) == read.engines
    assert 2 <= len(read.engines) <= 4


def test_a_card_beyond_8_kib_cannot_be_sealed() -> None:
    profile = Profile(bytes(1024), (10**6,) * 1024)
    agents = tuple(Agent(f"agent {i}", "m", 1, ("text",), {"s": profile}) for i in range(4))

    with pytest.raises(InvalidRecord, match="fewer agents"):
        seal(replace(card_of(id_of(1)), agents=agents), NET, lambda data: bytes(64))


def test_ones_own_record_passes(me: Identity) -> None:
    signed = sealed(card_of(me.id), me)

    assert signed == open_envelope(signed.envelope, NET, verify)


def test_a_record_signed_by_another_is_refused(me: Identity, mallory: Identity) -> None:
    """Attacks 1, 3, 7, 8: nobody can delete or move somebody else, nor speak in his name."""
    for flag, addr in (("delete", ()), ("update", (Address("10.6.6.6", 8471),))):
        forged = sealed(replace(card_of(me.id, seq=99), flag=flag, addr=addr), mallory)

        with pytest.raises(MalformedMessage, match="signature"):
            open_envelope(forged.envelope, NET, verify)


def test_every_flipped_bit_is_noticed(me: Identity) -> None:
    envelope = sealed(pulse_of(me.id), me).envelope

    for at in range(8 * len(envelope.payload)):
        payload = bytearray(envelope.payload)
        payload[at // 8] ^= 1 << at % 8
        with pytest.raises(MalformedMessage):
            open_envelope(msgspec.structs.replace(envelope, payload=bytes(payload)), NET, verify)


def test_a_signature_belongs_to_one_kind_and_one_network(me: Identity) -> None:
    """Attack 2: the domain is signed too."""
    envelope = sealed(card_of(me.id), me).envelope

    assert verify(me.id, envelope.signature, signed_bytes("card", NET, envelope.payload))
    assert not verify(me.id, envelope.signature, signed_bytes("pulse", NET, envelope.payload))
    with pytest.raises(MalformedMessage):
        open_envelope(envelope, "other", verify)


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65)])
def test_no_signature_is_no_signature(me: Identity, signature: bytes) -> None:
    envelope = msgspec.structs.replace(sealed(card_of(me.id), me).envelope, signature=signature)

    with pytest.raises(MalformedMessage):
        open_envelope(envelope, NET, verify)


def wire_pulse(me: PeerId, **changes: object) -> bytes:
    fields = {name: getattr(pulse_of(me), name) for name in Pulse.__match_args__} | {"id": public_key(me)} | changes
    return msgspec.msgpack.encode(list(fields.values()))


@pytest.mark.parametrize(
    "changes",
    [
        {"gen": 2**63},
        {"gen": 1.5},
        {"t_ms": float("nan")},
        {"busy_ms": float("inf")},
        {"running": -1},
        {"running": "1"},
        {"running": None},
        {"admission": "wide open"},
        {"word": bytes(15)},
        {"word": "a word of text.."},
        {"id": b"short"},
    ],
)
def test_a_signed_record_out_of_bounds_is_refused(me: Identity, changes: dict[str, object]) -> None:
    """Attack 6: being the owner does not widen the bounds."""
    payload = wire_pulse(me.id, **changes)
    envelope = Envelope("pulse", payload, me.sign(signed_bytes("pulse", NET, payload)))

    with pytest.raises(MalformedMessage):
        open_envelope(envelope, NET, verify)


def wire_card(me: PeerId, capability: object, evidence: object) -> bytes:
    agent = ["small", "test/small", 4096, ["text"], {"space": [capability, evidence]}]
    head = [public_key(me), "peer", 1, 1, "join", 0, [["10.0.0.1", 8471]], bytes(32), 1, 86400]
    return msgspec.msgpack.encode([*head, [agent]])


@pytest.mark.parametrize(
    ("capability", "evidence"),
    [
        (b"", []),
        (b"ab", [1]),
        (b"a", [1, 2]),
        (b"a", [-1]),
        (b"a", [2**40]),
        (b"a", [0.5]),
        ([255], [1]),
        ([1.5], [1]),
        ([float("nan")], [1]),
        (bytes(1025), [0] * 1025),
    ],
)
def test_a_capability_vector_out_of_bounds_is_refused(me: Identity, capability: object, evidence: object) -> None:
    """Attack 11: bytes cannot exceed 1 nor be NaN, and every entry has its count. (The K of a space is the gate's.)"""
    good = wire_card(me.id, b"ab", [1, 2])
    assert 1 == len(parse(Envelope("card", good, bytes(64))).agents)
    payload = wire_card(me.id, capability, evidence)

    with pytest.raises(MalformedMessage):
        open_envelope(Envelope("card", payload, me.sign(signed_bytes("card", NET, payload))), NET, verify)


def test_a_later_version_may_append_fields(me: Identity) -> None:
    """The versioning rule: readers ignore trailing elements, and the bytes stay signed as they are."""
    payload = msgspec.msgpack.encode([*msgspec.msgpack.decode(wire_pulse(me.id)), "new", 7])
    envelope = Envelope("pulse", payload, me.sign(signed_bytes("pulse", NET, payload)))

    assert pulse_of(me.id) == open_envelope(envelope, NET, verify).record


@settings(max_examples=500)
@given(st.sampled_from(["card", "pulse", "x", ""]), st.binary(max_size=400))
def test_garbage_is_malformed_and_nothing_else(kind: str, payload: bytes) -> None:
    with pytest.raises(MalformedMessage):
        open_envelope(Envelope(kind, payload, bytes(64)), NET, verify)


SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary()
NESTED = st.recursive(SCALARS, lambda x: st.lists(x, max_size=15) | st.dictionaries(st.text(), x, max_size=4))


@given(st.sampled_from(["card", "pulse"]), NESTED)
def test_well_formed_nonsense_is_malformed_too(kind: str, value: object) -> None:
    with pytest.raises(MalformedMessage):
        open_envelope(Envelope(kind, msgspec.msgpack.encode(value), bytes(64)), NET, verify)


def test_deep_nesting_is_refused(me: Identity) -> None:
    trailing = b"\xdc\x00\x0e" + wire_pulse(me.id)[1:] + b"\x91" * 100_000

    for payload in (b"\x91" * 8000, trailing[:300]):
        for kind in ("card", "pulse"):
            with pytest.raises(MalformedMessage):
                parse(Envelope(kind, payload, bytes(64)))


def test_sealing_checks_the_bounds_too(me: Identity) -> None:
    with pytest.raises(InvalidRecord):
        sealed(replace(card_of(me.id), name="\n"), me)
    validate(card_of(me.id))
