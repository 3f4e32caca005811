"""`ppai invite` and `ppai join` as people type them, in homes of their own: by line and by PIN, and what is refused."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from discovery.identity import Identity
from discovery.join_messages import encode_line, read_line
from discovery.records import Address
from tests.discovery.inviter import relaying
from tests.e2e.network import SECRET, Cluster, cluster_in
from tests.e2e.peer import ppai

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pexpect's terminals are Unix's")
QUIET = {"PPAI_NETWORK_MDNS": "false", "NO_COLOR": "1"}
REFUSED, UNREACHABLE = 4, 5


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster_in(tmp_path) as made:
        await made.start("ada", env={})
        yield made


def typed(*args: str, then: dict[str, str] | None = None) -> tuple[int, str]:
    """A command at a terminal, and what is typed when it asks: (exit code, all that it showed)."""
    import pexpect

    shown = ""
    child = pexpect.spawn(
        sys.executable, ["-m", "gateway.cli", *args], timeout=60, encoding="utf-8", dimensions=(60, 240)
    )
    for prompt, answer in (then or {}).items():
        child.expect(re.escape(prompt))
        shown += child.before
        child.sendline(answer)
    child.expect(pexpect.EOF)
    shown += child.before
    child.close()
    return child.exitstatus, shown.replace("\r\n", "\n")


async def run(*args: str, then: dict[str, str] | None = None) -> tuple[int, str]:
    return await asyncio.to_thread(lambda: typed(*args, then=then))


def home(cluster: Cluster, name: str) -> tuple[str, str]:
    return "--home", str(cluster._folder / name)


async def invited(cluster: Cluster, *args: str) -> str:
    """The line or PIN, read from the terminal of the inviter."""
    code, shown = await run("invite", *args, *home(cluster, "ada"))
    assert code == 0, shown
    found = re.search(r"^(PPAI1:\S+|\d{3} \d{3})$", shown, re.M)
    assert found, shown
    return found[1]


async def test_a_line_joins_two_machines_at_once(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """No restart, no approval: ben asks ada's model the moment after, and she may ask his."""
    await cluster.start("ben", env={})
    code, shown = await run("invite", "--for", "ben", *home(cluster, "ada"))
    line = re.search(r"^PPAI1:\S+$", shown, re.M)
    assert (code, True, True) == (0, "▀" in shown or "▄" in shown, line is not None), shown

    code, joined = await run("join", line[0], *home(cluster, "ben"))  # type: ignore[index]

    assert (0, True) == (code, "joined ada" in joined and "may ask us and answer us" in joined), joined
    await cluster.until_answered("ben", {"x-ppai-route": "ada"})
    await cluster.until_answered("ada", {"x-ppai-route": "ben"})
    assert "joined by the invitation for ben" in cluster.peers["ada"].output


@pytest.mark.slow
async def test_a_machine_without_a_peer_joins_and_has_its_rights_when_it_starts(cluster: Cluster) -> None:
    """It has no home before; and programs read who it was."""
    line = json.loads(ppai("invite", "--json", "--for", "ben", *home(cluster, "ada")).stdout)
    assert ["expires", "for", "line", "rights"] == sorted(line)
    assert ("ben", ["ask", "answer"]) == (line["for"], line["rights"])

    joined = await asyncio.to_thread(ppai, "join", line["line"], "--json", *home(cluster, "ben"), env=QUIET)

    assert (0, "ada") == (joined.returncode, json.loads(joined.stdout)["name"]), joined.stderr
    assert ["name", "peer", "rights"] == sorted(json.loads(joined.stdout))
    await cluster.start("ben", env={})
    await cluster.until_answered("ben", {"x-ppai-route": "ada"})
    await cluster.until_answered("ada", {"x-ppai-route": "ben"})


@pytest.mark.slow
async def test_six_digits_join_two_machines(cluster: Cluster) -> None:
    await cluster.start("ben", env={})
    pin = await invited(cluster, "--pin", "--for", "ben")

    code, shown = await run("join", "--pin", "--at", cluster.seed(), *home(cluster, "ben"), then={"PIN: ": pin})

    assert (0, True) == (code, "joined ada" in shown), shown
    await cluster.until_answered("ben", {"x-ppai-route": "ada"})


@pytest.mark.slow
async def test_a_used_a_withdrawn_and_an_expired_line_are_refused_and_told(cluster: Cluster) -> None:
    """With an exit code of their own; and the inviter hears who came with each."""
    used = await invited(cluster, "--for", "ben")
    assert 0 == (await run("join", used, *home(cluster, "ben")))[0]
    gone, late = await invited(cluster, "--for", "gone"), await invited(cluster, "--for", "late", "--expires", "1s")
    assert 0 == (await run("uninvite", "gone", *home(cluster, "ada")))[0]

    shown = [await run("join", line, *home(cluster, "eve")) for line in (used, gone, late)]

    assert [REFUSED] * 3 == [code for code, _ in shown]
    assert ["was used before", "was withdrawn", "has expired"] == [
        next(words for words in ("was used before", "was withdrawn", "has expired") if words in said)
        for _, said in shown
    ]
    log = cluster.peers["ada"].output
    assert all(f"came with the invitation for {name}" in log for name in ("ben", "gone", "late"))
    listed = (await run("invites", *home(cluster, "ada")))[1]
    assert [True] * 3 == [word in listed for word in ("used by", "withdrawn", "expired")]
    granted = json.loads((cluster._folder / "ada" / "peers.json").read_text())["granted"]
    assert 1 == len(granted)


@pytest.mark.slow
async def test_wrong_digits_end_a_pin_with_the_third_try(cluster: Cluster) -> None:
    pin = await invited(cluster, "--pin", "--for", "ben")
    wrong = f"{(int(pin.replace(' ', '')) + 1) % 10**6:06}"
    join = ("join", "--pin", "--at", cluster.seed(), *home(cluster, "eve"))

    tries = [await run(*join, then={"PIN: ": digits}) for digits in (wrong, wrong, wrong, wrong, pin)]

    assert [REFUSED] * 5 == [code for code, _ in tries]
    for (_, shown), words in zip(
        tries, ("2 more tries", "one more try", "no more tries", *["too often"] * 2), strict=True
    ):
        assert words in shown, shown
    assert "it has ended" in cluster.peers["ada"].output


@pytest.mark.slow
async def test_a_machine_in_the_middle_is_refused_and_told(cluster: Cluster, tmp_path: Path) -> None:
    """It passes on all that it hears. By line it hears nothing; by PIN the inviter refuses what it passes on."""
    ip, port = cluster.seed().rsplit(":", 1)
    eve = Identity.load_or_create(tmp_path / "eve")
    async with relaying(Address(ip, int(port)), eve) as (between, heard):
        line = replace(read_line(await invited(cluster, "--for", "ben")), addresses=(between,))
        by_line = await run("join", encode_line(line), *home(cluster, "ben"))
        said_by_line = len(heard)
        pin = await invited(cluster, "--pin", "--for", "ben")
        by_pin = await run("join", "--pin", "--at", str(between), *home(cluster, "ben"), then={"PIN: ": pin})

    assert (UNREACHABLE, 0, True) == (by_line[0], said_by_line, "another certificate" in by_line[1]), by_line
    assert (REFUSED, 2, True) == (by_pin[0], len(heard), "somebody stands between" in by_pin[1]), by_pin
    assert "tried the PIN for ben and was refused" in cluster.peers["ada"].output
    assert {} == json.loads((cluster._folder / "ada" / "peers.json").read_text())["granted"]


@pytest.mark.slow
async def test_an_inviter_that_is_away_is_told_from_one_that_refuses(cluster: Cluster) -> None:
    line = await invited(cluster, "--for", "ben")
    await asyncio.to_thread(cluster.peers["ada"].stop)

    code, shown = await run("join", line, *home(cluster, "ben"))

    assert (UNREACHABLE, True) == (code, "ppai serve" in shown), shown


@pytest.mark.slow
async def test_each_machine_is_shut_out_alone(cluster: Cluster) -> None:
    for name in ("ben", "cleo"):
        await cluster.start(name, env={})
        assert 0 == (await run("join", await invited(cluster, "--for", name), *home(cluster, name)))[0]
        await cluster.until_answered(name, {"x-ppai-route": "ada"})

    assert 0 == (await run("revoke", "ben", *home(cluster, "ada")))[0]

    assert 200 != (await cluster.ask("ben", {"x-ppai-route": "ada"}))[0]
    assert 200 == (await cluster.ask("cleo", {"x-ppai-route": "ada"}))[0]


@pytest.mark.parametrize("args", [[], ["LINE", "--pin"], ["--at", "127.0.0.1:1"], ["LINE", "--rights", "all"]])
async def test_mistakes_of_usage_are_told(tmp_path: Path, args: list[str]) -> None:
    assert 2 == ppai("join", *args, "--home", str(tmp_path / "ben")).returncode


async def test_a_line_that_is_none_is_told(tmp_path: Path) -> None:
    done = ppai("join", "PPAI1:ABCD", "--home", str(tmp_path / "ben"))

    assert (1, True) == (done.returncode, "copy all of it" in done.stderr)


@pytest.mark.slow
async def test_a_revoked_holder_of_the_secret_does_not_return_as_another(tmp_path: Path) -> None:
    """New ids wait at who revoked it; with a new secret those go on who are given it."""
    async with cluster_in(tmp_path) as cluster:
        for name in ("ada", "ben", "cleo"):
            ppai("init", "--secret", SECRET["PPAI_SECRET"], *home(cluster, name))
        await cluster.start("ada", env={})
        seed = ("--seed", cluster.seed())
        await cluster.start("ben", *seed, env={})
        await cluster.start("cleo", *seed, env={})
        await cluster.until_ready()

        assert 0 == (await run("revoke", "ben", *home(cluster, "ada")))[0]
        await asyncio.to_thread(cluster.peers.pop("ben").stop)
        await cluster.start("ben2", *seed, env=SECRET)
        await cluster.until(lambda seen: any(row["name"] == "ben2" for row in seen["ada"]))
        rights = {row["name"]: row["rights"] for row in await cluster.get("ada", "/ppai/v1/peers")}
        assert ([], ["answer", "ask"]) == (rights["ben2"], rights["cleo"])
        assert 200 != (await cluster.ask("ben2", {"x-ppai-route": "ada"}))[0]
        assert "until `ppai secret new`" in (await run("secret", "holders", *home(cluster, "ada")))[1]

        assert 0 == (await run("secret", "new", *home(cluster, "ada")))[0]
        await asyncio.to_thread(cluster.peers.pop("ada").stop)
        await cluster.start("ada", env={})
        line = await invited(cluster, "--secret", "--for", "cleo")
        code, shown = await run("join", "--secret", line, *home(cluster, "cleo"))
        assert (0, True) == (code, "next start" in shown), shown
        await cluster.until_answered("cleo", {"x-ppai-route": "ada"})
        await asyncio.to_thread(cluster.peers.pop("cleo").stop)
        await cluster.start(
            "cleo", "--seed", (await cluster.get("ada", "/ppai/v1/status"))["network"]["addresses"][0], env={}
        )
        await cluster.until_answered("cleo", {"x-ppai-route": "ada"})
        held = [row["peer"] for row in (await cluster.get("ada", "/ppai/v1/status"))["network"]["holders"]]
        assert [(await cluster.get("cleo", "/ppai/v1/status"))["id"]] == held
        assert 200 != (await cluster.ask("ben2", {"x-ppai-route": "ada"}))[0]


@pytest.mark.slow
async def test_an_invitation_is_between_two_machines_in_a_network_with_a_secret(tmp_path: Path) -> None:
    """Ben has no secret: ada lets him in by name, cleo does not, and ada and cleo go on as before."""
    async with cluster_in(tmp_path) as cluster:
        await cluster.start("ada")
        await cluster.start("cleo", "--seed", cluster.seed())
        await cluster.until_ready()
        await cluster.start("ben", env={})

        assert 0 == (await run("join", await invited(cluster, "--for", "ben"), *home(cluster, "ben")))[0]

        await cluster.until_answered("ben", {"x-ppai-route": "ada"})
        await cluster.until_answered("ada", {"x-ppai-route": "ben"})
        await cluster.until_answered("cleo", {"x-ppai-route": "ada"})
        assert 200 != (await cluster.ask("ben", {"x-ppai-route": "cleo"}))[0]
        assert 0 == (await run("revoke", "ben", *home(cluster, "ada")))[0]
        assert 200 != (await cluster.ask("ben", {"x-ppai-route": "ada"}))[0]
        assert not (await cluster.get("ada", "/ppai/v1/status"))["network"]["new_ids_wait"]
