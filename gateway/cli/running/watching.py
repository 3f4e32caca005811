"""The screen of a peer in a terminal: one that stays (`ppai status --watch`), and one below what `ppai serve` says."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from gateway.cli.options import show
from gateway.cli.own_peer import NotRunning, OwnPeer
from gateway.cli.running.following import Following, snapshots
from gateway.cli.running.screen import STARTING, Line, news, screen_lines
from gateway.wire.text import visible

if TYPE_CHECKING:
    from gateway.home.folder import Home

LOOK_S = 0.5  # s between two looks at the terminal's size
BELOW_ROWS = 16  # at most, below what `ppai serve` says


def watch(home: "Home") -> None:
    """Show the screen until ^C; in a pipe, a line for each piece of news, until the peer ends."""
    if not sys.stdout.isatty():
        _print_news(OwnPeer(home))
        return
    OwnPeer(home)  # raises where none runs
    from rich.console import Console

    with _drawn(home, Console(), is_whole=True) as is_over:
        is_over.wait()


@contextmanager
def below(home: "Home") -> Iterator[None]:
    """Keep the screen below all that is said on stderr; where stderr is no terminal of ours, nothing is drawn."""
    if not _is_ours(sys.stderr):
        yield
        return
    from rich.console import Console

    with _drawn(home, Console(stderr=True), is_whole=False):
        yield


@contextmanager
def _drawn(home: "Home", console: Any, *, is_whole: bool) -> Iterator[threading.Event]:
    from rich.live import Live

    following, is_over = Following(home), threading.Event()
    live = Live(
        console=console, screen=is_whole, transient=True, auto_refresh=False, redirect_stdout=False,
        vertical_overflow="crop",
    )  # fmt: skip
    drawing = threading.Thread(
        target=_draw, args=(live, following, is_over, None if is_whole else BELOW_ROWS), daemon=True
    )
    with live:
        following.start()
        drawing.start()
        try:
            yield is_over
        finally:
            following.end()
            is_over.set()
            following.changed.set()
            drawing.join()


def _draw(live: Any, following: Following, is_over: threading.Event, limit: int | None) -> None:
    """Draw whenever there is news, or the terminal has another size."""
    drawn: object = None
    while not is_over.is_set():
        size = live.console.size
        now = (following.values, following.problem, size)
        if now != drawn and _is_ours(live.console.file):
            rows = size.height if limit is None else min(limit, size.height // 2)
            live.update(_text(screen_lines(following.values, rows, _absent(following, limit is None))), refresh=True)
            drawn = now
        following.changed.wait(LOOK_S)
        following.changed.clear()


def _absent(following: Following, is_whole: bool) -> str:
    """Why nothing is shown. Below `ppai serve` a peer that does not run is one that begins to."""
    problem = following.problem
    return STARTING if problem is None or (isinstance(problem, NotRunning) and not is_whole) else str(problem)


def _text(lines: list[Line]) -> Any:
    from rich.text import Text

    return Text("\n", no_wrap=True, overflow="ellipsis").join(
        Text(visible(line.text), style=line.style) for line in lines
    )


def _is_ours(stream: Any) -> bool:
    """Whether it is a terminal that can be drawn on, with us in its foreground: behind another program we are still."""
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        return False
    with suppress(AttributeError, OSError):  # Windows has no such thing
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    return True


def _print_news(peer: OwnPeer) -> None:
    before: dict[str, Any] = {}
    for values in snapshots(peer):
        for line in news(before, values):
            show(line)
        before = values
