"""ppai logs: what the peer said, what became of requests, what the embedded engine said, also when none runs."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from gateway.cli.options import HomeOption, home_of, say, show

LOOK_S = 0.2  # s between two looks for new lines


Which = Literal["peer", "requests", "engine"]
FILES: dict[Which, tuple[str, ...]] = {  # of the home, the older one first
    "peer": ("peer.log.1", "peer.log"),
    "requests": ("route.1.jsonl", "route.jsonl"),
    "engine": ("engine.log",),
}
WHY_NONE: dict[Which, str] = {
    "peer": "no peer has served from it",
    "requests": "no request was made",
    "engine": "no embedded engine ran",
}


def logs(
    which: Annotated[
        Which,
        typer.Argument(
            help="`peer`: what it said; `requests`: what became of each; `engine`: of the embedded one.",
            show_default=False,
        ),
    ] = "peer",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay, and show lines as they come.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 40,
    home: HomeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Requests as they are kept, one JSON object a line.")] = False,
) -> None:
    """Show the last lines that the peer of this home wrote, while it runs or afterwards. No line holds a prompt.

    Example: ppai logs -f

    Example: ppai logs requests -n 100 --json
    """
    if as_json and which != "requests":
        raise typer.BadParameter("only requests are kept as JSON: ppai logs requests --json", param_hint="--json")
    from gateway.cli.running.screen import request_line

    folder = home_of(home).path
    files = [folder / name for name in FILES[which]]
    shown: Callable[[str], str] = request_line if which == "requests" and not as_json else str
    last, place = deque[str](maxlen=lines), _Place()
    for file in files:
        found, place = _read(file, _Place())
        last.extend(found)
    for line in last:
        show(shown(line))
    if not any(map(Path.exists, files)):
        say(f"there is no {files[-1].name} in {folder} yet: {WHY_NONE[which]}")
    if follow:
        for line in _following(files, place):
            show(shown(line))


class _Place(NamedTuple):
    """Up to where a file was read; `file`: which one, for names change."""

    file: int | None = None
    at: int = 0


def _following(files: Sequence[Path], place: _Place) -> Iterator[str]:
    """Lines as they are appended to the last of `files`, which becomes the first when it is full; for ever."""
    while True:
        found, now = _read(files[-1], place)
        if now.file != place.file and place.file is not None:
            yield from _read(files[0], place, only_same=True)[0]  # what came to the old one after our last look
        yield from found
        if not found and now == place:
            time.sleep(LOOK_S)
        place = now


def _read(path: Path, place: _Place, *, only_same: bool = False) -> tuple[list[str], _Place]:
    """(whole lines after this place, the place after them); of another file or one that was emptied, all of them.

    `only_same`: nothing of another file. One that is not there has no lines.
    """
    try:
        with path.open("rb") as opened:
            found = os.fstat(opened.fileno())
            is_same = found.st_ino == place.file
            if only_same and not is_same:
                return [], place
            at = place.at if is_same and place.at <= found.st_size else 0
            opened.seek(at)
            read = opened.read()
    except OSError:
        return [], place
    *lines, _ = read.split(b"\n")
    return [line.decode("utf-8", "replace") for line in lines], _Place(found.st_ino, at + read.rfind(b"\n") + 1)
