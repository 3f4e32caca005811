"""The line survives terminals and mails, and a proof counts for one exchange between two machines, and no other."""

import base64
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.identity import Identity, verify
from discovery.join_messages import (
    Ask,
    InvalidJoin,
    InvalidLine,
    Line,
    Parties,
    Proof,
    Taken,
    Tried,
    Try,
    asks,
    check_asks,
    check_takes,
    decode_answer,
    decode_request,
    encode,
    encode_line,
    key_of,
    read_line,
    takes,
)
from discovery.records import Address
from tests.cluster import id_of

LINE = Line("ppai", id_of(1), b"c" * 32, b"s" * 16, (Address("127.0.0.1", 8471), Address("2001:db8::7", 443)))
KEY = b"k" * 32


def test_a_line_says_what_was_put_in() -> None:
    text = encode_line(LINE)

    assert read_line(text) == LINE
    assert text == text.upper() and text.replace(":", "").isalnum()  # what QR codes write in half the room


def test_a_line_may_be_broken_indented_and_in_small_letters() -> None:
    text = encode_line(LINE)
    broken = f"  {text[:80].lower()}\n\t{text[80:]}\r\n"

    assert read_line(broken) == LINE


@pytest.mark.parametrize("cut", [-1, -9, 40])
def test_a_line_that_is_cut_off_is_told(cut: int) -> None:
    with pytest.raises(InvalidLine, match="copy"):
        read_line(encode_line(LINE)[:cut])


@pytest.mark.parametrize("text", ["", "hello", "PPAI2:ABC", "ppai invite", "PPAI1:!!!!", "PPAI1:"])
def test_what_is_no_line_is_told(text: str) -> None:
    with pytest.raises(InvalidLine):
        read_line(text)


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises(InvalidLine):
        read_line("PPAI1:" + text)


@pytest.mark.parametrize("ip", ["169.254.169.254", "0.0.0.0", "224.0.0.1", "localhost"])
def test_a_line_leads_to_no_other_service(ip: str) -> None:
    """Nor does one that somebody made up, checksum and all."""
    with pytest.raises(InvalidLine):
        read_line(encode_line(replace(LINE, addresses=(Address(ip, 8471),))))


def test_a_secret_is_in_neither_the_id_nor_the_key() -> None:
    found, key = key_of(LINE.secret)

    assert LINE.secret not in bytes.fromhex(found) + key
    assert key_of(b"t" * 16) != (found, key)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Identity, Identity]:
    folder: Path = tmp_path_factory.mktemp("two")
    return Identity.load_or_create(folder / "ada"), Identity.load_or_create(folder / "ben")


def parties(two: tuple[Identity, Identity]) -> Parties:
    ada, ben = two
    return Parties("ppai", ada.id, ada.cert_sha256, ben.id, ben.cert_sha256, b"x" * 24)


OTHER = [
    {"net": "other"},
    {"inviter": id_of(3)},
    {"inviter_cert": b"m" * 32},
    {"joiner": id_of(3)},
    {"joiner_cert": b"m" * 32},
    {"exchange": b"y" * 24},
]


@pytest.mark.parametrize("other", OTHER, ids=lambda other: next(iter(other)))
def test_a_proof_counts_for_these_two_and_this_exchange(two: tuple[Identity, Identity], other: dict) -> None:
    """A machine in the middle has another certificate, and a thief another id."""
    ada, ben = two
    proof = asks(parties(two), KEY, "ben", ben.sign)
    said = takes(parties(two), KEY, "ada", ("ask",), b"", ada.sign)
    taken = Taken("ppai", "ada", ("ask",), b"", said)
    check_asks(proof, parties(two), KEY, "ben", verify)
    check_takes(taken, parties(two), KEY, verify)

    with pytest.raises(InvalidJoin):
        check_asks(proof, replace(parties(two), **other), KEY, "ben", verify)
    with pytest.raises(InvalidJoin):
        check_takes(taken, replace(parties(two), **other), KEY, verify)


def test_a_proof_covers_what_is_said_and_needs_key_and_identity(two: tuple[Identity, Identity]) -> None:
    ada, ben = two
    who = parties(two)
    proof = asks(who, KEY, "ben", ben.sign)
    taken = Taken("ppai", "ada", ("ask",), b"", takes(who, KEY, "ada", ("ask",), b"", ada.sign))

    for given_proof, key, name in (
        (proof, KEY, "ada"),
        (proof, b"q" * 32, "ben"),
        (asks(who, KEY, "ben", ada.sign), KEY, "ben"),
        (Proof(bytes(32), proof.signature), KEY, "ben"),
        (Proof(proof.mac, bytes(64)), KEY, "ben"),
    ):
        with pytest.raises(InvalidJoin):
            check_asks(given_proof, who, key, name, verify)
    for change in ({"rights": ("ask", "answer")}, {"name": "eve"}, {"secret": b"s" * 16}, {"proof": proof}):
        with pytest.raises(InvalidJoin):
            check_takes(msgspec.structs.replace(taken, **change), who, KEY, verify)


def test_messages_come_back_and_further_elements_are_passed_over(two: tuple[Identity, Identity]) -> None:
    proof = Proof(b"m" * 32, b"s" * 64)
    for message in (
        Ask("ppai", b"i" * 8, b"j" * 32, b"c" * 32, b"s" * 16, "ben", proof),
        Try("ppai", b"j" * 32, b"c" * 32, b"p" * 33),
    ):
        longer = msgspec.msgpack.encode([*msgspec.msgpack.decode(encode(message)), "later"])
        assert message == decode_request(encode(message)) == decode_request(longer)
    tried = Tried("ppai", b"x" * 16, b"i" * 32, b"p" * 33)
    assert tried == decode_answer(encode(tried))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_readers(data: bytes) -> None:
    for read in (decode_request, decode_answer):
        try:
            read(data)
        except InvalidJoin:
            continue


def test_the_line_is_read_as_it_was_written() -> None:
    """A line that was printed by an earlier ppai still counts: its form is fixed."""
    packed = base64.b32decode(encode_line(LINE).removeprefix("PPAI1:") + "====")
    assert ["ppai", 32, 32, 16, [["127.0.0.1", 8471], ["2001:db8::7", 443]]] == [
        value if isinstance(value, str | list) else len(value) for value in msgspec.msgpack.decode(packed[:-4])
    ]
