"""Names in real ClientHellos, and in bytes that are none."""

import contextlib
import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.peering.reach.client_hello import Incomplete, NoHello, name_asked
from tests.cluster import id_of


def hello(name: str | None) -> bytes:
    """What OpenSSL says first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


@pytest.mark.parametrize("name", [id_of(1), "a.example", None])
def test_the_name_that_openssl_asks_for_is_read(name: str | None) -> None:
    assert (name or "") == name_asked(hello(name) + b"what follows")


def test_a_part_of_a_hello_is_waited_for() -> None:
    whole = hello(id_of(1))

    for size in range(len(whole)):
        with pytest.raises(Incomplete):
            name_asked(whole[:size])


@pytest.mark.parametrize(
    "received",
    [b"GET / HTTP/1.1", b"PPAI", b"\x16\x03\x01\x00\x00", b"\x16\x03\x01\xff\xff", b"\x16\x03\x01\x00\x01\x02"],
)
def test_what_is_no_hello_is_told_as_soon_as_it_is_seen(received: bytes) -> None:
    with pytest.raises(NoHello):
        name_asked(received)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
def test_damaged_hellos_raise_nothing_else(noise: bytes, at: int, value: int) -> None:
    whole = bytearray(hello(id_of(1)))
    whole[at % len(whole)] = value
    for received in (bytes(whole), b"\x16\x03\x01" + len(noise).to_bytes(2, "big") + noise):
        with contextlib.suppress(Incomplete, NoHello):
            assert isinstance(name_asked(received), str)
