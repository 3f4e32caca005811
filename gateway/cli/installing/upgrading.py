"""ppai upgrade: which PPAI this is, and the commands that bring a newer one where it was installed like this."""

import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.cli.options import HomeOption, home_of, say, show

if TYPE_CHECKING:
    from gateway.home.folder import Home

IMAGE = PurePath("/opt/ppai/venv")  # where the packages lie in our image (Dockerfile)


@dataclass(frozen=True, slots=True)
class Installed:
    """How this PPAI came here, as pip and its like note it down (PEP 610)."""

    python: str  # the interpreter's path
    prefix: PurePath  # of its environment
    folder: str = ""  # that it was installed from
    is_editable: bool = False  # the code runs from `folder` itself
    repository: str = ""  # that it was fetched from, by git


def upgrade(home: HomeOption = None) -> None:
    """Show the commands that upgrade PPAI here, and whether the peer that runs is of the version installed.

    Nothing is asked of any server, and nothing is changed.

    Example: ppai upgrade
    """
    from profiler import bugs

    place, installed = home_of(home), _installed()
    found = commands(installed)
    say(f"this is PPAI {bugs.installed()}; {_INTRODUCED[bool(found)]}")
    for line in (*found, *([] if installed.prefix == IMAGE else _restart(place))):
        show(line)
    say(f"upgrading leaves your identity and approvals as they are: they lie in {place.path}")
    _say_of_the_peer(place, bugs.installed())


_INTRODUCED = {
    True: "a newer one comes by, in this order:",
    False: "it is not told where it came from: install the newer one as you did this one, then:",
}


def commands(installed: Installed) -> list[str]:
    """What brings a newer version, a shell's command each; nothing where it is not told where this one came from."""
    python, parts = shlex.quote(installed.python), installed.prefix.parts
    if installed.prefix == IMAGE:
        return ["git pull", "docker compose build --pull", "docker compose up --detach"]  # on the host, in the clone
    if not installed.folder:
        source = shlex.quote(f"ppai @ git+{installed.repository}")
        return [f"{python} -m pip install --upgrade {source}"] if installed.repository else []
    fetch = [f"cd {shlex.quote(installed.folder)}", "git pull"]
    if installed.is_editable:
        return [*fetch, "make install"]
    if "pipx" in parts:
        return [*fetch, "pipx install --force ."]
    if "uv" in parts and "tools" in parts:
        return [*fetch, "uv tool install --force ."]
    locked = f"{python} -m pip install --require-hashes -r constraints.txt -r constraints-build.txt"
    return [*fetch, locked, f"{python} -m pip install --no-deps --no-build-isolation ."]


def _installed() -> Installed:
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.request import url2pathname

    python, prefix = sys.executable, PurePath(sys.prefix)
    try:
        noted = json.loads(distribution("ppai").read_text("direct_url.json") or "{}")
        url, folder = noted.get("url", ""), noted.get("dir_info")
        if folder is not None and url.startswith("file:"):
            is_editable = bool(folder.get("editable"))
            return Installed(python, prefix, url2pathname(urlsplit(url).path), is_editable)
        return Installed(python, prefix, repository=url if "vcs_info" in noted else "")
    except (PackageNotFoundError, ValueError, AttributeError, TypeError):
        return Installed(python, prefix)


def _restart(home: "Home") -> list[str]:
    """How the peer of this home begins anew."""
    from gateway.cli.installing.service import restart_command
    from gateway.cli.own_peer import serving

    again = restart_command(home)
    return [again] if again else ["ppai stop" + serving(home).removeprefix("ppai serve"), serving(home)]


def _say_of_the_peer(home: "Home", version: str) -> None:
    from gateway.cli.own_peer import NotRunning, OwnPeer, PeerRefused

    try:
        runs = OwnPeer(home).get("/ppai/v1/status").get("version", "an older one")
    except (NotRunning, PeerRefused):
        return
    if runs != version:
        say(f"the peer that runs is of version {runs}: it goes on so until it is started again")
