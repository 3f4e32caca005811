"""A pinned certificate: who is taken for the peer, how many ways are kept, and what a failure is called."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest

from discovery.answer import ConnectionBroken, CutShort, NothingCame, NotHttp
from discovery.connections import Shared
from discovery.identity import Identity
from discovery.pinned import CHANGED, WAYS_KEPT, OtherCertificate, Pin, why_unreachable
from discovery.records import Address
from tests.discovery.loopback import garbage_server

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def asked(pin: Pin, address: Address) -> bytes:
    with await pin.way(address, None, 2, 5).post("/", {}, (b"",), keep=True, within_s=2) as answer:
        return await answer.read(10, 2)


async def test_a_pin_takes_the_first_certificate_that_it_sees_and_no_other_from_then_on(tmp_path: Path) -> None:
    ben, mallory, heard = (
        Identity.load_or_create(tmp_path / "b"),
        Identity.load_or_create(tmp_path / "m"),
        list[bytes](),
    )
    with contextlib.closing(Pin(None)) as pin:
        async with garbage_server(ben, OK) as address, garbage_server(mallory, OK, None, heard.append) as other:
            assert b"ok" == await asked(pin, address)
            with pytest.raises(OtherCertificate):
                await asked(pin, other)

    assert ben.cert_sha256 == pin.digest
    assert b"" == b"".join(heard)
    assert 1 == len(pin.own_ports)


async def test_ways_to_one_peer_are_bounded() -> None:
    """A peer whose address changes every day is not kept at all of them."""
    pin = Pin(bytes(32))

    ways = [pin.way(Address("192.0.2.1", 1024 + n), None, 1, 1) for n in range(3 * WAYS_KEPT)]

    assert ways[-1] is pin.way(Address("192.0.2.1", 1023 + 3 * WAYS_KEPT), None, 1, 1)
    assert WAYS_KEPT == len(pin._ways)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no answer in time"),
        (caused(ConnectionBroken("no connection within 2 s"), TimeoutError()), "no answer in time"),
        (ssl.SSLError(1, "wrong version number"), "captive portal"),
        (caused(CutShort("x"), ssl.SSLError(1, "bad record mac")), CHANGED),
        (NotHttp("it does not speak HTTP"), "no HTTP comes back"),
        (CutShort("it closed the connection"), "it ends too early"),
        (NothingCame("it closed the connection"), "it hung up"),
        (ConnectionRefusedError(111, "refused"), "connection refused"),
        (caused(ConnectionBroken("x"), ConnectionResetError(104, "reset")), "connection reset by peer"),
        (caused(ConnectionBroken("x"), ConnectionAbortedError()), "it hung up"),
        (OtherCertificate("it presents another certificate than its card names"), "another certificate"),
    ],
)
def test_a_failure_is_told_in_words(error: Exception, words: str) -> None:
    assert words in why_unreachable(error)


async def test_a_peer_that_hangs_up_in_the_handshake_is_told_so() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        address = Address("127.0.0.1", server.sockets[0].getsockname()[1])
        with pytest.raises((ConnectionBroken, OSError)) as caught:
            await asked(Pin(None), address)

    assert why_unreachable(caught.value) in ("it hung up", "connection reset by peer")


def test_what_answers_begin_with_is_remembered_of_all_peers_together() -> None:
    """However many there are, and however many heads each of them makes up."""
    shared, address = Shared(), Address("192.0.2.1", 1024)

    ways = [Pin(bytes([number]) * 32).way(address, None, 1, 1, shared) for number in range(3)]

    assert all(way.heads is shared.heads for way in ways)
