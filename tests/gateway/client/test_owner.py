"""What only the owner may do, and nobody else."""

from pathlib import Path

import pytest
import segno

from discovery.records import Agent, PeerId
from gateway.trust.tab import Sums
from tests.discovery.inviter import inviter, listening
from tests.gateway.client.site import GATE, OWNER, Site
from tests.peers import party

OWNERS_CALLS = (
    "/ppai/v1/sharing",
    "/ppai/v1/stop",
    "/ppai/v1/privacy",
    "/ppai/v1/approve",
    "/ppai/v1/revoke",
    "/ppai/v1/profile",
    "/ppai/v1/domain",
    "/ppai/v1/agents/look",
)


@pytest.mark.parametrize("path", OWNERS_CALLS)
@pytest.mark.parametrize("token", ["", "Bearer", "Bearer ", "Bearer tok2", "Bearer TOK", "Basic tok", "Bearer t\xf6k"])
async def test_the_owner_s_calls_are_the_owner_s(site: Site, path: str, token: str) -> None:
    """Whoever reaches the port may ask; whoever reads the home may decide."""
    headers = {"authorization": token.encode("latin-1")} if token else {}

    response = await site.http.post(path, content=b'{"who":"ben"}', headers=headers)

    assert (401, "not_the_owner") == (response.status_code, response.json()["error"]["code"])
    assert not site.stops
    assert frozenset() == site.network.admission.approved()


async def test_nobody_but_the_owner_reads_the_route_log(site: Site) -> None:
    """It is a file with mode 0600: its page shows it to nobody who may not read the file."""
    refused = await site.http.get("/ppai/v1/events")
    read = await site.http.get("/ppai/v1/events", headers=OWNER)

    assert (401, "not_the_owner") == (refused.status_code, refused.json()["error"]["code"])
    assert (200, []) == (read.status_code, read.json())


async def test_the_owner_ends_the_peer(site: Site) -> None:
    answer = await site.post("/ppai/v1/stop", {}, OWNER)

    assert ((200, {"stopping": True}), 1) == (answer, len(site.stops))


async def test_the_owner_approves_and_revokes(site: Site, tmp_path: Path) -> None:
    """By name; the roster follows at once."""
    async with party(tmp_path / "ben") as ben:
        site.network.gossip.learn([ben.gossip.own_card()], 0.0)

        approved = await site.post("/ppai/v1/approve", {"who": "ben"}, OWNER)
        revoked = await site.post("/ppai/v1/revoke", {"who": ben.id[:8]}, OWNER)

    said = {"peer": ben.id, "name": "ben", "mine": False, "relay": False}
    assert (200, {**said, "rights": ["answer", "ask"]}) == approved
    assert (200, {**said, "rights": []}) == revoked


async def test_a_peer_is_tagged_as_the_owner_s_own_until_it_is_untagged_or_revoked(site: Site, tmp_path: Path) -> None:
    """Approving it again without a word of that changes nothing."""
    async with party(tmp_path / "ben") as ben:
        site.network.gossip.learn([ben.gossip.own_card()], 0.0)
        seen = []
        calls = [("approve", True), ("approve", None), ("approve", False), ("approve", True), ("revoke", None)]
        for path, mine in calls:
            body = {"who": "ben"} if mine is None else {"who": "ben", "mine": mine}
            _, said = await site.post(f"/ppai/v1/{path}", body, OWNER)
            seen.append((said["mine"], site.network.admission.is_mine(ben.id)))

    assert [(True, True), (True, True), (False, False), (True, True), (False, False)] == seen


async def test_a_name_that_two_peers_have_is_a_409_with_both_ids(site: Site, tmp_path: Path) -> None:
    async with party(tmp_path / "1" / "ben") as one, party(tmp_path / "2" / "ben") as two:
        site.network.gossip.learn([one.gossip.own_card(), two.gossip.own_card()], 0.0)

        status, said = await site.post("/ppai/v1/approve", {"who": "ben"}, OWNER)

    assert (409, "peer_ambiguous", "who") == (status, said["error"]["code"], said["error"]["param"])
    assert [True, True] == [peer.id in said["error"]["message"] for peer in (one, two)]
    assert frozenset() == site.network.admission.approved()


async def test_approving_nobody_is_a_404_with_the_names_known(site: Site) -> None:
    status, said = await site.post("/ppai/v1/approve", {"who": "zoe"}, OWNER)

    assert (404, "peer_not_found", "who") == (status, said["error"]["code"], said["error"]["param"])
    assert "zoe" in said["error"]["message"]


def profile(**changes: object) -> dict[str, object]:
    good = {"space": GATE.space, "agent": "org/small", "capability": [0.5] * GATE.K, "evidence": [1] * GATE.K}
    return {**good, **changes}


async def test_a_published_profile_changes_our_card(site: Site) -> None:
    status, said = await site.post("/ppai/v1/profile", profile(), OWNER)

    assert (200, True, site.network.version) == (status, said["published"], said["seq"])
    assert [True] == site.cards_changed


@pytest.mark.parametrize(
    "changes",
    [{"space": "another"}, {"agent": "gpt-4o"}, {"capability": [0.5] * 3, "evidence": [1] * 3}],
    ids=["space", "agent", "length"],
)
async def test_a_bad_profile_changes_nothing(site: Site, changes: dict[str, object]) -> None:
    status, said = await site.post("/ppai/v1/profile", profile(**changes), OWNER)

    assert 400 == status
    assert said["error"]["message"]
    assert [] == site.cards_changed


async def test_what_an_owners_questions_found_is_published_by_the_agents_name(site: Site) -> None:
    status, said = await site.post("/ppai/v1/domain", {"agent": "porter"}, OWNER)
    missing, told = await site.post("/ppai/v1/domain", {"agent": "other"}, OWNER)

    assert (200, 20, 0.9, site.network.version) == (status, said["questions"], said["right"], said["seq"])
    assert (404, "`other` was not asked") == (missing, told["error"]["message"])


async def test_the_owner_sees_who_may_use_an_agent_and_what_they_see(site: Site, tmp_path: Path) -> None:
    """After a look at the files; what is wrong with one is said."""
    folder = site.agents
    folder.mkdir()
    for name, text in (("librarian", "use: mine\ntopics: [holidays]"), ("bad", "promt: x")):
        (folder / f"{name}.yaml").write_text(text)
        (folder / f"{name}.yaml").chmod(0o600)
    row = Agent("librarian", "librarian", 4096, kind="agent", base="org/small", topics=("holidays",))
    site.node.serve([*site.node.own_agents, row])
    async with party(tmp_path / "ben") as ben:
        site.network.gossip.learn([ben.gossip.own_card()], 0.0)

        _, before = await site.post("/ppai/v1/agents/look", {}, OWNER)
        await site.post("/ppai/v1/approve", {"who": "ben", "mine": True}, OWNER)
        after = (await site.http.get("/ppai/v1/agents", headers=OWNER)).json()

    assert [[], [ben.id]] == [[peer["id"] for peer in rows[0]["peers"]] for rows in (before, after)]
    assert (True, False, ["mine"]) == (after[0]["served"], after[0]["in_card"], after[0]["use"])
    assert ("org/small", ["holidays"]) == (after[0]["shown"]["model"], after[0]["shown"]["topics"])
    assert ("bad", True) == (after[1]["name"], "did you mean `prompt`" in after[1]["problem"])


INVITE = {"expires_s": 3600, "rights": ["ask"], "for": "ben"}


async def test_the_owner_invites_lists_and_withdraws(site: Site) -> None:
    """What lets somebody in is told once, and stands in no list."""
    status, made = await site.post("/ppai/v1/invite", INVITE, OWNER)
    pin = (await site.post("/ppai/v1/invite", {**INVITE, "pin": True}, OWNER))[1]
    listed = (await site.http.get("/ppai/v1/invites", headers=OWNER)).json()
    withdrawn = await site.post("/ppai/v1/uninvite", {"who": made["id"]}, OWNER)
    rest = await site.post("/ppai/v1/uninvite", {"who": None}, OWNER)

    assert (200, "ben", ["ask"], True) == (status, made["for"], made["rights"], made["line"].startswith("PPAI1:"))
    assert ["127.0.0.1:8471"] == made["addresses"]
    assert (6, 3, "pin") == (len(pin["pin"]), pin["tries_left"], pin["by"])
    assert [{key: row[key] for key in listed[0]} for row in (made, pin)] == listed
    assert pin["pin"] not in str(listed)
    assert ([made["id"]], [pin["id"]]) == ([row["id"] for row in withdrawn[1]], [row["id"] for row in rest[1]])


@pytest.mark.parametrize("path", ["invite", "uninvite", "join"])
async def test_nobody_but_the_owner_invites_or_joins(site: Site, path: str) -> None:
    status, said = await site.post(f"/ppai/v1/{path}", {**INVITE, "who": None})

    assert (401, "not_the_owner") == (status, said["error"]["code"])
    assert 401 == (await site.http.get("/ppai/v1/invites")).status_code


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("invite", {**INVITE, "rights": ["all"]}, 400),
        ("invite", {**INVITE, "expires_s": 0}, 400),
        ("invite", {**INVITE, "expires_s": 1e9}, 400),
        ("invite", {**INVITE, "secret": True}, 400),
        ("uninvite", {"who": "ben"}, 404),
        ("join", {"rights": ["ask"], "line": "hello"}, 400),
        ("join", {"rights": ["ask"], "pin": "12"}, 400),
        ("join", {"rights": ["ask"], "pin": "123456", "at": ["ben"]}, 400),
        ("join", {"rights": ["ask"], "pin": "123456", "at": ["127.0.0.1:1999"]}, 502),
    ],
)
async def test_what_is_wrong_with_an_invitation_is_told(site: Site, path: str, body: dict, status: int) -> None:
    """An inviter that is away is told from an invitation that is no good."""
    answered, said = await site.post(f"/ppai/v1/{path}", body, OWNER)

    assert (status, True) == (answered, said["error"]["code"].startswith(("invitation_invalid", "inviter_unreachable")))
    assert not site.network.admission.approved()


async def test_a_refusal_of_who_invited_is_a_403(site: Site, tmp_path: Path) -> None:
    ada = inviter(tmp_path / "inviter", net="ppai")
    async with listening(ada):
        line = ada.inviting.invite("ben", ("ask",), 3600).text
        joined = await site.post("/ppai/v1/join", {"rights": ["answer"], "line": line}, OWNER)
        ada.admission.revoke(site.network.identity.id)
        again = await site.post("/ppai/v1/join", {"rights": ["answer"], "line": line}, OWNER)

    assert (200, ["answer"]) == (joined[0], joined[1]["rights"])
    assert (403, "invitation_refused") == (again[0], again[1]["error"]["code"])


async def test_the_owner_pauses_resumes_and_drains(site: Site) -> None:
    """It holds at once, and the status says why."""
    seen = []
    for do, seconds in (("pause", 90), ("resume", None), ("drain", None), ("resume", None)):
        body = {"do": do} if seconds is None else {"do": do, "seconds": seconds}
        status, said = await site.post("/ppai/v1/sharing", body, OWNER)
        shown = (await site.get("/ppai/v1/status"))[1]
        seen.append((status, said["remote_running"], (said["kept_shut"] or "")[:10], shown["engine"]["admission"]))
        assert said["kept_shut"] == shown["kept_shut"]

    assert [
        (200, 0, "you paused", "closed"), (200, 0, "", "open"), (200, 0, "it ends on", "closed"), (200, 0, "", "open"),
    ] == seen  # fmt: skip


@pytest.mark.parametrize("body", [{}, {"do": "stop"}, {"do": "pause", "seconds": 0}, {"do": "pause", "seconds": "1h"}])
async def test_what_the_owner_cannot_mean_changes_nothing(site: Site, body: dict[str, object]) -> None:
    status, _ = await site.post("/ppai/v1/sharing", body, OWNER)

    assert (400, None) == (status, (await site.get("/ppai/v1/status"))[1]["kept_shut"])


async def test_which_questions_would_come_to_an_agent_is_told_by_its_name(site: Site) -> None:
    status, said = await site.post("/ppai/v1/agents/topics", {"agent": "porter"}, OWNER)

    assert (200, {"own": 2, "missed": ["Room 2?"], "others": 1, "strays": []}) == (status, said)


async def test_the_owner_reads_what_each_gave_who_weighs_the_most_first(site: Site) -> None:
    ben, cat = PeerId("b" * 52), PeerId("c" * 52)
    site.settling.got(cat, Sums(2, 400, 9_000_000))
    site.settling.given(ben, Sums(1, 10, 20))

    rows = (await site.http.get("/ppai/v1/tabs", headers=OWNER)).json()

    assert [cat, ben] == [row["id"] for row in rows]
    assert {"answers": 2, "prompt_tokens": 400, "tokens": 9_000_000, "signed": None} == rows[0]["got"]
    assert [False, True] == [row["newcomer"] for row in rows]
    assert rows[0]["weight"] > 0.99 and 0 == rows[1]["weight"]
    assert 22 == rows[1]["exposure"]


async def test_nobody_else_reads_them(site: Site) -> None:
    assert 401 == (await site.http.get("/ppai/v1/tabs")).status_code


async def test_an_invitation_comes_as_a_qr_code_of_its_line_where_one_is_asked_for(site: Site) -> None:
    """With the margin of four modules that cameras look for; six digits are typed."""
    asked = {"expires_s": 60, "rights": ["ask"], "qr": True}

    _, by_line = await site.post("/ppai/v1/invite", asked, OWNER)
    _, by_pin = await site.post("/ppai/v1/invite", {**asked, "pin": True}, OWNER)

    drawn = [[int(dot) for dot in row] for row in by_line["qr"]]
    assert [list(map(bool, row)) for row in segno.make(by_line["line"], error="l").matrix_iter(border=4)] == [
        list(map(bool, row)) for row in drawn
    ]
    assert [0] * len(drawn) == drawn[3] and "qr" not in by_pin
