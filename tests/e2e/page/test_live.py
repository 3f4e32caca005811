"""The page of a real peer among others, in a real browser: what it shows when, and what its owner does with it."""

import asyncio
import json
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import segno

from tests.e2e.network import Cluster, start
from tests.e2e.page.browser import Tab, browsing, why_not_here
from tests.e2e.peer import ppai

pytestmark = [pytest.mark.slow, pytest.mark.skipif(why_not_here() is not None, reason=str(why_not_here()))]

WITHIN_S = 1.0  # from what happened until the page shows it


async def open_link(cluster: Cluster, name: str) -> str:
    """What `ppai open` prints."""
    home = str(cluster.peers[name].home)
    done = await asyncio.to_thread(ppai, "open", "--print", "--home", home)
    assert 0 == done.returncode, done.stderr
    return str(done.stdout.strip())


@asynccontextmanager
async def owners_tab(cluster: Cluster, name: str) -> AsyncIterator[Tab]:
    """A tab of the owner of `name`; at its end nothing has gone wrong in it, and it asked nobody else."""
    async with browsing() as tab:
        await tab.open(await open_link(cluster, name))
        yield tab
        assert ([], []) == (tab.wrong, tab.elsewhere)


async def test_a_request_is_shown_with_its_decision_within_a_second(cluster: Cluster) -> None:
    await start(cluster, "ada", "ben", "cleo")
    async with owners_tab(cluster, "ada") as tab:
        nodes = await tab.page.locator(".nodes > .node").count()
        await tab.area("requests")
        _, headers, _ = await cluster.ask("ada", {"x-ppai-route": "ben"})
        answered = time.monotonic()
        await tab.page.wait_for_selector("ol.requests li .req.ok")
        took_s = time.monotonic() - answered
        await tab.page.click("ol.requests summary")
        await tab.page.wait_for_selector(".bars tbody tr")
        who = await tab.page.locator(".bars tbody .cand-peer").all_inner_texts()
        others = await tab.text(".not-asked")
        request = await tab.text(".went")

    assert 2 == nodes
    assert took_s < WITHIN_S
    assert ["1. ben"] == who
    assert re.search(r"another was named: .*ada", others) and "cleo" in others
    assert headers["x-request-id"] in request


async def test_a_running_request_is_shown_with_whom_it_is(cluster: Cluster) -> None:
    await start(cluster, "ada", "ben", delay_s=2.0)
    async with owners_tab(cluster, "ada") as tab:
        asking = asyncio.create_task(cluster.ask("ada", {"x-ppai-route": "ben"}))
        await tab.page.wait_for_selector(".flow .req.running")
        await tab.page.wait_for_selector(".flow .req.running .req-who:text-is('sent to ben')")
        lines = await tab.page.locator(".line.asked").count()
        await asking
        await tab.page.wait_for_selector(".flow .req.ok")

    assert 1 == lines


async def test_a_killed_peer_turns_as_soon_as_it_is_found_gone(cluster: Cluster) -> None:
    await start(cluster, "ada", "ben", "cleo")
    async with owners_tab(cluster, "ada") as tab:
        await tab.page.wait_for_selector(".peers li:nth-child(2) .peer.alive")
        cluster.peers["ben"].stop(signal.SIGKILL)
        await cluster.until(lambda seen: any(one["state"] != "alive" for one in seen["ada"]), 30)
        found = time.monotonic()
        await tab.page.wait_for_selector(".peer:not(.alive)")
        took_s = time.monotonic() - found
        sign = await tab.page.locator(".nodes > .node:not(.alive)").count()

    assert (took_s < WITHIN_S, 1) == (True, sign)


async def test_who_waits_is_approved_after_a_look_at_the_words_and_revoked(cluster: Cluster) -> None:
    await cluster.start("ada", env={})
    await cluster.start("ben", "--seed", cluster.seed(), env={})
    async with owners_tab(cluster, "ada") as tab, owners_tab(cluster, "ben") as bens:
        await tab.page.wait_for_selector("#news a[href='#access']")
        await tab.page.click("#news a[href='#access']")
        shown = await tab.text(".person.waiting .words")
        said_by_ben = await bens.text(".detail .words")
        await tab.page.click(".person.waiting button:has-text('Approve')")
        await tab.page.wait_for_selector(".person:not(.waiting) button:has-text('Revoke')")
        rights = (await cluster.get("ada", "/ppai/v1/peers"))[0]["rights"]
        await tab.page.click(".person button:has-text('Revoke')")
        await tab.page.click(".person button:has-text('Really revoke?')")
        await tab.page.wait_for_selector(".person", state="detached")
        news = await tab.text("#news")

    assert shown == said_by_ben and 5 == len(shown.split())
    assert ["answer", "ask"] == rights
    assert "waits to be approved" not in news, "he who was revoked waits for nobody"


async def test_a_machine_is_invited_by_line_and_qr_code_and_joins_on_its_own_page(cluster: Cluster) -> None:
    await cluster.start("ada", env={})
    await cluster.start("ben", env={})
    async with owners_tab(cluster, "ada") as tab, owners_tab(cluster, "ben") as bens:
        await tab.area("access")
        await tab.page.fill("input[name=for]", "Ben's laptop")
        await tab.page.click("section.access form button:has-text('Invite')")
        line = (await tab.text(".made .line")).removeprefix("ppai join ")
        drawn = await tab.page.get_attribute(".qr .qr-dark", "d")
        await bens.area("access")
        await bens.page.fill("input[name=line]", f"ppai join {line}")
        await bens.page.click("section.access form button:has-text('Join')")
        await bens.page.wait_for_selector(".person button:has-text('Revoke')")
        await tab.page.wait_for_selector(".rows li:has-text('used by ben')")
        rights = [(await cluster.get(name, "/ppai/v1/peers"))[0]["rights"] for name in ("ada", "ben")]

    assert [["answer", "ask"], ["answer", "ask"]] == rights
    assert dots_of(str(drawn)) == {
        (x, y)
        for y, row in enumerate(segno.make(line, error="l").matrix_iter(border=4))
        for x, dot in enumerate(row)
        if dot
    }


def dots_of(path: str) -> set[tuple[int, int]]:
    """The dark dots of the picture."""
    runs = re.findall(r"M(\d+) (\d+)h(\d+)", path)
    return {(int(x) + n, int(y)) for x, y, width in runs for n in range(int(width))}


async def test_sharing_is_paused_and_resumed(cluster: Cluster) -> None:
    await cluster.start("ada")
    async with owners_tab(cluster, "ada") as tab:
        await tab.page.click("#pause")
        await tab.page.wait_for_selector("#news :text('Others get nothing now')")
        paused = (await cluster.get("ada", "/ppai/v1/status"))["kept_shut"]
        await tab.page.click("#pause:has-text('Share again')")
        await tab.page.wait_for_selector("#pause:has-text('Pause sharing')")
        resumed = (await cluster.get("ada", "/ppai/v1/status"))["kept_shut"]

    assert (True, None) == (bool(paused), resumed)


async def test_two_are_asked_the_same_and_each_answer_says_whose_it_is_and_why(cluster: Cluster) -> None:
    await start(cluster, "ada", "ben")
    async with owners_tab(cluster, "ada") as tab:
        await tab.area("chat")
        await tab.page.check("text=compare two")
        await tab.page.select_option("select >> nth=0", label="model-ada, here")
        await tab.page.select_option("select >> nth=1", label="model-ben, ben")
        await tab.page.fill("section.chat textarea", "hello you two")
        await tab.page.keyboard.press("Enter")
        for which in (1, 2):
            await tab.page.wait_for_selector(f".answer:nth-child({which}) .why details")
        answers = [" ".join((await one.inner_text()).split()) for one in await tab.page.locator(".answer").all()]
        await tab.page.click(".answer summary >> nth=1")
        await tab.page.wait_for_selector(".answer .bars tbody tr")
        log = cluster.peers["ada"].home / "route.jsonl"
        await asyncio.to_thread(
            cluster.peers["ada"].wait, lambda: log.exists() and log.read_text().count("\n") == 2, "to log both"
        )
        route_log = log.read_text()

    assert "ada (here)" in answers[0] and "from ada" in answers[0]
    assert "ben" in answers[1] and "from ben" in answers[1]
    assert "hello you two" not in route_log


async def test_the_checks_are_those_of_the_doctor(cluster: Cluster) -> None:
    await start(cluster, "ada", "ben")
    async with owners_tab(cluster, "ada") as tab:
        await tab.area("checks")
        await tab.page.click("text=Examine this peer")
        await tab.page.wait_for_selector(".finding")
        shown = await tab.page.locator(".finding > code").all_inner_texts()
    done = await asyncio.to_thread(ppai, "doctor", "--json", "--home", str(cluster.peers["ada"].home))

    told: list[dict[str, Any]] = json.loads(done.stdout)
    assert sorted({one["id"] for one in told}) == sorted(set(shown))


async def test_a_text_is_tried_against_the_privacy_rules(cluster: Cluster) -> None:
    await start(cluster, "ada", "ben")
    async with owners_tab(cluster, "ada") as tab:
        await tab.area("privacy")
        await tab.page.wait_for_selector(".rule")
        await tab.page.fill("section.privacy textarea", "my card is 4111 1111 1111 1111")
        await tab.page.click("text=Would it leave?")
        await tab.page.wait_for_selector(".verdict strong")
        verdict = await tab.text(".verdict")

    assert "your own machines only" in verdict and "secrets" in verdict


async def test_a_link_works_once_and_a_stop_ends_the_stream_at_once(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.start("ada")
    link = await open_link(cluster, "ada")
    async with browsing() as tab, browsing() as second:
        await tab.open(link)
        await second.open(link)
        refused = await second.text("#said")
        address = await tab.page.evaluate("location.href")
        began = time.monotonic()
        code = await asyncio.to_thread(cluster.peers["ada"].stop)
        stopped_s = time.monotonic() - began
        await tab.page.wait_for_selector("#state[data-state=lost]")

    assert "used already" in refused
    assert "#" not in address, "no ticket stays in the address"
    assert (0, True) == (code, stopped_s < 5)
