"""Our place among the peers: who we are, what we publish, and mistakes in the configuration told by key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from discovery.admission import AdmissionError
from discovery.details import decode_details
from discovery.envelopes import Signed
from discovery.identity import Identity
from discovery.names import UnknownPeer
from discovery.private_files import OpenToOthers
from discovery.records import AGENTS_LIMIT, Address, Agent, PeerId, Profile, Pulse
from gateway.peering.network import Network, NetworkConfig, NetworkConfigError, join
from tests.cluster import id_of
from tests.peers import Party, party

SECRET = "9f1c6b0e4d7a23588e5bd0c1f76a2943"
SMALL = Agent("small", "small", 4096)


def pulse_of(me: PeerId, admission: str = "open") -> Pulse:
    return Pulse(me, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, admission)  # type: ignore[arg-type]


@asynccontextmanager
async def network(home: Path, host: str = "127.0.0.1", name: str = "ada", **config: object) -> AsyncIterator[Network]:
    settings = NetworkConfig(mdns=False, **config)  # type: ignore[arg-type]
    membership = join(settings, home)
    async with Network(membership, settings, name, (host, 8471), pulse_of, lambda events, now: None) as joined:
        yield joined


def kept(home: Path, secret: str, mode: int = 0o600) -> Path:
    home.mkdir(exist_ok=True)
    (home / "secret").write_text(secret + "\n")
    (home / "secret").chmod(mode)
    return home / "secret"


# --- joining ---


async def test_who_we_are_survives_a_restart_and_our_generation_grows(tmp_path: Path) -> None:
    """Two starts within a second included."""
    async with network(tmp_path) as first:
        first.publish((SMALL,), 1)
        await first.transport.save()
        before = first.identity.id, first.gossip.gen

    async with network(tmp_path) as second:
        assert before[0] == second.identity.id
        assert second.gossip.gen > before[1]


async def test_approvals_survive_a_restart(tmp_path: Path) -> None:
    async with party(tmp_path / "ben") as ben, network(tmp_path / "ada") as first:
        await first.approve(ben.id)

        async with network(tmp_path / "ada") as second:
            assert {"ask", "answer"} == second.admission.rights(ben.id)


@pytest.mark.parametrize(
    ("admission", "has_secret", "mode"),
    [("auto", False, "tofu"), ("auto", True, "secret"), ("tofu", True, "tofu"), ("open", False, "open")],
)
def test_admission_modes(tmp_path: Path, admission: str, has_secret: bool, mode: str) -> None:
    if has_secret:
        kept(tmp_path, SECRET)

    assert mode == join(NetworkConfig(admission=admission), tmp_path).admission.mode  # type: ignore[arg-type]


def test_a_secret_comes_from_the_configuration_its_file_or_the_home(tmp_path: Path) -> None:
    """The same proof from all three, in that order of precedence."""
    other = kept(tmp_path / "elsewhere", SECRET)
    configs = [NetworkConfig(secret=SECRET), NetworkConfig(secret_file=str(other)), NetworkConfig()]
    identity = Identity.load_or_create(tmp_path / "somebody")

    def proof(number: int) -> bytes:
        home = tmp_path / f"home {number}"
        kept(home, SECRET if number == 2 else SECRET[::-1])
        return join(configs[number], home).admission.proof(identity.id, identity.cert_sha256)

    proofs = {proof(number) for number in range(3)}

    assert (1, 32) == (len(proofs), len(proofs.pop()))


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    kept(tmp_path, SECRET, 0o644)

    with pytest.raises(OpenToOthers, match="chmod 600"):
        join(NetworkConfig(), tmp_path)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (NetworkConfig(secret_file="/nonexistent/secret"), "see --secret-file"),
        (NetworkConfig(secret="short"), "ppai init"),
        (NetworkConfig(admission="secret"), "ppai init"),
    ],
    ids=["missing", "short", "none"],
)
def test_a_secret_that_is_none_says_what_to_do(tmp_path: Path, config: NetworkConfig, said: str) -> None:
    with pytest.raises((NetworkConfigError, AdmissionError), match=said):
        join(config, tmp_path)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("allowlist", "bob"),  # a name is anybody's
        ("allowlist", "k6hzmfot2a7"),
        ("seeds", "box.lan"),
        ("seeds", ":8471"),
        ("seeds", "box.lan:port"),
        ("seeds", "box.lan:0"),
        ("seeds", "box.lan:99999"),
        ("advertise", "box.lan:8471"),  # a name could be moved after we were checked
        ("advertise", "0.0.0.0:8471"),
        ("advertise", "192.0.2.7:22"),
        ("advertise", "192.0.2.7"),
    ],
)
async def test_an_address_that_is_none_is_told_by_its_key(tmp_path: Path, key: str, text: str) -> None:
    with pytest.raises(NetworkConfigError, match=f"`network.{key}`: `{text}`"):
        async with network(tmp_path, **{key: (text,)}):
            pass


# --- what we publish ---


async def test_addresses_are_those_configured_else_those_of_our_listener(tmp_path: Path) -> None:
    async with (
        network(tmp_path) as bound,
        network(tmp_path, advertise=("192.0.2.7:443", "[2001:db8::1]:8471")) as advertised,
    ):
        assert (Address("127.0.0.1", 8471),) == bound.addresses()
        assert (Address("192.0.2.7", 443), Address("2001:db8::1", 8471)) == advertised.addresses()


async def test_a_card_is_published_when_it_says_something_new(tmp_path: Path) -> None:
    async with network(tmp_path) as ada:
        seqs = []
        for agents, slots in [((), 0), ((), 0), ((SMALL,), 2), ((SMALL,), 2), ((SMALL,), 4), ((), 4), ((), 4)]:
            ada.publish(agents, slots)
            seqs.append(ada.version)

        card = ada.gossip.own_card().record
    assert [1, 1, 2, 2, 3, 4, 4] == seqs
    assert (0, (), "ada") == (card.slots, card.agents, card.name)  # without an agent it only asks


async def test_a_card_holds_as_many_agents_as_fit_and_says_once_what_it_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    agents = tuple(Agent(f"a{number}", "m", 1) for number in range(AGENTS_LIMIT + 3))
    async with network(tmp_path) as ada:
        for slots in (1, 2, 3):
            ada.publish(agents, slots)
        left_out = ada.left_out_of_card

        assert agents[:AGENTS_LIMIT] == ada.gossip.own_card().record.agents
        ada.publish(agents[:2], 1)
        assert () == ada.left_out_of_card
    assert ("the agent a16", "the agent a17", "the agent a18") == left_out
    assert 1 == caplog.text.count("card_shortened count=3")


async def test_nobody_is_to_ask_for_what_is_not_known_yet(tmp_path: Path) -> None:
    """Who asked may not ask again for ten seconds, so that the digest stays until more is known."""
    small = Agent("small", "small", 4096)
    whole = replace(small, continues=("chat/completions",))
    async with network(tmp_path) as ada:
        digests = []
        for agent, is_new in ((small, True), (whole, False), (small, True), (small, False)):
            ada.publish((agent,), 1, is_new=is_new)
            digests.append(ada.gossip.own_card().record.details)
        ada.publish((), 1, is_new=True)
        last = ada.gossip.own_card().record.details

    assert b"" == digests[0] == last
    assert digests[1] == digests[2] != digests[3]


async def test_a_card_s_digest_changes_with_what_we_tell_of_our_agents(tmp_path: Path) -> None:
    small = Agent("small", "small", 4096)
    async with network(tmp_path) as ada:
        digests = []
        for agents in ((), (small,), (replace(small, untold=("image",)),), (small,)):
            ada.publish(agents, 1)
            digests.append(ada.gossip.own_card().record.details)
        told = decode_details(ada.details_for(ada.identity.id))

    assert b"" == digests[0]
    assert digests[1] == digests[3] != digests[2]
    assert (small,) == told


async def test_an_agent_that_is_not_for_all_is_in_no_card_and_told_to_whom_it_is_for(tmp_path: Path) -> None:
    """A stranger never gets so far as to ask (listener.py); an approved peer, and one that is named, hear their own."""
    ben, cleo = id_of(1), id_of(2)
    librarian = Agent("librarian", "librarian", 4096, kind="agent", base="small", topics=("holidays",))
    async with network(tmp_path) as ada:
        ada.may_use = lambda agent, peer: peer == ben
        ada.publish((SMALL, librarian), 1, {"librarian"}, "ben")
        before = ada.gossip.own_card().record
        heard = {peer: decode_details(ada.details_for(peer)) for peer in (ben, cleo)}
        ada.may_use = lambda agent, peer: peer == cleo
        ada.publish((SMALL, librarian), 1, {"librarian"}, "cleo")
        after, later = ada.gossip.own_card().record, decode_details(ada.details_for(cleo))

    assert (SMALL,) == before.agents == after.agents
    assert {ben: (SMALL, librarian), cleo: (SMALL,)} == heard
    assert (SMALL, librarian) == later
    assert before.details != after.details, "who may use what has changed: peers ask again"


async def test_a_tag_of_ones_own_machine_is_kept(tmp_path: Path) -> None:
    async with party(tmp_path / "ben") as ben, network(tmp_path / "ada") as first:
        await first.approve(ben.id, mine=True)
        await first.approve(ben.id)

        async with network(tmp_path / "ada") as second:
            assert second.admission.is_mine(ben.id)
            assert [ben.id] == list(second.vouched)
            await second.approve(ben.id, mine=False)
            assert not second.admission.is_mine(ben.id)


async def test_a_name_is_printable_and_never_empty(tmp_path: Path) -> None:
    for name, shown in (("a\nb\x00", "ab"), ("\n", "peer"), ("x" * 100, "x" * 64)):
        async with network(tmp_path, name=name) as ada:
            ada.publish((), 0)

            assert shown == ada.gossip.own_card().record.name


async def test_an_open_or_closed_door_is_told_at_once(tmp_path: Path) -> None:
    """And not again."""
    async with network(tmp_path) as ada:
        ada.tell_admission("closed")  # before the first pulse there is nothing to correct
        assert None is ada.gossip.own_pulse()
        ada.publish((SMALL,), 1)
        ada.transport.endpoint.pulse_now()
        first = ada.gossip.own_pulse().record.seq

        ada.tell_admission("open")
        assert first == ada.gossip.own_pulse().record.seq
        ada.tell_admission("closed")
        assert first + 1 == ada.gossip.own_pulse().record.seq


# --- rights ---


def card_named(peer: Party, name: str) -> Signed:
    """The peer's card, under another name."""
    card = peer.gossip.own_card()
    return Signed(replace(card.record, name=name), card.envelope)


async def test_who_waits_is_approved_by_name(tmp_path: Path) -> None:
    async with network(tmp_path / "ada") as ada, party(tmp_path / "ben") as ben:
        ada.publish((SMALL,), 1)
        ada.gossip.learn([ben.gossip.own_card()], 0.0)
        assert {ben.id: "ben"} == ada.waiting()

        assert ben.id == await ada.approve("ben")
        assert ({}, {"ask", "answer"}) == (ada.waiting(), ada.admission.rights(ben.id))
        assert ada.gossip.member(ben.id).kept

        assert ben.id == await ada.revoke("ben")
        assert ({}, frozenset()) == (ada.waiting(), ada.admission.rights(ben.id))
        assert not ada.gossip.member(ben.id).kept


async def test_approving_nobody_changes_nothing(tmp_path: Path) -> None:
    async with network(tmp_path) as ada:
        with pytest.raises(UnknownPeer, match="zoe"):
            await ada.approve("zoe")

        assert frozenset() == ada.admission.approved()


async def test_who_is_approved_is_kept_out_no_more(tmp_path: Path) -> None:
    async with party(tmp_path / "ben") as ben, network(tmp_path / "ada") as ada:
        ada.transport.endpoint.note_refusal(ben.id, "ben", "another secret")

        await ada.approve(ben.id)

        assert not ada.transport.endpoint.refused


async def test_who_was_kept_out_is_approved_by_its_full_id_alone(tmp_path: Path) -> None:
    """It has another secret, say. Its name and the start of its id prove nothing: any stranger has both."""
    async with network(tmp_path / "ada") as ada, party(tmp_path / "ben") as ben:
        ada.transport.endpoint.note_refusal(ben.id, "ben", "secret_wrong")

        for who in ("ben", ben.id[:20]):
            with pytest.raises(UnknownPeer):
                await ada.approve(who)
        assert ben.id == await ada.approve(ben.id)


@pytest.mark.parametrize("who", ["ben", "id"])
async def test_strangers_of_its_name_do_not_stop_a_revocation(tmp_path: Path, who: str) -> None:
    async with network(tmp_path / "ada") as ada, party(tmp_path / "ben") as ben, party(tmp_path / "evil") as evil:
        await ada.approve(ben.id)
        ada.gossip.learn([ben.gossip.own_card(), card_named(evil, "ben" if who == "ben" else ben.id)], 0.0)

        assert ben.id == await ada.revoke(ben.id if who == "id" else who)


async def test_who_is_away_since_our_start_is_revoked_by_its_name(tmp_path: Path) -> None:
    """And not a stranger that took it meanwhile."""
    async with party(tmp_path / "ben") as ben, party(tmp_path / "evil") as evil:
        async with network(tmp_path / "ada") as first:
            first.gossip.learn([ben.gossip.own_card()], 0.0)
            first.gossip.answered(ben.id, 0.0)
            await first.approve("ben")

        async with network(tmp_path / "ada") as again:
            again.gossip.learn([card_named(evil, "ben")], 0.0)

            assert ben.id == await again.revoke("ben")


async def test_we_are_nobody_to_approve(tmp_path: Path) -> None:
    async with network(tmp_path / "ada") as ada, party(tmp_path / "evil") as evil:
        ada.gossip.learn([card_named(evil, "ada")], 0.0)

        for who in ("ada", ada.identity.id):
            with pytest.raises(UnknownPeer, match="this peer itself"):
                await ada.approve(who)
        assert frozenset() == ada.admission.approved()


async def test_a_card_too_small_for_all_vectors_keeps_the_newest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """16 agents with vectors in two spaces do not fit into 8 KiB: a gate upgrade must not silence a peer.

    It is said once, and each change of what is published is tried whole.
    """
    profiles = {space: Profile(bytes(200), (1,) * 200) for space in ("old", "new")}
    agents = tuple(Agent(f"a{n}", "m", 4096, profiles=profiles) for n in range(16))

    async with network(tmp_path) as joined:
        joined.publish(agents, 4)
        card = joined.gossip.own_card()
        joined.publish(agents, 5)
        assert 1 == caplog.text.count("card_shortened")

        joined.publish(agents[:2], 5)
        whole = joined.gossip.own_card()
        joined.publish(agents, 5)

    assert 2 == caplog.text.count("card_shortened")  # it fitted between
    assert whole and agents[:2] == whole.record.agents
    assert card
    assert 16 == len(card.record.agents)
    assert all("new" in agent.profiles for agent in card.record.agents)
    assert 14 == sum(said.startswith("the older vector of a") for said in joined.left_out_of_card)


@pytest.mark.parametrize(
    ("secret", "mode", "warned"),
    [(SECRET, "auto", False), ("passwordpassword", "auto", True), ("passwordpassword", "tofu", False)],
)
def test_a_weak_secret_that_is_used_is_warned_of_at_each_start(
    tmp_path: Path, secret: str, mode: Literal["auto", "tofu"], warned: bool
) -> None:
    membership = join(NetworkConfig(secret=secret, admission=mode), tmp_path)

    assert warned == ("can be guessed" in "".join(membership.warnings))
