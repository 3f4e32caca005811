"""ppai doctor: what is wrong, one line a check, with the remedy; and a file of it that may be posted."""

import datetime
import os
import platform
import socket
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.options import ConfigOption, HomeOption, home_of, load, say, show, show_json

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.doctor.examining import Running
    from gateway.doctor.finding import Finding
    from gateway.home.folder import Home

MARKS = {True: "ok  ", False: "FAIL", None: "-   "}


def doctor(
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list on stdout.")] = False,
    bundle: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also write a zip that may be posted: no address, name, key or prompt in it."
        ),
    ] = None,
) -> None:
    """Look for what is wrong with this peer, its machine, its engines and its network. Exit 1 where a check fails.

    Example: ppai doctor

    Example: ppai doctor --bundle trouble.zip
    """
    from gateway.doctor.examining import Running, examine

    place = home_of(home)
    if bundle is not None and bundle.exists():
        raise typer.BadParameter(f"{bundle} is there already: name another file", param_hint="--bundle")
    settings, peer = _settings(place, config), _peer(place)
    found = examine(place, settings, peer, datetime.datetime.now(datetime.UTC))
    if as_json:
        show_json([asdict(one) for one in found])
    else:
        for one in found:
            show(_line(one))
        failed = sum(one.ok is False for one in found)
        say(f"{failed} of {len(found)} checks failed" if failed else f"none of {len(found)} checks failed")
    if bundle is not None:
        _write_bundle(bundle, found, settings, peer if isinstance(peer, Running) else None, place)
    if any(one.ok is False for one in found):
        raise typer.Exit(1)


def _line(found: "Finding") -> str:
    remedy = f"; remedy: {found.remedy}" if found.remedy else ""
    return f"{MARKS[found.ok]}  {found.id}  {found.said}{remedy}"


def _settings(home: "Home", file: Path | None) -> "Config | str":
    """The settings in force, or why a peer does not start with them."""
    from gateway.runtime.running import check

    try:
        config = load(home, file, {})
        check(config, home)
    except Exception as error:  # each part has errors of its own; a bug goes on its way below
        if type(error).__module__.split(".")[0] not in ("gateway", "discovery", "profiler"):
            raise  # a bug
        return str(error)
    return config


def _peer(home: "Home") -> "Running | str | None":
    """The peer that runs from the home; None where none does; a text says why one that runs does not answer."""
    from discovery.private_files import OpenToOthers
    from gateway.cli.own_peer import NotRunning, OwnPeer, PeerRefused
    from gateway.doctor.examining import Running

    try:
        if home.running() is None:
            return None
        peer = OwnPeer(home)
        looks = _looks(peer)  # first: what they find is in the pages
        return Running(
            peer.url, peer.get("/ppai/v1/status"), peer.get("/ppai/v1/peers"), lambda body: _asked(peer, body), looks
        )
    except (NotRunning, PeerRefused, OpenToOthers) as error:
        return str(error)


def _looks(peer: Any) -> Any:
    """What other peers find who dial ours back now; None of a peer of an earlier version."""
    from gateway.cli.own_peer import NotRunning, PeerRefused

    try:
        return peer.post("/ppai/v1/look", {})
    except (NotRunning, PeerRefused):
        return None


def _asked(peer: Any, body: Any) -> str:
    """Why our own engine did not answer a chat request that stays here; empty where it did."""
    from gateway.cli.own_peer import NotRunning, PeerRefused

    try:
        peer.post("/v1/chat/completions", body, {"x-ppai-route": "local"})
    except (NotRunning, PeerRefused) as error:
        return str(error)
    return ""


def _write_bundle(
    file: Path, found: "list[Finding]", settings: "Config | str", peer: "Running | None", home: "Home"
) -> None:
    """Say what the zip will hold, then write it."""
    from gateway.config import groups
    from gateway.doctor.bundle import files_of, names_in, zipped
    from profiler import bugs

    pages: dict[str, Any] = {"versions": {"version": [bugs.installed(), platform.python_version(), platform.system()]}}
    if not isinstance(settings, str):
        pages["settings"] = settings
    if peer:
        pages |= {"status": peer.status, "peers": list(peer.peers)}
    names = {str(home.path), str(Path.home()), socket.gethostname(), _user()} | names_in(
        [peer.status, peer.peers] if peer else []
    )
    files = files_of(found, pages, names, groups())
    say(f"{file} will hold, with addresses, names and paths replaced by their kind, and no key or prompt:")
    for name, content in files.items():
        say(f"  {name}  {len(content)} bytes")
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(zipped(files))
    say(f"wrote {file}")


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
