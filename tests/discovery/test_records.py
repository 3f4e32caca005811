"""What a record may say."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.records import (
    Address,
    Agent,
    Card,
    InvalidRecord,
    Profile,
    Pulse,
    check_address,
    dialable,
    peer_id,
    printable,
    public_key,
    supersedes,
    validate,
)
from tests.cluster import card_of, id_of, pulse_of

AGENT = card_of(id_of(1)).agents[0]


@given(st.binary(min_size=32, max_size=32))
def test_an_id_is_the_one_spelling_of_a_key(key: bytes) -> None:
    assert 52 == len(peer_id(key))
    assert key == public_key(peer_id(key))


@pytest.mark.parametrize(
    "text", ["", "a" * 51, "a" * 53, "A" * 52, "1" * 52, "a" * 51 + "b", "é" * 52, "../" + "a" * 49, "a" * 51 + "="]
)
def test_another_spelling_is_no_id(text: str) -> None:
    with pytest.raises(InvalidRecord):
        public_key(text)


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [((2, 1), (1, 9), True), ((1, 2), (1, 1), True), ((1, 1), (1, 1), False), ((1, 9), (2, 1), False)],
)
def test_the_greater_version_supersedes(new: tuple[int, int], old: tuple[int, int], expected: bool) -> None:
    """(gen, seq), lexicographically; the wall clock has no say."""
    newer, older = (card_of(id_of(1), gen=gen, seq=seq) for gen, seq in (new, old))

    assert expected == supersedes(replace(newer, ts=0), replace(older, ts=2**40))


def test_anything_supersedes_nothing() -> None:
    assert supersedes(pulse_of(id_of(1)), None)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "nobody"},
        {"name": ""},
        {"name": "x" * 65},
        {"name": "evil\x1b[2J"},
        {"name": "evil\u202e"},
        {"name": "line\nbreak"},
        {"gen": 0},
        {"gen": 2**53},
        {"seq": 0},
        {"seq": -1},
        {"ts": -1},
        {"addr": (Address("10.0.0.1", 8471),) * 5},
        {"cert": bytes(31)},
        {"proof": bytes(16)},
        {"slots": -1},
        {"slots": 10**9},
        {"ttl_s": 1},
        {"ttl_s": 10**9},
        {"agents": tuple(replace(AGENT, name=f"a{i}") for i in range(17))},
        {"agents": (AGENT, AGENT)},
        {"agents": (replace(AGENT, model="a\0b"),)},
        {"agents": (replace(AGENT, context_tokens=-1),)},
        {"agents": (replace(AGENT, modalities=()),)},
        {"agents": (replace(AGENT, profiles={"s": Profile(b"", ())}),)},
        {"agents": (replace(AGENT, profiles={"s": Profile(b"ab", (1,))}),)},
        {"agents": (replace(AGENT, profiles={"s": Profile(b"a", (-1,))}),)},
        {"agents": (replace(AGENT, profiles={"s": Profile(bytes(1025), (0,) * 1025)}),)},
        {"agents": (replace(AGENT, profiles={s: Profile(b"a", (1,)) for s in "abc"}),)},
    ],
)
def test_a_card_out_of_bounds_is_refused(changes: dict[str, object]) -> None:
    validate(card_of(id_of(1)))

    with pytest.raises(InvalidRecord):
        validate(replace(card_of(id_of(1)), **changes))


@pytest.mark.parametrize("field", ["running", "arrivals", "completions", "busy_ms", "t_ms", "tokens_in", "tokens_out"])
@pytest.mark.parametrize("value", [-1, 2**53])
def test_a_pulse_counter_out_of_bounds_is_refused(field: str, value: int) -> None:
    with pytest.raises(InvalidRecord, match=field):
        validate(replace(pulse_of(id_of(1)), **{field: value}))


@pytest.mark.parametrize(
    "ip", ["192.168.1.7", "10.0.0.1", "100.64.0.9", "8.8.8.8", "fd12::1", "2001:db8::5", "127.0.0.1"]
)
@pytest.mark.parametrize("port", [443, 1024, 8471, 65535])
def test_a_peer_may_live_there(ip: str, port: int) -> None:
    check_address(Address(ip, port))


@pytest.mark.parametrize(
    "ip",
    [
        *("0.0.0.0", "0.1.2.3", "255.255.255.255", "224.0.0.251", "240.0.0.1", "169.254.169.254", "::", "ff02::fb"),
        *(
            "fe80::1",
            "fe80::1%eth0",
            "fd00:ec2::254",
            "fec0::1",
            "feff::1",
            "100.100.100.200",
            "168.63.129.16",
            "::ffff:127.0.0.1",
        ),
        *("2002:a9fe:a9fe::1", "64:ff9b:1::808:808", "64:ff9b::a9fe:a9fe", "::7f00:1", "::ffff:0:7f00:1"),
        *("localhost", "example.org", "2130706433", "0x7f000001", "127.1", "010.0.0.1", "FD12::1", "[::1]", ""),
    ],
)
def test_no_peer_lives_there(ip: str) -> None:
    """Attack 25: addresses that would aim our dials at ourselves, at everybody, or at a cloud's metadata."""
    with pytest.raises(InvalidRecord):
        check_address(Address(ip, 8471))


@pytest.mark.parametrize("ip", ["2002:808:808::1", "2001:0:808:808:0:ffff:f7f7:f7f7", "fd12::5efe:808:808"])
def test_an_address_that_wraps_a_good_one_is_good(ip: str) -> None:
    check_address(Address(ip, 8471))


@pytest.mark.parametrize(
    "wrapped", ["169.254.169.254", "127.0.0.1", "0.0.0.0", "224.0.0.251", "100.100.100.200", "255.255.255.255"]
)
@pytest.mark.parametrize(
    "prefix", [0x2002 << 112, 0x20010000 << 96, 0x64FF9B << 96, 0xFD12 << 112 | 0x5EFE << 32, 0xFFFF << 32]
)
def test_an_address_is_as_invalid_as_what_it_wraps(prefix: int, wrapped: str) -> None:
    """6to4, Teredo (its server, then its client), NAT64, ISATAP, mapped: packets for it go where it says inside."""
    v4 = int(IPv4Address(wrapped))
    inside = [v4 << 80] if prefix == 0x2002 << 112 else [v4]
    if prefix == 0x20010000 << 96:
        inside = [v4 << 64 | 0xF7F7F7F7, 0x08080808 << 64 | v4 ^ 0xFFFFFFFF]

    for low in inside:
        with pytest.raises(InvalidRecord):
            check_address(Address(str(IPv6Address(prefix | low)), 8471))


@pytest.mark.parametrize("port", [-1, 0, 22, 25, 80, 1023, 65536])
def test_no_peer_listens_on_a_system_port(port: int) -> None:
    with pytest.raises(InvalidRecord):
        check_address(Address("10.0.0.1", port))


def test_loopback_is_dialled_by_those_on_loopback_only() -> None:
    addresses = (Address("127.0.0.1", 8471), Address("::1", 8471), Address("10.0.0.1", 8471))

    assert addresses == dialable(addresses, on_loopback=True)
    assert addresses[2:] == dialable(addresses, on_loopback=False)


@given(st.text())
def test_any_text_becomes_a_valid_name_or_nothing(text: str) -> None:
    name = printable(text, 64)

    if name:
        validate(replace(card_of(id_of(1)), name=name))


def test_central_types_have_the_agreed_fields() -> None:
    """Other rooms and the wire depend on the order."""
    assert ("name", "model", "context_tokens", "modalities", "profiles") == Agent.__match_args__[:5]
    assert ("id", "name", "gen", "seq", "flag", "ts", "addr", "cert", "slots", "ttl_s", "agents", "proof") == (
        Card.__match_args__[:12]
    )
    assert ("id", "gen", "seq", "running", "waiting", "slots", "arrivals", "completions", "busy_ms", "t_ms") == (
        Pulse.__match_args__[:10]
    )


def test_a_card_says_which_of_its_addresses_are_relays() -> None:
    one, two = Address("192.0.2.1", 8471), Address("192.0.2.2", 8472)
    card = replace(card_of(id_of(1)), addr=(one, two), relayed=0b10)

    validate(card)
    assert frozenset({two}) == card.through_relays
    with pytest.raises(InvalidRecord, match="relayed"):
        validate(replace(card, relayed=16))
