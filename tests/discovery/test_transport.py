"""Whole peers on loopback: real sockets, TLS and signatures, the system clock."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import aiohttp
import pytest

from discovery import peer_file
from discovery.client import PeerUnreachable
from discovery.endpoint import Clocks
from discovery.envelopes import seal
from discovery.identity import Identity
from discovery.messages import Delta, Digest, Hello, Message, encode
from discovery.records import Address, Card
from discovery.request_auth import Audience, Refused, hashed, sign_request
from tests.discovery.loopback import NET, Peer, garbage_server, running_peer, until

SECRET, OTHER = b"s" * 16, b"t" * 16


def state(peer: Peer, of: Peer) -> str | None:
    member = peer.gossip.member(of.identity.id)
    return member.state if member else None


async def ask(peer: Peer, to: Peer, body: bytes = b"?") -> bytes:
    async with peer.transport.open_stream(to.identity.id, "/peer/1/delegate", body) as response:
        return await response.read()


# --- meeting ---


async def test_a_hello_makes_both_know_each_other(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        met = await a.transport.hello(b.address)

        assert b.identity.id == met
        assert ("alive", "alive") == (state(a, b), state(b, a))


async def test_a_hundred_requests_make_one_handshake(tmp_path: Path) -> None:
    """First contact included: the connection of the hello is kept and pinned."""
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)

        answers = [await ask(a, b, b"%d" % number) for number in range(100)]

        assert [b"served:%d" % number for number in range(100)] == answers
        assert 1 == len(b.connections)


async def test_peers_of_one_seed_find_each_other_and_say_goodbye(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a") as a, running_peer(tmp_path / "b") as b:
        async with running_peer(tmp_path / "c") as c:
            b.transport.add_seed("127.0.0.1", a.address.port)
            c.transport.add_seed("localhost", a.address.port)
            await until(
                lambda: {"alive"} == {state(*pair) for pair in ((a, b), (a, c), (b, a), (b, c), (c, a), (c, b))}
            )

            await c.transport.leave()
        await until(lambda: ("left", "left") == (state(a, c), state(b, c)))


async def test_a_seed_that_starts_later_is_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running_peer(tmp_path / "a") as a:
        async with running_peer(tmp_path / "seed") as first:
            port = first.address.port
        with caplog.at_level(logging.DEBUG, "discovery.dialler"):
            a.transport.add_seed("127.0.0.1", port)
            await until(lambda: f"hello_failed address=127.0.0.1:{port}" in caplog.text)

        async with running_peer(tmp_path / "seed", port=port) as seed:
            await until(lambda: state(a, seed) == "alive")


async def test_a_known_peer_is_found_again_without_seeds(tmp_path: Path) -> None:
    """peers.json: who was met is greeted at the next start, and approvals hold."""
    async with running_peer(tmp_path / "b") as b:
        async with running_peer(tmp_path / "a", mode="tofu") as a:
            await a.transport.hello(b.address)
            a.admission.approve(b.identity.id, {})
            await until(lambda: state(a, b) == "alive")
            await a.transport.save()

        async with running_peer(tmp_path / "a", mode="tofu", restore=True) as a:
            await until(lambda: state(a, b) == "alive")
            assert a.admission.may(b.identity.id, "answer")
            assert a.gossip.gen > peer_file.load(tmp_path / "a" / "peers.json").gen - 1


async def test_a_peer_that_forgot_us_is_greeted_again(tmp_path: Path) -> None:
    """It restarted without its memory: our next message finds it, whichever of us speaks first."""
    async with running_peer(tmp_path / "a") as a:
        async with running_peer(tmp_path / "b") as b:
            await a.transport.hello(b.address)
            port = b.address.port

        async with running_peer(tmp_path / "b", port=port, gen_ahead=10) as b:
            await until(lambda: state(b, a) == "alive")
            await until(lambda: a.gossip.member(b.identity.id).card.gen == b.gossip.gen)


# --- who is who ---


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


async def test_a_card_at_a_foreign_certificate_is_not_believed(tmp_path: Path) -> None:
    """First contact: a man in the middle repeats the true card of another, behind his own certificate."""
    async with (
        running_peer(tmp_path / "a", loops=False) as a,
        running_peer(tmp_path / "b", loops=False) as b,
        running_peer(tmp_path / "mallory", loops=False) as mallory,
    ):
        mallory.transport.endpoint.introduction = b.transport.endpoint.introduction  # type: ignore[method-assign]

        with pytest.raises(PeerUnreachable, match="somebody else"):
            await a.transport.hello(mallory.address)

        assert () == a.gossip.members()


async def test_a_hint_that_names_another_id_is_not_believed(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        with pytest.raises(PeerUnreachable, match="somebody else"):
            await a.transport.hello(b.address, expected=a.identity.id)


async def test_we_do_not_meet_ourselves(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a:
        with pytest.raises(Refused, match="same_identity"):
            await a.transport.hello(a.address)

        assert () == a.gossip.members()
        assert not a.gossip.identity_in_use


async def test_a_cloned_home_is_told_to_both(tmp_path: Path) -> None:
    async with (
        running_peer(tmp_path / "a", loops=False) as a,
        running_peer(tmp_path / "a", loops=False, gen_ahead=5) as clone,
    ):
        with pytest.raises(Refused, match="--home"):
            await clone.transport.hello(a.address)

        assert "generation" in [event.kind for event in a.events]


async def test_another_network_is_named_to_both(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", net="x", loops=False) as b:
        with pytest.raises(Refused, match="belongs to network 'x'"):
            await a.transport.hello(b.address)

        assert () == a.gossip.members() + b.gossip.members()


# --- whom we let in ---


async def test_one_secret_opens_both_doors(tmp_path: Path) -> None:
    async with (
        running_peer(tmp_path / "a", mode="secret", secret=SECRET, loops=False) as a,
        running_peer(tmp_path / "b", mode="secret", secret=SECRET, loops=False) as b,
    ):
        await a.transport.hello(b.address)

        assert a.admission.may(b.identity.id, "answer")
        assert b.admission.may(a.identity.id, "ask")


@pytest.mark.parametrize(
    ("mode", "secret", "why"), [("secret", OTHER, "different secrets"), ("tofu", None, "shows none")]
)
async def test_a_wrong_secret_is_told_to_both_users(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: str, secret: bytes | None, why: str
) -> None:
    async with (
        running_peer(tmp_path / "a", mode=mode, secret=secret) as a,  # type: ignore[arg-type]
        running_peer(tmp_path / "b", mode="secret", secret=SECRET, loops=False) as b,
    ):
        with caplog.at_level(logging.WARNING):
            a.transport.add_seed("127.0.0.1", b.address.port)
            await until(lambda: a.transport.endpoint.refused and b.transport.endpoint.refused)

        assert why in caplog.text
        assert why in b.transport.endpoint.refused[a.identity.id][1]
        assert [why in event.reason for event in b.events if event.kind == "refused"] == [True]
        assert () == b.gossip.members()


async def test_in_tofu_both_see_each_other_and_wait_for_approval(tmp_path: Path) -> None:
    async with (
        running_peer(tmp_path / "a", mode="tofu", loops=False) as a,
        running_peer(tmp_path / "b", mode="tofu", loops=False) as b,
    ):
        await a.transport.hello(b.address)

        assert (b.identity.id,) == a.admission.waiting(m.id for m in a.gossip.members())
        assert (a.identity.id,) == b.admission.waiting(m.id for m in b.gossip.members())
        assert not a.admission.may(b.identity.id, "answer")


async def test_a_member_cannot_vouch_for_somebody_without_the_secret(tmp_path: Path) -> None:
    """Gossip brings the card of a stranger; a closed network does not take it in."""
    stranger = Identity.load_or_create(tmp_path / "stranger")
    async with (
        running_peer(tmp_path / "a", mode="secret", secret=SECRET, loops=False) as a,
        running_peer(tmp_path / "b", mode="secret", secret=SECRET, loops=False) as b,
    ):
        await a.transport.hello(b.address)
        card = replace(own_card(a), id=stranger.id, proof=b"", cert=stranger.cert_sha256)
        await post(a, b, Delta((seal(card, NET, stranger.sign),)))

        assert b.gossip.member(stranger.id) is None


# --- what a request must be ---


def own_card(peer: Peer) -> Card:
    card = peer.gossip.own_card().record
    assert isinstance(card, Card)
    return card


async def post(peer: Peer, to: Peer, message: Message) -> bytes:
    return await peer.transport.client.post(to.identity.id, "/peer/1/sync", encode(message, NET))


def headers(peer: Peer, to: Peer, path: str, body: bytes, by: Identity | None = None) -> dict[str, str]:
    """What makes a request `peer`'s, if it is signed `by` it."""
    audience = Audience(to.identity.id, to.gossip.gen, to.identity.cert_sha256)
    what = (audience, "POST", path, hashed(body).sha256, int(1000 * time.time()), os.urandom(16))
    return sign_request(peer.identity.id, (by or peer.identity).sign, *what)


async def raw_post(to: Peer, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session:
        url = f"https://{to.address}{path}"
        async with session.post(url, data=body, headers=headers, ssl=False) as response:
            return response.status, await response.read()


@pytest.mark.parametrize(
    ("tamper", "code"),
    [
        (lambda path, body, headers: (path, body, {}), b"unsigned"),
        (lambda path, body, headers: (path, body + b"!", headers), b"bad_signature"),
        (lambda path, body, headers: ("/peer/1/delegate", body, headers), b"bad_signature"),
        (lambda path, body, headers: (path, body, headers | {"ppai-nonce": "00" * 16}), b"bad_signature"),
        (lambda path, body, headers: (path, body, headers), None),
    ],
)
async def test_a_tampered_request_is_refused_and_changes_nothing(
    tmp_path: Path,
    tamper: Callable[[str, bytes, dict[str, str]], tuple[str, bytes, dict[str, str]]],
    code: bytes | None,
) -> None:
    """Attacks 17 to 19 over the wire; the untampered request passes once and only once."""
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)
        card = replace(own_card(a), seq=own_card(a).seq + 1, name="renamed")
        body = encode(Delta((seal(card, NET, a.identity.sign),)), NET)
        signed = headers(a, b, "/peer/1/sync", body)
        before = b.gossip.member(a.identity.id).card

        status, answer = await raw_post(b, *tamper("/peer/1/sync", body, signed))

        if code is None:
            assert (200, "renamed") == (status, b.gossip.member(a.identity.id).card.name)
            status, answer = await raw_post(b, "/peer/1/sync", body, signed)
            assert (401, True) == (status, b"replayed" in answer)
        else:
            assert (401, True) == (status, code in answer)
            assert before == b.gossip.member(a.identity.id).card


async def test_a_request_to_another_peer_is_refused(tmp_path: Path) -> None:
    """Attack 18: b carries what a sent it on to c."""
    async with (
        running_peer(tmp_path / "a", loops=False) as a,
        running_peer(tmp_path / "b", loops=False) as b,
        running_peer(tmp_path / "c", loops=False) as c,
    ):
        await a.transport.hello(b.address)
        await a.transport.hello(c.address)
        for_b = headers(a, b, "/peer/1/delegate", b"body") | {"ppai-gen": str(c.gossip.gen)}

        status, answer = await raw_post(c, "/peer/1/delegate", b"body", for_b)

        assert (401, True, []) == (status, b"bad_signature" in answer, c.served)


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


# --- peers that misbehave ---


async def test_an_unknown_peer_is_unreachable(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a:
        with pytest.raises(PeerUnreachable, match="nobody we know"):
            await a.transport.client.post(a.identity.id, "/peer/1/sync", b"")


async def test_a_dead_peer_is_suspect_at_the_first_refused_connection(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a") as a:
        async with running_peer(tmp_path / "b") as b:
            await a.transport.hello(b.address)
        with pytest.raises(PeerUnreachable, match="refused"):
            await ask(a, b)

        a.transport.suspect(b.identity.id, "connection refused")

        assert "suspect" == state(a, b)


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


async def test_a_loopback_address_is_not_dialled_from_elsewhere(tmp_path: Path) -> None:
    async with (
        running_peer(tmp_path / "a", loops=False, on_loopback=False) as a,
        running_peer(tmp_path / "b", loops=False) as b,
    ):
        await b.transport.hello(a.address)

        with pytest.raises(PeerUnreachable, match="no address"):
            await ask(a, b)
        assert [] == b.served


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nnotus",
        b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nshort",
        b"HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nnotus",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n" + bytes(200_000),
        b"HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 401 No\r\ncontent-length: 45\r\n\r\n" + b'{"error": {"code": "clock_skew", "gen": -1}}  ',
    ],
)
async def test_garbage_for_an_answer_is_an_ordinary_failure(tmp_path: Path, answer: bytes) -> None:
    """Attacks 24 and 31 on first contact: nobody is learnt, nothing but the two errors is raised."""
    async with running_peer(tmp_path / "a", loops=False) as a, garbage_server(a.identity, answer) as address:
        with pytest.raises((PeerUnreachable, Refused)):
            await a.transport.hello(address)

        assert () == a.gossip.members()


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


async def test_a_flood_of_syncs_is_slowed_down(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)
        body = encode(Digest({}), NET)

        with pytest.raises(Refused, match="slow down"):
            for _ in range(60):
                b.transport.handle_sync(a.identity.id, body)


async def test_verifying_one_message_takes_a_bounded_time(tmp_path: Path) -> None:
    """50 ms of signatures, then the rest waits for a later message. The clock ticks 10 ms at every look."""
    async with running_peer(tmp_path / "a", loops=False) as a:
        clock = count(0.0, 0.01)
        endpoint = a.transport.endpoint
        endpoint._clocks = Clocks(lambda: next(clock), time.time)
        strangers = [Identity.load_or_create(tmp_path / str(n)) for n in range(20)]
        cards = [seal(replace(own_card(a), id=who.id, cert=who.cert_sha256), NET, who.sign) for who in strangers]

        open_ = endpoint.opener()
        opened = [open_(card.envelope) for card in cards]

        assert 0 < sum(one is not None for one in opened) < 10


async def test_a_peer_that_never_answers_costs_its_timeout_only(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, garbage_server(a.identity, None) as address:
        a.transport.client.config = replace(a.transport.client.config, answer_s=0.2)
        async with asyncio.timeout(2):
            with pytest.raises(PeerUnreachable, match="no answer in time"):
                await a.transport.hello(address)


@pytest.mark.parametrize("body", [b"", b"\x00", b"\x93\xa5hello", b"\xff" * 1000, bytes(70_000)])
async def test_garbage_for_a_request_is_refused(tmp_path: Path, body: bytes) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)
        before = b.gossip.members()

        status, _ = await raw_post(b, "/peer/1/hello", body, {})
        assert status in (400, 413)
        with pytest.raises(Refused, match=r"malformed|too_long"):
            await a.transport.client.post(b.identity.id, "/peer/1/sync", body)

        assert [m.card for m in before] == [m.card for m in b.gossip.members()]


async def test_a_flood_of_hellos_is_slowed_down(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "b", loops=False) as b:
        endpoint = b.transport.endpoint

        codes = []
        for _ in range(100):
            with pytest.raises(Refused) as refused:
                endpoint.handle_hello(b"", "192.0.2.1")
            codes.append(refused.value.code)

        assert "too_many_requests" == codes[-1]
        with pytest.raises(Refused, match="malformed"):
            endpoint.handle_hello(b"", "192.0.2.2")


async def test_a_hello_with_a_card_of_another_is_no_introduction(tmp_path: Path) -> None:
    """Whoever repeats a card that is not his makes nobody's acquaintance: no request of his can be signed."""
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        mallory = Identity.load_or_create(tmp_path / "mallory")
        b.transport.handle_hello(encode(Hello(a.gossip.own_card(), None, 0), NET), "192.0.2.1")
        body = encode(Digest({}), NET)

        status, answer = await raw_post(b, "/peer/1/sync", body, headers(a, b, "/peer/1/sync", body, by=mallory))

        assert (401, True) == (status, b"bad_signature" in answer)
