"""ppai init, pull, config: what a peer needs before it can serve."""

import secrets
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.options import ConfigOption, HomeOption, home_of, load, say, show, stderr_console

if TYPE_CHECKING:
    from gateway.config import Config


def init(
    home: HomeOption = None,
    secret: Annotated[
        str | None,
        typer.Option(
            metavar="SECRET",
            help="Join a network by the secret that another peer's `init` printed; `-` reads it from standard input.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing configuration and secret.")] = False,
) -> None:
    """Make a home: a configuration file to edit, and the network's secret. In a home that is there, --secret alone sets
    the secret, and nothing else.

    Example: ppai init

    Example: ppai init --secret -
    """
    from discovery.secret_strength import require_strong
    from gateway.cli.own_peer import serving
    from gateway.config import data_dir
    from gateway.home.folder import HomeError

    if secret == "":
        raise typer.BadParameter("it is empty; leave --secret out to make a new secret", param_hint="--secret")
    place = home_of(home)
    made = sys.stdin.readline().strip() if secret == "-" else secret or secrets.token_hex(16)
    if secret:
        require_strong(made.encode())
    place.prepare()
    with place.edited():
        had_secret, keeps = place.secret_file.exists(), place.config_file.exists() and not force
        if not force and not secret and (had_secret or keeps):
            there = place.config_file if keeps else place.secret_file
            raise HomeError(
                f"{there} is there already: edit it; set another secret with `ppai init --secret SECRET`; or make all"
                " anew with --force"
            )
        kept = load(place, None, {}) if keeps else None  # a mistake in it is told before anything is written
        place.write_private(place.secret_file.name, made.encode() + b"\n")
        say(f"wrote {place.secret_file}: whoever knows this secret is a peer of yours")
        if kept is None:
            place.write_private(place.config_file.name, (data_dir() / "default.yaml").read_bytes())
            say(f"wrote {place.config_file}: every key with its meaning and default")
    if kept is not None:
        say(f"left {place.config_file} as it is")
        say_whether_it_counts(kept)
    if not secret:
        show(made)
        say("on each of your other machines run: ppai init --secret with the line above")
    elif had_secret:
        say("peers that hold the secret of before are strangers from the next start on")
    say(f"next: {serving(place)}")


def say_whether_it_counts(config: "Config") -> None:
    """Say where something else names the secret or the mode: the secret in the home does not count then."""
    network = config.network
    for key, value in (("network.secret", network.secret), ("network.secret_file", network.secret_file)):
        if value:
            say(f"but `{key}` is set, in config.yaml or the environment, and counts instead: remove it")
    if network.admission not in ("auto", "secret"):
        say(f"but `network.admission` is {network.admission}, which asks for no secret: set it to auto")


def pull(
    names: Annotated[
        list[str], typer.Argument(help="`smollm2` (a small chat model), `encoder` (what routing by topic needs).")
    ],
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="Take the files from here, also where some are there already."),
    ] = None,
    hub: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Take them from this Hugging Face repository.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Fetch the small model or the encoder into the home folder.

    Example: ppai pull encoder
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from gateway.home.pull import PullError
    from gateway.home.pull import pull as fetch
    from gateway.home.weights import CATALOGUE
    from gateway.topics.background import read_all
    from profiler.encoder import load_encoder

    if source and hub:
        raise typer.BadParameter("--from and --hub name two places to take the files from: leave one out")
    unknown = [name for name in names if name not in CATALOGUE]
    if unknown:
        raise PullError(f"there is no `{unknown[0]}` to pull; there are: {', '.join(CATALOGUE)}")
    weights = home_of(home).weights
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    for name in names:
        with Progress(*columns, console=stderr_console()) as bar:
            path = fetch(name, weights, partial(_show, bar, bar.add_task(name, total=None)), source=source, hub=hub)
        if name == "encoder":
            encoder = load_encoder(path)  # makes its graph, once: the first routed query need not wait for that
            with Progress(TextColumn("{task.description}"), BarColumn(), console=stderr_console()) as bar:
                task = bar.add_task("reading what topics are compared with", total=None)
                read_all(encoder, home_of(home).background, partial(_read_so_far, bar, task))
        show(f"{name} is in {path}")


def config_show(home: HomeOption = None, config: ConfigOption = None) -> None:
    """Print the configuration in force, as YAML.

    Example: ppai config show
    """
    from gateway.config import as_yaml

    show(as_yaml(load(home_of(home), config, {})), end="")


def config_check(home: HomeOption = None, config: ConfigOption = None) -> None:
    """Check the configuration file and the environment as `ppai serve` does; exit 1 with the first mistake.

    Example: ppai config check
    """
    from gateway.runtime.running import check

    peer_home = home_of(home)
    check(load(peer_home, config, {}), peer_home)
    show("the configuration is valid")


def _read_so_far(bar: Any, task: Any, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def _show(bar: Any, task: Any, done: int, total: int | None, what: str) -> None:
    bar.update(task, completed=done, total=total, description=what)
