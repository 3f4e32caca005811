"""The page before a made-up network: for everybody, with names that are markup, and with as many peers as may be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.e2e.page.browser import AREAS, Tab, browsing, why_not_here
from tests.e2e.page.stage import Stage, staged

pytestmark = [pytest.mark.slow, pytest.mark.skipif(why_not_here() is not None, reason=str(why_not_here()))]

FRAME_MS = 100  # of CPU, the longest that a frame may take
HEAP_MIB = 150


@asynccontextmanager
async def looking(stage: Stage, *, as_owner: bool = True, **how: Any) -> AsyncIterator[Tab]:
    async with staged(stage) as url, browsing(**how) as tab:
        await tab.open(f"{url}/#{'ticket' * 4}" if as_owner else url)
        yield tab
    assert ([], []) == (tab.wrong, tab.elsewhere)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)], ids=["desk", "phone"])
async def test_axe_finds_nothing_serious_in_any_area(width: int, height: int, dark: bool) -> None:
    stage = Stage(9)
    for _ in range(12):
        stage.ask()
    async with looking(stage, width=width, height=height, dark=dark) as tab:
        found = {}
        for area in AREAS:
            await tab.area(area)
            if area == "requests":
                await tab.page.click(".requests li:nth-child(2) summary")
                await tab.page.wait_for_selector(".bars")
            if serious := await tab.serious():
                found[area] = serious

    assert {} == found


async def test_a_peer_called_as_markup_is_text_and_runs_nothing() -> None:
    stage = Stage(5, hostile=True)
    for _ in range(5):
        stage.ask(peer=stage.peers[0]["shown"])
    async with looking(stage) as tab:
        for area in AREAS:
            await tab.area(area)
        await tab.area("network")
        await tab.page.click(".peers button:has-text('<img')")
        shown = await tab.text(".detail h2")
        made = await tab.page.evaluate("document.querySelectorAll('main img, main script').length")
        refused = await tab.page.evaluate(MAKE_MARKUP)
        tab.wrong = [said for said in tab.wrong if "TrustedHTML" not in said]  # what was tried just now

    assert ("<img src=x onerror=alert(1)>", 0, "TypeError") == (shown, made, refused)


async def test_all_areas_are_reached_and_used_by_keys_alone() -> None:
    stage = Stage(5)
    stage.ask()
    async with looking(stage) as tab:
        await tab.page.keyboard.press("Tab")
        skip = await tab.page.evaluate("document.activeElement.textContent")
        seen = []
        for _ in range(40):
            await tab.page.keyboard.press("Tab")
            at = await tab.page.evaluate(
                "document.activeElement.getAttribute('href') ?? document.activeElement.className"
            )
            seen.append(at)
            if at == "#requests":
                await tab.page.keyboard.press("Enter")
                break
        focused = await tab.page.evaluate("document.activeElement.textContent")
        for _ in range(20):
            await tab.page.keyboard.press("Tab")
            if await tab.page.evaluate("document.activeElement.tagName") == "SUMMARY":
                break
        await tab.page.keyboard.press("Enter")
        await tab.page.wait_for_selector(".bars .chosen, .bars tbody tr")
        await tab.area("agents")
        await tab.page.focus(".heat tbody td")
        await tab.page.keyboard.press("ArrowDown")
        told = await tab.text(".cell-told")

    assert ("To the content", "#network", "Requests") == (skip, next(it for it in seen if it == "#network"), focused)
    assert "of " in told


async def test_who_has_no_link_sees_the_network_and_nothing_of_the_owner_s() -> None:
    stage = Stage(5)
    stage.ask()
    async with looking(stage, as_owner=False) as tab:
        news = await tab.text("#news")
        rows = await tab.page.locator(".peers li").count()
        await tab.area("requests")
        note = await tab.text(".requests ~ .hint, section.requests .hint")
        shown = await tab.page.locator("ol.requests li").count()
        await tab.area("access")
        enabled = await tab.page.locator("section.access form button:enabled").count()

    assert ("ppai open" in news, 5, 0, 0) == (True, rows, shown, enabled)
    assert "owner" in note


async def test_a_page_that_lost_its_peer_says_so_and_goes_on_where_it_was() -> None:
    stage = Stage(3)
    async with browsing() as tab:
        async with staged(stage) as url:
            port = int(url.rpartition(":")[2])
            await tab.open(f"{url}/#{'ticket' * 4}")
        await tab.page.wait_for_selector("#state[data-state=lost]")
        lost = await tab.text("#state")
        stage.peers[0]["state"] = "dead"
        async with staged(stage, port):
            await tab.page.wait_for_selector("#state[data-state=live]", timeout=15000)
            await tab.page.wait_for_selector(".peer.dead")

    assert "does not answer" in lost


async def test_a_peer_that_is_to_be_asked_is_the_chosen_one_in_the_chat() -> None:
    stage = Stage(3)
    peer = stage.peers[1]
    async with looking(stage) as tab:
        await tab.page.click(f".peers button:has-text('{peer['shown']}')")
        await tab.page.click(".detail [data-act=Ask]")
        await tab.page.wait_for_selector("section.chat:not([hidden])")
        chosen = await tab.page.input_value("section.chat select >> nth=0")

    assert f"{peer['id']} {stage.values_now['good/' + peer['id']][0]['name']}" == chosen


@pytest.mark.parametrize(("wants_key", "state", "rows"), [(False, "live", 3), (True, "refused", 0)])
async def test_a_tab_is_a_guest_s_once_the_peer_was_started_again(wants_key: bool, state: str, rows: int) -> None:
    """Tokens end with the run that gave them out. Where there are API keys a guest sees nothing, and is told why."""
    stage = Stage(3)
    stage.ask()
    async with browsing() as tab:
        async with staged(stage) as url:
            await tab.open(f"{url}/#{'ticket' * 4}")
            await tab.page.wait_for_selector("#pause:not([hidden])")
        async with staged(stage, int(url.rpartition(":")[2]), token="of the next run", wants_key=wants_key):
            await tab.page.wait_for_selector(f"#state[data-state={state}]", timeout=15000)
            await tab.page.wait_for_selector("#pause", state="hidden")
            said, note = await tab.text("#said"), await tab.text(".flow .hint")
            await tab.has(".peers li", rows)
            kept = await tab.page.evaluate("sessionStorage.length")

    assert ("ppai open" in said, "owner" in note, 0) == (True, True, kept)


@pytest.mark.timeout(240)
async def test_two_hundred_peers_and_ten_thousand_requests_are_drawn_in_time_and_in_bounds() -> None:
    """By the CPU time of the page's own thread, which other work on the machine does not add to."""
    stage = Stage(200)
    async with looking(stage) as tab:
        async with tab.traced() as tasks_ms:
            for _ in range(200):
                for _ in range(50):
                    stage.ask()
                stage.tick()
                await asyncio.sleep(0.02)
            for area in AREAS:
                await tab.area(area)
                await asyncio.sleep(0.5)
        heap_mib = await tab.heap_mib()
        await tab.area("network")
        drawn = await tab.page.locator(".nodes > .node").count()

    print(f"10,000 requests: {len(tasks_ms)} tasks, longest {max(tasks_ms):.0f} ms, heap {heap_mib:.1f} MiB")
    assert 200 == drawn
    assert heap_mib < HEAP_MIB
    assert max(tasks_ms) < FRAME_MS


MAKE_MARKUP = """() => {
  try { document.body.innerHTML = "<img src=x onerror=alert(1)>" } catch (error) { return error.name }
  return "it was let";
}"""
