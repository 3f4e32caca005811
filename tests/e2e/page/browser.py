"""A real browser for the page: Debian's chromium, driven by playwright, that notes whatever goes wrong."""

import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.clients.environments import AXE

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
AXE_SCRIPT = AXE / "node_modules" / "axe-core" / "axe.min.js"
AREAS = ("network", "requests", "agents", "chat", "machine", "access", "privacy", "checks")


def chromium() -> str | None:
    """Where a browser is; None where none is installed."""
    return os.environ.get("PPAI_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


def why_not_here() -> str | None:
    """What keeps the page from being looked at here, with the remedy."""
    if find_spec("playwright") is None:
        return "playwright is not installed: pip install -c constraints-train.txt -e '.[browser]'"
    if not AXE_SCRIPT.exists():
        return "axe-core is not installed: python -m tests.e2e.clients.environments"
    return None if chromium() else "no chromium is installed: apt-get install chromium"


@dataclass
class Tab:
    """One tab: playwright's page, what its console said wrong, and whom it asked beside the peer."""

    page: Any
    wrong: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    async def open(self, url: str) -> None:
        await self.page.goto(url)
        await self.page.wait_for_selector("#state[data-state=live]")

    async def area(self, name: str) -> None:
        await self.page.click(f".areas a[href='#{name}']")
        await self.page.wait_for_selector(f"section.{name}:not([hidden])")

    async def has(self, selector: str, count: int) -> None:
        """Wait for so many of them. A function that looks again and again would be `eval`, which CSP forbids."""
        from playwright.async_api import expect

        await expect(self.page.locator(selector)).to_have_count(count)

    async def text(self, selector: str) -> str:
        return str(await self.page.inner_text(selector))

    async def serious(self) -> list[str]:
        """What axe-core finds that is serious or worse: rule, and the elements."""
        if not await self.page.evaluate("typeof axe !== 'undefined'"):
            await self.page.evaluate(AXE_SCRIPT.read_text(encoding="utf-8"))  # by the debugger, which no policy stops
        found = await self.page.evaluate("axe.run()")
        bad = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
        return [f"{one['id']}: {[node['html'][:120] for node in one['nodes']][:3]}" for one in bad]

    async def heap_mib(self) -> float:
        """What JavaScript holds, once it has been tidied up."""
        session = await self.page.context.new_cdp_session(self.page)
        await session.send("Performance.enable")
        await session.send("HeapProfiler.collectGarbage")
        metrics = (await session.send("Performance.getMetrics"))["metrics"]
        return next(float(one["value"]) for one in metrics if one["name"] == "JSHeapUsedSize") / 2**20

    @asynccontextmanager
    async def traced(self) -> AsyncIterator[list[float]]:
        """CPU ms of each task of the page's own thread: scripts, layout and painting. Filled when it ends."""
        tasks_ms: list[float] = []
        browser = self.page.context.browser
        await browser.start_tracing(page=self.page, categories=["toplevel", "devtools.timeline"])
        yield tasks_ms
        events = json.loads(await browser.stop_tracing())["traceEvents"]
        named = (one for one in events if one.get("name") == "thread_name")
        mains = {(one["pid"], one["tid"]) for one in named if one["args"]["name"] == "CrRendererMain"}
        of_page = (one for one in events if (one["pid"], one["tid"]) in mains and one.get("ph") == "X")
        tasks_ms += [one["tdur"] / 1000 for one in of_page if "RunTask" in one["name"] and "tdur" in one]


@asynccontextmanager
async def browsing(*, width: int = 1440, height: int = 900, dark: bool = False) -> AsyncIterator[Tab]:
    """A tab of a browser that has never been here; whatever its console calls an error is noted."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        scheme: Any = "dark" if dark else "light"
        context = await browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        tab = Tab(await context.new_page())
        tab.page.on("console", lambda said: tab.wrong.append(said.text) if said.type == "error" else None)
        tab.page.on("pageerror", lambda error: tab.wrong.append(str(error)))
        tab.page.on("dialog", lambda dialog: tab.wrong.append(f"dialog: {dialog.message}"))
        tab.page.on("request", lambda request: _note(tab, request.url))
        try:
            yield tab
        finally:
            await browser.close()


def _note(tab: Tab, url: str) -> None:
    host = urlsplit(url).hostname
    if host not in (None, "127.0.0.1", "localhost"):
        tab.elsewhere.append(url)
