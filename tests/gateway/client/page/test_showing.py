"""What the page is shown of a peer, and that nothing of it is a prompt."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from discovery.envelopes import seal
from discovery.records import Agent, Profile
from gateway.client.page.showing import by_category, may_see
from tests.cluster import id_of
from tests.gateway.client.site import GATE, Site
from tests.peers import party


async def shown(site: Site) -> dict[str, object]:
    return {key: json.loads(value) for key, value in site.watching._shown.values()}


async def test_this_machine_and_the_peers_it_knows_are_shown(site: Site, tmp_path: Path) -> None:
    async with party(tmp_path / "ben") as ben:
        site.network.gossip.learn([ben.gossip.own_card()], 0.0)
        found = await shown(site)

    me, peer = found["me"], found[f"peer/{ben.id}"]
    assert ("ada", len(set(GATE.categories))) == (me["name"], len(me["categories"]))
    assert (ben.id, "ben", []) == (peer["id"], peer["name"], peer["rights"])
    assert [None, None, None] == found[f"load/{ben.id}"][:3]
    assert {"engine/idle", "sharing", "load/me", "good/me"} <= found.keys()


async def test_who_waits_is_who_has_no_word_of_the_owner_s(site: Site, tmp_path: Path) -> None:
    """As `ppai peers` counts them: not who was revoked, though he is there and has no right."""
    async with party(tmp_path / "ben") as ben:
        site.network.gossip.learn([ben.gossip.own_card()], 0.0)
        met = await shown(site)
        await site.network.approve(ben.id)
        approved = await shown(site)
        await site.network.revoke(ben.id)
        revoked = await shown(site)

    key = f"peer/{ben.id}"
    assert [True, False, False] == [found[key]["waiting"] for found in (met, approved, revoked)]
    assert ([], []) == (revoked[key]["rights"], revoked["me"]["say"])


async def test_two_looks_at_a_peer_at_rest_are_the_same(site: Site, tmp_path: Path) -> None:
    """Else every page would be told of something twice a second."""
    async with party(tmp_path / "ben") as ben:
        site.network.gossip.learn([ben.gossip.own_card()], 0.0)
        first = await shown(site)

        assert first == await shown(site)


async def test_an_agent_is_shown_with_what_was_measured_by_category(site: Site) -> None:
    profile = Profile(bytes([255] * GATE.K), (2,) * GATE.K)
    site.node.serve([Agent("m", "m", 4096, place="here", profiles={GATE.space: profile}), Agent("n", "n", 4096)])

    measured, unmeasured = (await shown(site))["good/me"]

    assert [1.0] * len(set(GATE.categories)) == measured["good"]
    assert (2 * GATE.K, None) == (sum(measured["evidence"]), unmeasured["good"])


def test_a_category_is_the_mean_of_its_prototypes_by_their_evidence() -> None:
    owner = np.array([0, 0, 1, 2])

    assert {"good": [0.25, 1.0, None], "evidence": [4, 1, 0]} == by_category([1.0, 0.0, 1.0, 0.5], [1, 3, 1, 0], owner)


def test_what_the_owner_asks_and_gives_is_for_him_alone() -> None:
    keys = ("me", "peer/x", "load/x", "good/x", "engine/x", "sharing", "request/1", "invite/x", "tab/x", "rule/x")

    assert list(keys) == [key for key in keys if may_see(key, is_owner=True)]
    assert list(keys[:6]) == [key for key in keys if may_see(key, is_owner=False)]


async def test_what_was_made_of_a_card_is_kept_until_it_changes_and_forgotten_with_its_peer(site: Site) -> None:
    """Of 200 peers; prints what a look costs (docs/results/page.md)."""
    profiles = {GATE.space: Profile(bytes([200] * GATE.K), (3,) * GATE.K)}
    agents = tuple(Agent(name, name, 4096, place="here", profiles=profiles) for name in ("m1", "m2"))
    own = site.network.gossip.own_card().record
    cards = [replace(own, id=id_of(n), name=f"peer{n}", agents=agents) for n in range(200)]
    site.network.gossip.learn([seal(card, site.network.admission.net, lambda data: bytes(64)) for card in cards], 0.0)

    shown, looks = site.watching._shown, []
    shown._good["who is no longer there"] = ((), b"[]")
    for _ in range(3):
        began = time.process_time()
        looks.append((dict(site.watching._shown.values()), (time.process_time() - began) * 1000))
    (first, first_ms), *_, (last, last_ms) = looks
    kept = [key for key in first if key.startswith("good/") and first[key] is last[key]]
    print(f"a look at 200 peers: first {first_ms:.0f} ms of CPU, then {last_ms:.0f} ms")

    assert (201, 201) == (len(kept), len(shown._good))
    assert 200 == sum(key.startswith("peer/") for key in last)
