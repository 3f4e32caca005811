"""Knocking at real listeners: the peer itself, another one, what is no peer, what says nothing, and nobody."""

import asyncio
import socket
from pathlib import Path

from discovery.knock import knock
from discovery.records import Address
from tests.discovery.loopback import running_peer


async def test_a_peer_is_reached_and_hears_no_request(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "ada", loops=False) as ada:
        why = await knock(ada.address, ada.identity.id, ada.identity.cert_sha256, 2.0)

    assert ("", []) == (why, ada.served)


async def test_somebody_else_at_the_address_is_not_the_peer(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "ada", loops=False) as ada, running_peer(tmp_path / "ben", loops=False) as ben:
        why = await knock(ada.address, ben.identity.id, ben.identity.cert_sha256, 2.0)

    assert "another peer answers there" == why


async def test_what_does_not_answer_as_a_peer_is_told_in_words(tmp_path: Path) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    web = await asyncio.start_server(rude, "127.0.0.1", 0)
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        ports = [web.sockets[0].getsockname()[1], silent.getsockname()[1], closed.getsockname()[1]]
        whys = [await knock(Address("127.0.0.1", port), "a" * 52, bytes(32), 0.3) for port in ports]  # type: ignore[arg-type]
    web.close()

    assert ["what answers there is no peer", "no answer in time", "connection refused"] == whys
