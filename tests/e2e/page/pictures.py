"""Draw the page for the documents: `python -m tests.e2e.page.pictures [NAME] [--pictures FOLDER]`.

They show the stage, whose network is made up; the page is the real one.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from tests.e2e.page.browser import browsing, why_not_here
from tests.e2e.page.stage import Stage, staged

PICTURES = Path(__file__).parents[3] / "docs" / "pictures"
LOOKS: dict[str, tuple[str, int, int, bool, str]] = {  # area, width, height, dark, what is clicked
    "page-network": ("network", 1440, 900, True, ""),
    "page-network-light": ("network", 1440, 900, False, ".peers li:nth-child(2) button"),
    "page-decision": ("requests", 1440, 900, True, "ol.requests li:nth-child(3) summary"),
    "page-agents": ("agents", 1440, 900, False, ""),
    "page-phone": ("network", 390, 844, True, ""),
}


async def draw(names: list[str], folder: Path) -> None:
    stage = Stage(9)
    for _ in range(30):
        stage.ask()
    for peer in stage.peers[:2]:
        stage.ask(is_running=True, peer=peer["shown"])
    async with staged(stage) as url:
        for name in names:
            area, width, height, dark, click = LOOKS[name]
            async with browsing(width=width, height=height, dark=dark) as tab:
                await tab.open(f"{url}/#{'ticket' * 4}")
                await tab.area(area)
                if click:
                    await tab.page.click(click)
                await tab.page.mouse.move(0, 0)
                await tab.page.evaluate("document.activeElement.blur()")
                await asyncio.sleep(1.0)
                await tab.page.screenshot(path=folder / f"{name}.png")


if __name__ == "__main__":
    if why := why_not_here():
        sys.exit(why)
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", choices=[[], *LOOKS], metavar="NAME")
    parser.add_argument("--pictures", type=Path, default=PICTURES, metavar="FOLDER")
    arguments = parser.parse_args()
    asyncio.run(draw(arguments.names or list(LOOKS), arguments.pictures))
