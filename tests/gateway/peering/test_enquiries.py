"""Asking other peers for their agents' details: real peers, and a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest

from discovery.details import DETAILS_LIMIT_BYTES
from discovery.records import Agent, PeerId
from gateway.peering import enquiries
from gateway.peering.enquiries import BURST, FEATURE, INTERVAL_LIMIT_S, INTERVAL_S, Enquiries
from tests import peers
from tests.fakes import ScriptedEngine
from tests.peers import Pair, two_peers


@dataclass
class Asking:
    """Ada, who asks Ben; what she heard; her clock."""

    pair: Pair
    enquiries: Enquiries = field(init=False)
    heard: list[tuple[PeerId, Sequence[Agent]]] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        ada = self.pair.ada
        self.enquiries = Enquiries(
            ada.gossip, ada.transport, lambda peer: ada.admission.may(peer, "answer"),
            lambda peer, agents: self.heard.append((peer, agents)), lambda: self.now,
        )  # fmt: skip

    def says(self, details: bytes, *features: str) -> None:
        """Ben's card from now on."""
        card = self.pair.ben.gossip.own_card().record
        self.pair.ben.transport.publish(replace(card, features=features, details=details))
        own = self.pair.ben.gossip.own_card()
        self.pair.ada.gossip.learn([own], self.pair.ada.transport._clocks.monotonic())
        self.pair.ada.transport.answered(self.pair.ben.id)

    async def once(self) -> int:
        """One round of asking; how many were asked."""
        due = self.enquiries.due()
        for peer, digest in due:
            await self.enquiries._ask(peer, digest)
        return len(due)


@asynccontextmanager
async def asking(tmp_path: Path) -> AsyncIterator[Asking]:
    async with ScriptedEngine().serving() as engine, two_peers(tmp_path, engine) as pair:
        pair.ada.admission.approve(pair.ben.id)
        yield Asking(pair)


async def test_a_peer_is_asked_once_for_each_change(tmp_path: Path) -> None:
    async with asking(tmp_path) as ada:
        assert 0 == await ada.once()  # a peer of 0.1.0, whose card has neither word nor digest
        ada.says(b"12345678", FEATURE, "of the future")
        assert [1, 0] == [await ada.once(), await ada.once()]
        ada.says(b"changed!", FEATURE)
        assert [1, 0] == [await ada.once(), await ada.once()]

    (peer, (agent,)), _ = ada.heard
    assert (ada.pair.ben.id, ("image",), "here") == (peer, agent.untold, agent.place)


async def test_a_peer_whose_agents_change_all_the_time_is_asked_at_once_a_few_times_and_then_now_and_then(
    tmp_path: Path,
) -> None:
    async with asking(tmp_path) as ada:
        asked_at = []
        for change in range(50):
            ada.says(b"%08d" % change, FEATURE)
            asked_at += [ada.now] * await ada.once()
            ada.now += 1.0

    assert [0.0, 1.0, 2.0] == asked_at[:BURST]
    assert {INTERVAL_S} == {later - earlier for earlier, later in pairwise(asked_at[BURST:])}


@pytest.mark.parametrize("details", [b"nonsense", bytes(DETAILS_LIMIT_BYTES + 1), b"\xdd\xff\xff\xff\xff"])
async def test_a_peer_that_answers_nonsense_is_asked_ever_more_rarely_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, details: bytes
) -> None:
    monkeypatch.setattr(peers, "DETAILS", details)
    async with asking(tmp_path) as ada:
        ada.says(b"12345678", FEATURE)
        asked_at = []
        while ada.now < 3000:
            asked_at += [ada.now] * await ada.once()
            ada.now += 5.0

    pauses = [later - earlier for earlier, later in pairwise(asked_at)]
    assert pauses[:3] == [INTERVAL_S, 2 * INTERVAL_S, 4 * INTERVAL_S]
    assert max(pauses) == INTERVAL_LIMIT_S
    assert [] == ada.heard


async def test_nobody_is_asked_whom_we_may_not_ask_prompts(tmp_path: Path) -> None:
    async with asking(tmp_path) as ada:
        ada.says(b"12345678", FEATURE)
        ada.pair.ada.admission.revoke(ada.pair.ben.id)

        assert 0 == await ada.once()


async def test_a_peer_tells_nothing_to_whom_it_does_not_answer(tmp_path: Path) -> None:
    async with asking(tmp_path) as ada:
        ada.says(b"12345678", FEATURE)
        ada.pair.ben.admission.revoke(ada.pair.ada.id)
        assert 1 == await ada.once()

        ada.pair.ben.admission.approve(ada.pair.ada.id)
        ada.now += INTERVAL_S
        assert 1 == await ada.once()

    assert 1 == len(ada.heard)


async def test_a_stranger_who_is_not_dialled_again_yet_is_not_suspected_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an open network, where many come at once, a dial on the word of strangers may have to wait."""
    async with asking(tmp_path) as ada:
        ada.says(b"12345678", FEATURE)
        with monkeypatch.context() as patch:
            patch.setattr(ada.pair.ada.gossip, "is_stranger", lambda peer: True)
            patch.setattr(ada.pair.ada.transport.client, "may_dial", lambda address, peer: False)
            assert 1 == await ada.once()

        assert ("alive", []) == (ada.pair.ada.gossip.member(ada.pair.ben.id).state, ada.heard)
        ada.now += INTERVAL_S
        assert 1 == await ada.once() == len(ada.heard)


async def test_all_answers_together_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enquiries, "KEPT_BYTES", 10)
    async with asking(tmp_path) as ada:
        ada.says(b"12345678", FEATURE)
        assert 1 == await ada.once()

    assert [] == ada.heard


async def test_asking_goes_on_until_it_is_cancelled(tmp_path: Path) -> None:
    heard = asyncio.Event()
    async with asking(tmp_path) as ada:
        ada.enquiries._hear = lambda peer, agents: heard.set()
        ada.says(b"12345678", FEATURE)
        running = asyncio.create_task(ada.enquiries.run())
        async with asyncio.timeout(10):
            await heard.wait()
        running.cancel()
