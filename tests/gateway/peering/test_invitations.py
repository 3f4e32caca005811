"""Taking an invitation: the rights hold at once in a peer that runs, and from the next start where none does."""

import asyncio
import uuid
from pathlib import Path

import pytest

from discovery import mdns, peer_file
from discovery.peer_file import CachedPeer, PeerFile
from discovery.records import Address
from gateway.peering.invitations import Invitation, Invitations, JoinFailed, Terms, join_alone, peers_nearby
from gateway.peering.network import NetworkConfig, NetworkConfigError
from tests.discovery.inviter import NET, NETWORKS_SECRET, inviter, listening
from tests.gateway.peering.test_network import network

BOTH = ("ask", "answer")


def of(line: str) -> Invitation:
    return Invitation.read(line, "", ())


async def test_rights_hold_at_once_in_a_peer_that_runs(tmp_path: Path) -> None:
    """On both sides, and routing is told."""
    ada, changed = inviter(tmp_path / "ada"), list[bool]()
    async with listening(ada), network(tmp_path / "ben", name="ben") as ben:
        ben.admission.net = NET
        ben.admission.watch(lambda: changed.append(True))
        mine = Invitations(ben, tmp_path / "ben", b"", lambda kind, text: None)
        friend = await mine.join(of(ada.inviting.invite("ben", ("ask",), 3600).text), Terms())

        assert (ada.identity.id, "ada", ("answer",), ()) == (friend.peer, friend.name, friend.rights, friend.say)
        assert {"answer"} == ben.admission.rights(ada.identity.id)
    assert [True] == changed
    assert {"ask"} == ada.admission.rights(ben.identity.id)
    assert {ada.identity.id: ["answer"]} == peer_file.load(tmp_path / "ben" / "peers.json").granted


async def test_a_machine_that_joins_grants_no_more_than_it_means_to(tmp_path: Path) -> None:
    ada = inviter(tmp_path / "ada")
    async with listening(ada):
        line = ada.inviting.invite("ben", BOTH, 3600).text
        friend = await join_alone(NetworkConfig(NET), tmp_path / "ben", "ben", of(line), Terms(("answer",)))

    assert ("answer",) == friend.rights


async def test_where_no_peer_runs_rights_and_address_are_kept_for_its_start(tmp_path: Path) -> None:
    """And nothing of what was known is lost."""
    ada, folder = inviter(tmp_path / "ada"), tmp_path / "ben"
    old = "b" * 52
    folder.mkdir(mode=0o700)
    other = inviter(tmp_path / "other").identity.id
    peer_file.save(folder / "peers.json", PeerFile(7, {other: ["ask"]}, [], [CachedPeer(old, "old", [], 5)]))
    async with listening(ada) as address:
        line = ada.inviting.invite("ben", BOTH, 3600).text
        friend = await join_alone(NetworkConfig(NET), folder, "ben", of(line), Terms())

    kept = peer_file.load(folder / "peers.json")
    assert BOTH == friend.rights
    assert (7, {other: ["ask"], ada.identity.id: ["answer", "ask"]}) == (kept.gen, kept.granted)
    assert ["ada", "old"] == [peer.name for peer in kept.peers]
    assert [(address.ip, address.port)] == [tuple(where) for where in kept.peers[0].addr]


async def test_a_revocation_of_before_ends_with_a_new_invitation_taken(tmp_path: Path) -> None:
    ada, folder = inviter(tmp_path / "ada"), tmp_path / "ben"
    folder.mkdir(mode=0o700)
    peer_file.save(folder / "peers.json", PeerFile(7, {}, [ada.identity.id]))
    async with listening(ada):
        line = ada.inviting.invite("ben", BOTH, 3600).text
        await join_alone(NetworkConfig(NET), folder, "ben", of(line), Terms())

    assert [] == peer_file.load(folder / "peers.json").revoked


@pytest.mark.parametrize(
    ("there", "takes", "said"),
    [
        (None, True, "next start"),
        (None, False, "was not taken"),
        (NETWORKS_SECRET, False, ""),
        (b"another-secret-of-sixteen", False, "was not taken"),
        (b"another-secret-of-sixteen", True, "next start"),
    ],
)
async def test_the_networks_secret_is_taken_where_that_is_wanted(
    tmp_path: Path, there: bytes | None, takes: bool, said: str
) -> None:
    """With it, whoever knows it has both rights: that is the owner's to say. The one before is kept aside."""
    ada, folder = inviter(tmp_path / "ada", NETWORKS_SECRET), tmp_path / "ben"
    folder.mkdir(mode=0o700)
    if there:
        (folder / "secret").write_bytes(there + b"\n")
    async with listening(ada):
        line = ada.inviting.invite("ben", BOTH, 3600, gives_secret=True).text
        friend = await join_alone(NetworkConfig(NET), folder, "ben", of(line), Terms(takes_secret=takes))

    kept = (folder / "secret").read_bytes().strip() if (folder / "secret").exists() else None
    assert kept == (NETWORKS_SECRET if takes else there)
    assert said in "".join(friend.say) and bool(said) == bool(friend.say)
    if takes:
        assert 0o600 == (folder / "secret").stat().st_mode & 0o777
        assert there is None or there == (folder / "secret.before").read_bytes().strip()


async def test_machines_of_one_owner_are_tagged_so_on_the_side_that_says_it(tmp_path: Path) -> None:
    ada, ben = inviter(tmp_path / "ada"), tmp_path / "ben"
    async with listening(ada):
        line = ada.inviting.invite("ben", BOTH, 3600, mine=True).text
        await join_alone(NetworkConfig(NET), ben, "ben", of(line), Terms())
        assert [True] == [ada.admission.is_mine(peer) for peer in ada.admission.approved()]
        assert [] == peer_file.load(ben / "peers.json").mine
        await join_alone(NetworkConfig(NET), ben, "ben", of(line), Terms(mine=True))

    assert [ada.identity.id] == peer_file.load(ben / "peers.json").mine


async def test_a_refusal_is_told_from_an_inviter_that_is_away(tmp_path: Path) -> None:
    ada = inviter(tmp_path / "ada")
    async with listening(ada):
        line = ada.inviting.invite("ben", BOTH, 3600).text
        ada.inviting.withdraw("ben")
        with pytest.raises(JoinFailed, match="withdrawn") as refused:
            await join_alone(NetworkConfig(NET), tmp_path / "ben", "ben", of(line), Terms())
    with pytest.raises(JoinFailed, match="ppai serve") as away:
        await join_alone(NetworkConfig(NET), tmp_path / "ben", "ben", of(line), Terms())

    assert (True, False) == (refused.value.is_refusal, away.value.is_refusal)
    assert not peer_file.load(tmp_path / "ben" / "peers.json").granted


async def test_an_invitation_of_a_running_peer_names_where_it_listens_and_lets_in_at_once(tmp_path: Path) -> None:
    told = list[str]()
    async with network(tmp_path / "ada", name="ada") as ada:
        theirs = Invitations(ada, tmp_path / "ada", b"", lambda kind, text: told.append(text))
        line = of(theirs.inviting.invite("ben", BOTH, 3600).text).line

        assert line is not None
        assert ((Address("127.0.0.1", 8471),), ada.identity.cert_sha256) == (line.addresses, line.cert)
        ada.admission.net = NET
        for _ in range(200):  # who has proven nothing gets what a stranger gets
            with pytest.raises(Exception, match=r"malformed|too_many_requests") as caught:
                await theirs.inviting.answer(b"?", "192.0.2.7")
    assert "too_many_requests" in str(caught.value)


@pytest.mark.parametrize("at", ["ben", "127.0.0.1", "127.0.0.1:80", "169.254.169.254:8471"])
def test_where_the_inviter_is_must_be_the_address_of_a_peer(at: str) -> None:
    with pytest.raises(NetworkConfigError, match="--at"):
        Invitation.read("", "123456", [at])


@pytest.mark.slow
async def test_six_digits_find_their_inviter_by_mdns(tmp_path: Path) -> None:
    """Real multicast on loopback, in a network of its own."""
    net = f"test-{uuid.uuid4()}"
    ada = inviter(tmp_path / "ada", net=net)
    async with listening(ada) as address:
        digits = ada.inviting.invite("ben", BOTH, 600, pin=True).text
        told = mdns.Announcement(ada.identity.id, net, ada.identity.cert_sha256, address.port)
        telling = asyncio.create_task(mdns.run(told, lambda: ("127.0.0.1",), lambda *_: None))
        found = await peers_nearby(net, "127.0.0.1")
        telling.cancel()
        friend = await join_alone(
            NetworkConfig(net), tmp_path / "ben", "ben", Invitation.read("", digits, found), Terms()
        )
        await asyncio.wait([telling])

    assert (ada.identity.id, [str(address)]) == (friend.peer, found)


async def test_mdns_that_does_not_work_is_told_with_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> list[Address]:
        raise OSError("no multicast")

    monkeypatch.setattr(mdns, "find", broken)
    with pytest.raises(JoinFailed, match="--at HOST:PORT"):
        await peers_nearby("ppai", "127.0.0.1")


async def test_peers_nearby_are_those_that_mdns_tells_of(monkeypatch: pytest.MonkeyPatch) -> None:
    async def found(net: str, ips: tuple[str, ...], seconds: float) -> list[Address]:
        return [Address("127.0.0.1", 8471)]

    monkeypatch.setattr(mdns, "find", found)
    assert ["127.0.0.1:8471"] == await peers_nearby("ppai", "127.0.0.1")
