"""Our requests to other peers: whom they reach, what they bear, and what they cost, over real sockets and TLS."""

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from discovery.connection import SLICE_BYTES
from discovery.envelopes import seal
from discovery.exchanges import ClientConfig, PeerUnreachable
from discovery.identity import Identity
from discovery.messages import Digest, encode
from discovery.pinned import Pin
from discovery.records import Address, PeerId
from discovery.request_auth import Refused, hashed
from discovery.roads import Road
from gateway.server.listeners import places_for_peers
from tests.cluster import id_of
from tests.discovery.loopback import NET, ask, garbage_server, own_card, post, running_peer


async def test_a_hundred_requests_make_one_handshake(tmp_path: Path) -> None:
    """First contact included: the connection of the hello is kept and pinned."""
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)

        answers = [await ask(a, b, b"%d" % number) for number in range(100)]

        assert [b"served:%d" % number for number in range(100)] == answers
        assert 1 == len(b.connections)


async def test_a_burst_opens_no_more_connections_at_once_than_a_peer_takes_from_one_site(tmp_path: Path) -> None:
    """A peer closes those beyond 32 on which nobody has proved himself: a burst would find it gone.

    The connection of the hello is one more.
    """
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)

        answers = await asyncio.gather(*(ask(a, b, b"%d" % number) for number in range(60)))

    assert 60 == len(set(answers))
    assert len(b.connections) <= 1 + ClientConfig().opening_each < places_for_peers(1 << 16).for_a_site


async def test_a_large_body_in_pieces_arrives_whole_and_signed(tmp_path: Path) -> None:
    """It is sent in other pieces than it lies in, and its length is told beforehand."""
    whole = os.urandom(3 * SLICE_BYTES + 7)
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)
        body = hashed(whole[:9], memoryview(whole)[9 : SLICE_BYTES + 1], whole[SLICE_BYTES + 1 :])

        with await a.transport.open_stream(b.identity.id, "/peer/1/delegate", body) as response:
            assert b"served:" + whole == await response.read(1 << 24, 5)

    assert hashed(whole).sha256 == body.sha256


async def test_a_server_with_another_certificate_gets_no_byte(tmp_path: Path) -> None:
    """Attack 15: somebody else listens at the address of a known peer."""
    async with running_peer(tmp_path / "a", loops=False) as a:
        async with running_peer(tmp_path / "b", loops=False) as b:
            await a.transport.hello(b.address)
            port = b.address.port

        async with running_peer(tmp_path / "mallory", loops=False, port=port) as mallory:
            with pytest.raises(PeerUnreachable, match="another certificate"):
                await ask(a, b)
            assert [] == mallory.served


async def test_a_server_below_tls_1_3_gets_no_byte(tmp_path: Path) -> None:
    """Attack 16: it has the right certificate, and would let others read and alter what older TLS lets them."""
    heard: list[bytes] = []
    async with running_peer(tmp_path / "a", loops=False) as a:
        b = Identity.load_or_create(tmp_path / "b")
        older = b.server_ssl_context()
        older.minimum_version = older.maximum_version = ssl.TLSVersion.TLSv1_2
        async with garbage_server(b, b"HTTP/1.1 200 OK\r\n\r\n", older, heard.append) as address:
            with pytest.raises(PeerUnreachable):
                await a.transport.hello(address)

    assert b"" == b"".join(heard)


@pytest.mark.parametrize("offset_s", [-3600.0, 3600.0, 86400.0])
async def test_a_clock_an_hour_off_costs_one_retry(tmp_path: Path, offset_s: float) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)
        b.unix_offset_s = offset_s

        answers = [await ask(a, b, b"%d" % n) for n in range(3)]

        assert [b"served:0", b"served:1", b"served:2"] == answers
        assert 1 == b.refused.count("clock_skew")


async def test_a_clock_known_to_be_off_costs_nothing(tmp_path: Path) -> None:
    """The hello tells the peer's time."""
    async with (
        running_peer(tmp_path / "a", loops=False) as a,
        running_peer(tmp_path / "b", loops=False, unix_offset_s=-7200.0) as b,
    ):
        await a.transport.hello(b.address)

        assert b"served:?" == await ask(a, b)
        assert [] == b.refused


async def test_a_restarted_peer_costs_one_retry(tmp_path: Path) -> None:
    """What was signed for its former life is worthless now: it says so, and we sign anew."""
    async with running_peer(tmp_path / "a", loops=False) as a:
        async with running_peer(tmp_path / "b", loops=False) as b:
            await a.transport.hello(b.address)
            port = b.address.port

        async with running_peer(tmp_path / "b", loops=False, port=port, gen_ahead=10) as b:
            b.gossip.learn([a.gossip.own_card()], 0.0)

            assert b"served:?" == await ask(a, b)
            assert ["wrong_generation"] == b.refused


async def test_an_unknown_peer_is_unreachable(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a:
        with pytest.raises(PeerUnreachable, match="nobody we know"):
            await a.transport.client.post(a.identity.id, "/peer/1/sync", b"")


async def test_the_address_that_answered_is_dialled_first_the_one_that_failed_last(tmp_path: Path) -> None:
    nobody = [Address("127.0.0.1", 1024), Address("127.0.0.1", 1025), Address("127.0.0.1", 1026)]
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        b.transport.publish(replace(own_card(b), addr=(nobody[0], b.address, nobody[1])))
        await b.transport.hello(a.address)
        client, peer = a.transport.client, b.identity.id
        assert [nobody[0], b.address, nobody[1]] == client.addresses(peer)

        await ask(a, b)
        assert [b.address, nobody[0], nobody[1]] == client.addresses(peer)

        b.transport.publish(replace(own_card(b), addr=(nobody[0], nobody[1])))
        await b.transport.hello(a.address)
        with pytest.raises(PeerUnreachable):
            await ask(a, b)
        b.transport.publish(replace(own_card(b), addr=(*nobody,)))
        await b.transport.hello(a.address)
        assert [nobody[2], nobody[0], nobody[1]] == client.addresses(peer)


async def test_a_peer_is_asked_where_it_was_met_though_its_card_names_another_place(tmp_path: Path) -> None:
    """Such as the outside of a router that forwards the port: its certificate says who it is."""
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        elsewhere = replace(own_card(b), addr=(Address("192.0.2.1", 8471),))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("discovery.records.check_address", lambda address: None)
            b.gossip.publish(elsewhere, 0.0)
            await a.transport.hello(b.address)

        assert b"served:?" == await ask(a, b)
        assert [b.address, Address("192.0.2.1", 8471)] == a.transport.client.addresses(b.identity.id)


ELSEWHERE = Address("127.0.0.1", 1024)


@pytest.mark.parametrize(
    ("told", "learnt"),
    [
        pytest.param({"cert": bytes(32)}, {}, id="another certificate"),
        pytest.param({"addr": ()}, {}, id="another address"),
        pytest.param({"relayed": 1}, {}, id="a relay"),
        pytest.param({}, {"gen": 1 << 60}, id="a restart"),
        pytest.param({}, {"pin": Pin(None)}, id="another first contact"),
        pytest.param({}, {"good": None}, id="a failure"),
        pytest.param({}, {"way": ELSEWHERE}, id="a way through its NAT"),
        pytest.param({}, {"named": {ELSEWHERE}}, id="a name by which it was met"),
        pytest.param({}, {"met": ELSEWHERE}, id="another place where it was met"),
    ],
)
async def test_a_road_is_kept_until_anything_changes_that_it_came_of(
    tmp_path: Path, told: dict[str, object], learnt: dict[str, object]
) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)
        client, contact = a.transport.client, a.transport.client.contacts[b.identity.id]
        assert b.address == contact.met

        def learn(**told: object) -> None:
            b.gossip.publish(replace(own_card(b), **told), 0.0)  # type: ignore[arg-type]
            a.gossip.learn([b.gossip.own_card()], 0.0)

        def road() -> Road | None:
            card = a.gossip.card(b.identity.id)
            assert card is not None
            return client._where_it_is(card, contact)

        learn(addr=(ELSEWHERE,))
        before = road()
        assert before is not None and before is road()

        if told:
            learn(**told)
        for name, value in learnt.items():
            setattr(contact, name, value)
        kept = road()
        contact.road = None

        assert before is not kept and road() == kept


@pytest.mark.parametrize(
    ("ip", "relayed", "features", "far"),
    [
        ("192.168.1.7", 0, (), False),
        ("192.168.1.7", 1, (), True),
        ("1.2.3.4", 0, (), False),
        ("1.2.3.4", 0, ("relays",), True),
        ("192.168.1.7", 0, ("relays",), False),
    ],
)
async def test_who_answers_by_a_relay_or_is_one_in_the_open_is_far(
    tmp_path: Path, ip: str, relayed: int, features: tuple[str, ...], far: bool
) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        assert not a.transport.client.is_far(b.identity.id)
        b.gossip.publish(replace(own_card(b), addr=(Address(ip, 8471),), relayed=relayed, features=features), 0.0)
        await a.transport.hello(b.address)

        a.transport.client.contacts[b.identity.id].note_success(Address(ip, 8471))

        assert far == a.transport.client.is_far(b.identity.id)


async def test_an_address_that_strangers_name_is_dialled_once_a_minute(tmp_path: Path) -> None:
    """However many made-up peers name it; our own requests go there nevertheless, and approved peers do."""
    async with running_peer(tmp_path / "a", loops=False, mode="tofu") as a:
        made_up = [Identity.load_or_create(tmp_path / str(n)) for n in range(3)]
        nobody = Address("127.0.0.1", 1024)
        cards = [replace(own_card(a), id=who.id, cert=who.cert_sha256, addr=(nobody,)) for who in made_up]
        a.gossip.learn([seal(card, NET, who.sign) for card, who in zip(cards, made_up, strict=True)], 0.0)
        client = a.transport.client

        async def outcome(peer: PeerId) -> str:
            with pytest.raises(PeerUnreachable) as error:
                await client.post(peer, "/peer/1/sync", b"")
            return type(error.value).__name__

        first = [await outcome(who.id) for who in made_up]
        with pytest.raises(PeerUnreachable, match="refused"):
            await client.stream(made_up[1].id, "/peer/1/delegate", b"", answer_s=10)
        a.admission.approve(made_up[2].id)

        assert ["PeerUnreachable", "DialledLately", "DialledLately"] == first
        assert "PeerUnreachable" == await outcome(made_up[2].id)


async def test_a_stranger_is_dialled_freely_where_it_answered_last(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False, mode="tofu") as a, running_peer(tmp_path / "b") as b:
        await a.transport.hello(b.address)

        for _ in range(5):
            await post(a, b, Digest({}))

        assert a.gossip.is_stranger(b.identity.id)


async def test_what_is_remembered_of_peers_is_bounded(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a:
        client = a.transport.client
        for number in range(3000):
            client.trust(id_of(number), a.address, Pin(bytes(32)), 0)

        assert client.config.contacts_limit == len(client.contacts)


async def test_a_loopback_address_is_not_dialled_from_elsewhere(tmp_path: Path) -> None:
    async with (
        running_peer(tmp_path / "a", loops=False, on_loopback=False) as a,
        running_peer(tmp_path / "b", loops=False) as b,
    ):
        await b.transport.hello(a.address)

        with pytest.raises(PeerUnreachable, match="no address"):
            await ask(a, b)
        assert [] == b.served


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        head = f"HTTP/1.1 307 Go\r\nlocation: https://{b.address}/peer/1/hello\r\ncontent-length: 0\r\n\r\n"
        async with garbage_server(b.identity, head.encode()) as address:
            with pytest.raises(Refused):
                await a.transport.hello(address)

        assert set() == b.connections


@pytest.mark.parametrize(("header", "outcome"), [("x-other: 1", None), ("content-encoding: gzip", "encoding")])
async def test_an_encoded_answer_is_not_unpacked(tmp_path: Path, header: str, outcome: str | None) -> None:
    """A bomb would not be unpacked; and what claims to be packed is not read at all."""
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        hello = encode(b.transport.endpoint.introduction(), NET)
        head = f"HTTP/1.1 200 OK\r\n{header}\r\ncontent-length: {len(hello)}\r\n\r\n"
        async with garbage_server(b.identity, head.encode() + hello) as address:
            if outcome is None:
                assert b.identity.id == await a.transport.hello(address)
            else:
                with pytest.raises(PeerUnreachable, match=outcome):
                    await a.transport.hello(address)


async def test_an_endless_answer_is_cut_off(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n" + bytes(200_000)
    async with running_peer(tmp_path / "a", loops=False) as a, garbage_server(a.identity, answer) as address:
        with pytest.raises(PeerUnreachable, match="exceeds"):
            await a.transport.hello(address)


async def test_a_peer_that_never_answers_costs_its_timeout_only(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, garbage_server(a.identity, None) as address:
        a.transport.client.config = replace(a.transport.client.config, answer_s=0.2)
        async with asyncio.timeout(2):
            with pytest.raises(PeerUnreachable, match="no answer in time"):
                await a.transport.hello(address)


PAGE = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>"
MOVED = b"HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/login\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "speaks_tls", "said"),
    [
        (PAGE, False, "captive portal"),
        (MOVED, False, "captive portal"),
        (b"SSH-2.0-x\r\n", False, "captive portal"),
        (b"", False, "it hung up"),
        (PAGE, True, "no hello comes back"),
        (MOVED, True, "or no peer"),
        (b"SSH-2.0-x\r\n", True, "no HTTP comes back"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", True, "it ends too early"),
        (b"", True, "it hung up"),
    ],
)
async def test_an_address_that_answers_what_no_peer_does_is_told_in_words(
    tmp_path: Path, answer: bytes, speaks_tls: bool, said: str
) -> None:
    """A captive portal, a login page, another service: no name of a class, no error number read as another one."""
    async with running_peer(tmp_path / "a", loops=False) as a, other_service(answer, speaks_tls, a.identity) as address:
        with pytest.raises((PeerUnreachable, Refused), match=said):
            await a.transport.hello(address)


@contextlib.asynccontextmanager
async def other_service(answer: bytes, speaks_tls: bool, identity: Identity) -> AsyncIterator[Address]:
    """What says this to whoever connects and says something."""
    if speaks_tls:
        async with garbage_server(identity, answer) as address:
            yield address
        return

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(100)
            writer.write(answer)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1])
