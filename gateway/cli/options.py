"""What the commands share: their common options, the home and configuration behind them, and how they speak.

Humans read stderr, machines stdout (--json).
"""

import json
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from gateway.wire.text import visible

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.home.folder import Home

HomeOption = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
    typer.Option("--home", metavar="DIR", help="The peer's folder (default: $PPAI_HOME or ~/.ppai)."),
]
ConfigOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--config", metavar="FILE", help="A configuration file (default: config.yaml in the home folder)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def home_of(path: Path | None) -> "Home":
    """The home that a command works on."""
    from gateway.home.folder import Home

    return Home(path.expanduser().absolute()) if path else Home.default()


def load(home: "Home", file: Path | None, flags: dict[str, object]) -> "Config":
    """The configuration in force. Raises ConfigError."""
    from gateway.config import load_config

    if file is None and home.config_file.exists():
        file = home.config_file
    return load_config(file, os.environ, flags)


def seconds_of(text: str) -> float:
    """The seconds of `90s`, `30m`, `1h`, `2d`, or of a number. Raises BadParameter."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    found = re.fullmatch(r"([0-9]{1,9}(?:[.][0-9]{1,3})?)\s*([smhd]?)", text.strip().lower())
    if found is None or not float(found[1]):
        raise typer.BadParameter(f"`{text}` is no duration: write 90s, 30m, 1h or 2d")
    return float(found[1]) * units[found[2] or "s"]


def say(text: str, end: str = "\n") -> None:
    """A line for the human. Where nobody reads it any more, such as a pipe whose reader has gone, it is lost."""
    with suppress(OSError):
        print(visible(text), end=end, file=sys.stderr, flush=True)


def draw(dots: Sequence[Sequence[bool]]) -> None:
    """A picture for the human, two rows of dots in one line: black on white, whatever the terminal's colours are."""
    characters = {(False, False): " ", (False, True): "▄", (True, False): "▀", (True, True): "█"}
    below = [*dots[1:], [False] * len(dots[0])]
    for upper, lower in zip(dots[::2], below[::2], strict=True):
        line = "".join(characters[pair] for pair in zip(upper, lower, strict=True))
        with suppress(OSError):
            print(f"\x1b[30;47m{line}\x1b[0m", file=sys.stderr, flush=True)


def show(text: str, end: str = "\n") -> None:
    """What the human asked for, on stdout. Names, answers and problems in it are others' words: see `visible`."""
    print(visible(text), end=end, flush=True)


def show_json(value: object) -> None:
    """One JSON value on stdout, for a program. It holds every character as an escape."""
    print(json.dumps(value))


def stderr_console() -> Any:
    """rich's console for progress bars; rich is imported by the commands that draw one."""
    from rich.console import Console

    return Console(stderr=True)
