"""What the commands share: their common options, the home and configuration behind them, and how they speak.

Humans read stderr, machines stdout (--json).
"""

import json
import os
import sys
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


def say(text: str) -> None:
    """A line for the human. Where nobody reads it any more, such as a pipe whose reader has gone, it is lost."""
    with suppress(OSError):
        print(visible(text), file=sys.stderr, flush=True)


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
