"""ppai open: the page of the running peer, in a browser."""

import os
import sys
from typing import Annotated

import typer

from gateway.cli.options import HomeOption, home_of, say, show


def open_page(
    only_print: Annotated[bool, typer.Option("--print", help="Print the link and start no browser.")] = False,
    home: HomeOption = None,
) -> None:
    """Open the page of this peer as its owner; the link works once, within ten minutes.

    Example: ppai open --print
    """
    import webbrowser

    from gateway.cli.own_peer import OwnPeer

    url = OwnPeer(home_of(home)).post("/ppai/v1/page/ticket", {})["url"]
    show(url)
    if only_print:
        return
    if not has_screen():
        say("no screen here: open the link in a browser of this machine; from another one, first run there")
        say(f"  {tunnel(url)}")
    elif not webbrowser.open(url):
        say("no browser could be started: open the link yourself")


def has_screen() -> bool:
    """Whether a browser with windows can be started here; one in a terminal would take the terminal away."""
    if sys.platform in ("win32", "darwin"):
        return not os.environ.get("SSH_CONNECTION")
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def tunnel(url: str) -> str:
    """What makes this machine's port the same port on another machine."""
    port = url.split("/#")[0].rpartition(":")[2]
    return f"ssh -L {port}:127.0.0.1:{port} THIS-MACHINE"
