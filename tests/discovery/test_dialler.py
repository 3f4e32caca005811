"""First contact over real sockets and TLS: whom we believe, and whom we go on calling."""

import logging
from pathlib import Path

import pytest

from discovery.exchanges import PeerUnreachable
from discovery.request_auth import Refused
from tests.discovery.loopback import garbage_server, running_peer, state, until

SECRET, OTHER = b"s" * 16, b"t" * 16


async def test_a_hello_makes_both_know_each_other(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        met = await a.transport.hello(b.address)

        assert b.identity.id == met
        assert ("alive", "alive") == (state(a, b), state(b, a))


async def test_a_seed_that_starts_later_is_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running_peer(tmp_path / "a") as a:
        async with running_peer(tmp_path / "seed") as first:
            port = first.address.port
        with caplog.at_level(logging.DEBUG, "discovery.dialler"):
            a.transport.add_seed("127.0.0.1", port)
            await until(lambda: f"hello_failed address=127.0.0.1:{port}" in caplog.text)

        async with running_peer(tmp_path / "seed", port=port) as seed:
            await until(lambda: state(a, seed) == "alive")


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


async def test_another_network_is_named_to_both(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", net="x", loops=False) as b:
        with pytest.raises(Refused, match="belongs to network 'x'"):
            await a.transport.hello(b.address)

        assert () == a.gossip.members() + b.gossip.members()


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


async def test_only_a_seed_is_kept_of_all_whom_we_dial(tmp_path: Path) -> None:
    """A stranger can cause every other dial: by an announcement, by its card, by forgetting us."""
    async with (
        running_peer(tmp_path / "seed", loops=False) as seed,
        running_peer(tmp_path / "hint", loops=False) as hint,
        running_peer(tmp_path / "greeted", loops=False) as greeted,
        running_peer(tmp_path / "a") as a,
    ):
        a.transport.add_seed("127.0.0.1", seed.address.port)
        a.transport.hint(hint.address)
        await greeted.transport.hello(a.address)
        await a.transport.dialler.greet(greeted.identity.id)
        await until(lambda: None not in (state(a, seed), state(a, hint), state(a, greeted)))

        kept = {member.id for member in a.gossip.members() if member.kept}
    assert {seed.identity.id} == kept


async def test_a_seed_keeps_one_peer_however_many_take_its_address(tmp_path: Path) -> None:
    """And one that was approved stays kept where it is."""
    async with running_peer(tmp_path / "a", loops=False) as a:
        for name in ("first", "approved", "last"):
            async with running_peer(tmp_path / name, loops=False) as other:
                a.transport.dialler._endpoint.welcome(other.transport.endpoint.introduction(), keep=True)
                a.transport.dialler._keep_one(("127.0.0.1", 8471), other.identity.id)
                if name == "approved":
                    a.admission.approve(other.identity.id)

        assert {"approved", "last"} == {member.card.name for member in a.gossip.members() if member.kept}
