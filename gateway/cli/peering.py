"""ppai peers, approve, revoke: whom we know, and whom we deal with."""

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from gateway.cli.layout import width
from gateway.cli.options import HomeOption, JsonOption, home_of, say, seconds_of, show, show_json


def peers(
    ledger: Annotated[bool, typer.Option("--ledger", help="What each peer and this one gave each other.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List this peer and all that it knows: state and why, rights, load and its age, address, models.

    Example: ppai peers

    Example: ppai peers --ledger
    """
    from gateway.cli.own_peer import OwnPeer
    from gateway.cli.pages import NOT_MEASURED, are_all_measured, peer_lines

    own = OwnPeer(home_of(home))
    if ledger:
        _show_ledger(own, as_json)
        return
    found = own.get("/ppai/v1/peers")
    if as_json:
        show_json(found)
        return
    status = own.get("/ppai/v1/status")
    for line in peer_lines(found, status, width()):
        show(line)
    if not are_all_measured(found, status):
        say(NOT_MEASURED)
    if not found:
        say("no other peers yet: start one on this network, or name one with --seed HOST:PORT")
    for line in status["say"]:
        say(line)


def approve(
    names: Annotated[list[str], typer.Argument(help="Peers' names or ids; of an id the first characters do.")],
    mine: Annotated[
        Optional[bool],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--mine/--not-mine", help="They are your own machines: rules let more go there than to others."),
    ] = None,
    relay: Annotated[
        Optional[bool],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--relay/--no-relay", help="They may be reached through this peer, if it is a relay."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Let peers send us work, and send them ours.

    Example: ppai approve ben

    Example: ppai approve --mine ben cleo
    """
    from gateway.cli.own_peer import OwnPeer

    for who in names:
        said = {"who": who, **{key: tag for key, tag in (("mine", mine), ("relay", relay)) if tag is not None}}
        changed = OwnPeer(home_of(home)).post("/ppai/v1/approve", said)
        tagged = ", is one of your own machines" if changed.get("mine") else ""
        tagged += ", may be reached through this peer" if relay else ""
        show(f"{_called(changed)} may ask us and answer us{tagged}; it must approve this peer too")


def revoke(
    names: Annotated[list[str], typer.Argument(help="Peers' names or ids; of an id the first characters do.")],
    home: HomeOption = None,
) -> None:
    """Take both rights away from peers, whatever the admission mode would grant.

    Example: ppai revoke ben
    """
    from gateway.cli.own_peer import OwnPeer

    for who in names:
        changed = OwnPeer(home_of(home)).post("/ppai/v1/revoke", {"who": who})
        show(f"{_called(changed)} may no longer ask us, nor be asked")


def pause(
    duration: Annotated[str, typer.Argument(metavar="[DURATION]", help="Such as 90s, 30m, 2h, 1d.")] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let others have nothing of this machine, for a while or until `ppai resume`; your own requests go on.

    Example: ppai pause 2h
    """
    seconds = seconds_of(duration) if duration else None
    _share(home, as_json, {"do": "pause", "seconds": seconds})


def resume(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Let others use this machine again, within your hours and rules.

    Example: ppai resume
    """
    _share(home, as_json, {"do": "resume"})


def drain(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Take nothing new of others, finish what they have here, say goodbye and end the peer.

    Example: ppai drain
    """
    _share(home, as_json, {"do": "drain"})


def _share(home: Path | None, as_json: bool, asked: dict[str, Any]) -> None:
    from gateway.cli.own_peer import OwnPeer

    found = OwnPeer(home_of(home)).post("/ppai/v1/sharing", asked)
    if as_json:
        show_json(found)
        return
    running = found["remote_running"]
    left = f"; {running} of their jobs go on to their end" if running and found["kept_shut"] else ""
    show(f"others get nothing: {found['kept_shut']}{left}" if found["kept_shut"] else "others may use this machine")


def _show_ledger(own: Any, as_json: bool) -> None:
    from gateway.cli.pages import tab_lines

    found = own.get("/ppai/v1/tabs")
    if as_json:
        show_json(found)
        return
    for line in tab_lines(found, width()):
        show(line)
    if not found:
        say("no peer had an answer from this one or gave it one yet")


def _called(changed: dict[str, Any]) -> str:
    """Whose rights were changed: the name alone could be anybody's."""
    from discovery.names import quoted

    return f"{quoted(changed['name']) if changed['name'] else 'a peer not met yet,'} {changed['peer']}"
