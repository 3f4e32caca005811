"""Whole peers on loopback, with all their loops: real sockets, TLS and signatures, the system clock."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from discovery import peer_file
from discovery.envelopes import seal
from discovery.exchanges import PeerUnreachable
from discovery.gossip import Send, Step
from discovery.identity import Identity
from discovery.messages import Digest
from discovery.own import shared_at
from discovery.pinned import Pin
from discovery.request_auth import Refused
from tests.cluster import id_of
from tests.discovery.loopback import NET, Peer, ask, garbage_server, own_card, post, running_peer, state, until


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


async def test_what_one_peer_sends_the_other_hears(tmp_path: Path) -> None:
    """Gossip is counted at both ends, answers included."""
    async with (
        running_peer(tmp_path / "a", loops=False) as a,
        running_peer(tmp_path / "b", loops=False) as b,
    ):
        await a.transport.hello(b.address)
        await a.transport._deliver(Send(b.identity.id, Digest({}, 0)))

    sent, heard = a.transport.traffic, b.transport.traffic
    assert sent.sent == 1 < sent.sent_bytes
    assert (sent.sent, sent.sent_bytes) == (heard.received, heard.received_bytes)
    assert (sent.received, sent.received_bytes) == (heard.sent, heard.sent_bytes)


async def test_a_known_peer_is_found_again_without_seeds(tmp_path: Path) -> None:
    """peers.json: who was met is greeted at the next start, and approvals hold."""
    async with running_peer(tmp_path / "b") as b:
        async with running_peer(tmp_path / "a", mode="tofu") as a:
            await a.transport.hello(b.address)
            a.admission.approve(b.identity.id)
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


async def test_strangers_that_let_us_wait_keep_no_approved_peer_waiting(tmp_path: Path) -> None:
    """More exchanges with strangers than there are places, none of which ends: what goes to a friend goes at once."""
    async with (
        running_peer(tmp_path / "a", mode="tofu") as a,
        running_peer(tmp_path / "b", loops=False) as b,
        garbage_server(a.identity, None) as silent,
    ):
        await a.transport.hello(b.address)
        a.admission.approve(b.identity.id)
        made_up = [id_of(n) for n in range(100)]
        cards = [replace(own_card(a), id=peer, addr=(silent,)) for peer in made_up]
        a.gossip.learn([seal(card, NET, a.identity.sign) for card in cards], 0.0)
        for peer in made_up:
            a.transport.client.trust(peer, silent, Pin(a.identity.cert_sha256), 0)
        before = len(b.served)

        a.transport.carry_out(Step(tuple(Send(peer, Digest({})) for peer in made_up)))
        a.transport.carry_out(Step((Send(b.identity.id, Digest({})),)))

        await until(lambda: len(b.served) > before, within_s=1.0)


async def test_strangers_push_no_approved_peer_out_of_peers_json(tmp_path: Path) -> None:
    """The next start finds the network by what the file holds."""
    async with running_peer(tmp_path / "a", mode="tofu", loops=False) as a:
        friend, strangers = id_of(999), [id_of(n) for n in range(300)]
        for peer in (*strangers, friend):
            card = replace(own_card(a), id=peer)
            a.gossip.learn([seal(card, NET, a.identity.sign)], 0.0)
            if peer != strangers[0]:
                a.gossip.answered(peer, 0.0)
        a.admission.approve(friend)

        await a.transport.save()

        kept = [peer.id for peer in peer_file.load(tmp_path / "a" / "peers.json").peers]
        assert peer_file.PEERS_LIMIT == len(kept)
        assert friend == kept[0]
        assert strangers[0] not in kept


async def test_the_running_peer_alone_writes_peers_json(tmp_path: Path) -> None:
    """Whatever comes to the file from elsewhere is set aside, and what the peer knows is written again."""
    path, friend = tmp_path / "a" / "peers.json", id_of(999)
    async with running_peer(tmp_path / "a", mode="tofu", loops=False) as a:
        a.admission.approve(friend)
        await asyncio.gather(*(a.transport.save() for _ in range(9)))

        path.write_bytes(b"half a fi")
        await a.transport.save()
        assert {friend} == set(peer_file.load(path).granted)

        path.unlink()
        await a.transport.leave()

    assert {friend} == set(peer_file.load(path).granted)
    assert b"half a fi" == path.with_name("peers.json.damaged").read_bytes()


async def test_a_peer_that_answers_many_requests_at_once_is_told_to_be_alive_once_and_anew_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)
        told, answered = list[str](), a.gossip.answered
        monkeypatch.setattr(
            a.gossip, "answered", lambda peer, *at, **how: told.append(peer) or answered(peer, *at, **how)
        )

        for _ in range(5):
            a.transport.answered(b.identity.id)
        assert [b.identity.id] == told
        a.transport.suspect(b.identity.id, "it hung up")
        assert "suspect" == state(a, b)
        a.transport.answered(b.identity.id)

        assert "alive" == state(a, b)


async def test_a_dead_peer_is_suspect_at_the_first_refused_connection(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a") as a:
        async with running_peer(tmp_path / "b") as b:
            await a.transport.hello(b.address)
        with pytest.raises(PeerUnreachable, match="refused"):
            await ask(a, b)

        a.transport.suspect(b.identity.id, "connection refused")

        assert "suspect" == state(a, b)


async def test_a_copy_of_a_home_takes_no_peer_s_place_for_longer_than_it_runs(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a") as a, running_peer(tmp_path / "b") as b:
        a.transport.add_seed("127.0.0.1", b.address.port)
        await until(lambda: state(b, a) == "alive")
        shutil.copytree(tmp_path / "a", tmp_path / "copy")
        async with running_peer(tmp_path / "copy", gen_ahead=10) as copy:
            copy.transport.add_seed("127.0.0.1", b.address.port)
            await until(lambda: all(shared_at(at.address) in told(by) for by, at in ((a, copy), (copy, a))))
            await copy.transport.leave()

        await until(lambda: state(b, a) == "alive" and b.gossip.member(a.identity.id).card.addr == (a.address,))
        assert not a.gossip.identity_in_use


async def test_a_copy_that_meets_nobody_but_the_original_hears_of_it(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a") as a:
        shutil.copytree(tmp_path / "a", tmp_path / "copy")
        async with running_peer(tmp_path / "copy", gen_ahead=10) as copy:
            copy.transport.add_seed("127.0.0.1", a.address.port)
            copy.transport.add_seed("127.0.0.1", copy.address.port)

            await until(lambda: shared_at(a.address) in told(copy))
            assert shared_at(copy.address) in told(a)
            assert shared_at(copy.address) not in told(copy), "it meets itself there"


def told(peer: Peer) -> str:
    """What the user of this peer hears of his own identity."""
    return "".join(event.reason for event in peer.events if event.peer == peer.identity.id)


async def test_a_peer_that_keeps_us_out_is_greeted_seldom_and_both_see_why_until_it_lets_us_in(tmp_path: Path) -> None:
    """One without the network's secret that meets the others anew with every message: it filled its log."""
    async with (
        running_peer(tmp_path / "a", mode="secret", secret=b"0123456789abcdef", loops=False) as a,
        running_peer(tmp_path / "x") as x,
    ):
        with pytest.raises(Refused, match="secret"):
            await a.transport.hello(x.address)  # x takes a in, and sends it messages from now on
        x.admission.approve(a.identity.id)  # else it is a stranger, whom x dials once a minute
        x.gossip.keep(a.identity.id)
        await until(lambda: a.refused.count("unknown_peer") >= 6, within_s=20)

        assert 2 >= a.refused.count("secret_missing")
        assert "has a secret" in x.transport.client.contacts.refusal(a.identity.id)
        assert x.identity.id in a.transport.endpoint.refused

        a.admission.approve(x.identity.id)
        a.transport.endpoint.forget_refusal(x.identity.id)
        await x.transport.hello(a.address)
        await post(x, a, Digest({}))
        assert "" == x.transport.client.contacts.refusal(a.identity.id)
        assert not a.transport.endpoint.refused
        assert not x.transport.endpoint.refused


async def test_a_request_that_its_peer_did_not_sign_is_told_to_both_users(tmp_path: Path) -> None:
    """Not to somebody who hears it of strangers: anybody can ask in a stranger's name."""
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)
        other = Identity.load_or_create(tmp_path / "other")
        a.transport.client._exchanges._sign = other.sign

        for _ in range(2):
            with pytest.raises(Refused, match="bad_signature"):
                await ask(a, b)
        assert not any("signature" in event.reason for event in b.events), "a is a stranger to b"

        b.admission.approve(a.identity.id)
        with pytest.raises(Refused, match="bad_signature"):
            await ask(a, b)

        told = [[event.reason for event in peer.events if "signature" in event.reason] for peer in (a, b)]
        assert [1, 1] == list(map(len, told))
        assert "our signature is not ours" in told[0][0]
        assert told[1][0].startswith("a (")


async def test_a_message_that_a_known_peer_garbled_is_told(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)
        b.admission.approve(a.identity.id)

        with pytest.raises(Refused, match="malformed"):
            await a.transport.client.post(a.gossip.members()[0].id, "/peer/1/sync", b"garbage")

        assert [True] == [event.reason.startswith("a (") for event in b.events if event.kind == "refused"]
