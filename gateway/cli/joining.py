"""ppai invite, invites, uninvite, join: let one more machine in, in one step."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.options import (
    ConfigOption,
    HomeOption,
    JsonOption,
    draw,
    home_of,
    load,
    say,
    seconds_of,
    show,
    show_json,
)

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.home.folder import Home

LINE_OPEN, PIN_OPEN = "1h", "10m"
REFUSED, UNREACHABLE = 4, 5  # exit codes of `ppai join`, besides everybody's 0 to 3
RightsOption = Annotated[
    str, typer.Option("--rights", metavar="ask,answer", help="`ask`: may ask us; `answer`: may be asked by us.")
]


def invite(
    label: Annotated[str | None, typer.Option("--for", metavar="NAME", help="Whom it is for, as you call him.")] = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="1h", help=f"How long it is open (default: {LINE_OPEN}, a PIN {PIN_OPEN})."),
    ] = None,
    rights: RightsOption = "ask,answer",
    pin: Annotated[bool, typer.Option("--pin", help="Six digits to type on a machine of the same network.")] = False,
    mine: Annotated[bool, typer.Option("--mine", help="The machine is yours, too: see `ppai approve --mine`.")] = False,
    secret: Annotated[
        bool, typer.Option("--secret", help="Give the network's secret with it: the machine may then be a peer of all.")
    ] = False,
    qr: Annotated[bool, typer.Option("--qr/--no-qr", help="Draw the line as a QR code, too, on a terminal.")] = True,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Invite one machine: prints a line to paste there after `ppai join`. It lets one machine in, once.

    Example: ppai invite

    Example: ppai invite --pin --for ben
    """
    from gateway.cli.own_peer import OwnPeer

    seconds = seconds_of(expires or (PIN_OPEN if pin else LINE_OPEN))
    asked = {"for": label, "expires_s": seconds, "rights": _words(rights), "pin": pin, "mine": mine, "secret": secret}
    made = OwnPeer(home_of(home)).post("/ppai/v1/invite", asked)
    key = "pin" if pin else "line"
    if as_json:
        show_json({name: made[name] for name in (key, "expires", "for", "rights")})
        return
    if qr and not pin and sys.stderr.isatty():
        _draw(made[key])
    show(f"{made[key][:3]} {made[key][3:]}" if pin else made[key])
    who = f" {made['for']}" if made["for"] else ""
    what = "type these digits after `ppai join --pin`" if pin else "paste the line after `ppai join`"
    say(f"on the machine that you invite{who}: {what}. It counts once, and until {_at(made['expires'])}")
    if all(where.startswith(("127.", "[::1]")) for where in made["addresses"]) and not pin:
        say(f"only this machine reaches {', '.join(made['addresses'])}: set network.advertise, or --peer-host of serve")
    say(f"whoever has it first is let in; take it back with: ppai uninvite {made['for'] or made['id']}")


def invites(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List invitations: those open, and what became of those of the last days.

    Example: ppai invites
    """
    from gateway.cli.own_peer import OwnPeer

    found = OwnPeer(home_of(home)).get("/ppai/v1/invites")
    if as_json:
        show_json(found)
        return
    for one in found:
        show(_row(one))
    if not found:
        say("no invitations: make one with `ppai invite`")


def uninvite(
    who: Annotated[list[str] | None, typer.Argument(help="Whom they are for, or their ids.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="All that are open.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Withdraw invitations that nobody has used yet. Who has joined by one is shut out with `ppai revoke`.

    Example: ppai uninvite ben
    """
    from gateway.cli.own_peer import OwnPeer

    if bool(who) == everybody:
        raise typer.BadParameter("name whom or which, or give --all", param_hint="WHO")
    own = OwnPeer(home_of(home))
    wanted: Sequence[str | None] = who or (None,)
    ended = [row for one in wanted for row in own.post("/ppai/v1/uninvite", {"who": one})]
    if as_json:
        show_json(ended)
        return
    for row in ended:
        show(f"the invitation for {row['for'] or row['id']} no longer lets anybody in")
    if not ended:
        say("no invitation was open")


def join(
    line: Annotated[
        list[str] | None, typer.Argument(metavar="LINE", help="What `ppai invite` printed; `-` reads it from stdin.")
    ] = None,
    pin: Annotated[
        bool, typer.Option("--pin", help="Join by six digits, which are asked for, or read from stdin.")
    ] = False,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", metavar="IP:PORT", help="With --pin: where the inviter is, instead of by mDNS."),
    ] = None,
    rights: RightsOption = "ask,answer",
    mine: Annotated[bool, typer.Option("--mine", help="Who invited is a machine of yours, too.")] = False,
    secret: Annotated[
        bool,
        typer.Option("--secret", help="Take the network's secret that comes with it, also in place of another one."),
    ] = False,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Join the machine that invited this one: both may then ask and answer each other, at once.

    Works with and without a running peer here. Exit codes: 4 the invitation is no good (used, withdrawn, expired, wrong
    PIN), 5 who invited cannot be reached; 0 to 3 as everywhere.

    Example: ppai join PPAI1:...

    Example: ppai join --pin
    """
    from gateway.cli.own_peer import OwnPeer, PeerRefused, serving

    if bool(line) == pin or (at and not pin):
        raise typer.BadParameter("give the line, or --pin and maybe --at", param_hint="LINE")
    place, asked = home_of(home), dict[str, Any](rights=_words(rights), mine=mine, secret=secret)
    running = place.running() is not None
    settings = None if running and not pin else load(place, config, {})
    if pin:
        digits = _read("PIN: ")
        asked |= {"pin": digits, "at": at or _nearby(settings)}
    else:
        text = " ".join(line or [])
        asked["line"] = _read("line: ") if text == "-" else text
    try:
        joined = OwnPeer(place).post("/ppai/v1/join", asked) if running else _alone(place, settings, asked)
    except PeerRefused as error:
        if error.status not in (403, 502):
            raise
        say(f"error: {error}")
        raise typer.Exit(REFUSED if error.status == 403 else UNREACHABLE) from error
    for said in joined["say"]:
        say(said)
    if as_json:
        show_json({key: joined[key] for key in ("peer", "name", "rights")})
        return
    may = " and ".join({"ask": "ask us", "answer": "answer us"}[right] for right in joined["rights"]) or "do nothing"
    show(f"joined {_quoted(joined['name'])} {joined['peer']}: it may {may}")
    if not running:
        say(f"next: {serving(place)}")


def _alone(place: "Home", config: "Config | None", asked: Mapping[str, Any]) -> dict[str, Any]:
    """Join where no peer runs: the home and its identity are made if there is none."""
    import asyncio
    import socket

    from discovery.invites import rights_of
    from gateway.cli.own_peer import PeerRefused
    from gateway.peering.invitations import Invitation, JoinFailed, Terms, join_alone

    assert config is not None, "without a running peer, its settings are read"
    place.prepare()
    try:
        with place.held():
            name = config.name or socket.gethostname()
            invitation = Invitation.read(asked.get("line", ""), asked.get("pin", ""), asked.get("at", ()))
            network, is_new = config.network, not place.config_file.exists()
            if is_new and invitation.line and network.name == type(network)().name:  # a new home takes the inviter's
                network = replace(network, name=invitation.line.net)
            terms = Terms(rights_of(asked["rights"]), asked["mine"], asked["secret"])
            friend = asyncio.run(join_alone(network, place.path, name, invitation, terms))
            if network.name != config.network.name:
                place.write_private(place.config_file.name, f"network:\n  name: {json.dumps(network.name)}\n".encode())
                say(f"wrote {place.config_file}: this machine's network is {network.name}")
    except JoinFailed as error:
        raise PeerRefused(str(error), 403 if error.is_refusal else 502) from error
    return {"peer": friend.peer, "name": friend.name, "rights": friend.rights, "say": friend.say}


def _nearby(config: "Config | None") -> list[str]:
    import asyncio

    from gateway.peering.invitations import JoinFailed, peers_nearby

    assert config is not None, "with a PIN, settings are read"
    if not config.network.mdns:
        raise typer.BadParameter("`network.mdns` is off here: say where the inviter is", param_hint="--at")
    say("looking for peers on this network ...")
    try:
        found = asyncio.run(peers_nearby(config.network.name, config.peer.host))
    except JoinFailed as error:
        say(f"error: {error}")
        raise typer.Exit(UNREACHABLE) from error
    if not found:
        say("error: no peer was found on this network: say where it is, --at HOST:PORT, or join by a line")
        raise typer.Exit(UNREACHABLE)
    return found


def _words(rights: str) -> list[str]:
    words = [word.strip() for word in rights.split(",") if word.strip()]
    if not words or set(words) - {"ask", "answer"}:
        raise typer.BadParameter("write `ask`, `answer` or `ask,answer`", param_hint="--rights")
    return words


def _read(prompt: str) -> str:
    """One line of what a person types or a script pipes in."""
    if sys.stdin.isatty():
        say(prompt, end="")
    return sys.stdin.readline().strip()


def _row(one: Mapping[str, Any]) -> str:
    state = one["state"] if one["state"] != "open" else f"open until {_at(one['expires'])}"
    if one["used_by"]:
        state += f" by {_quoted(one['used_by']['name'])} {one['used_by']['peer']}"
    if one["state"] == "open" and one["tries_left"] is not None:
        state += f", {one['tries_left']} tries left"
    if one["refused"]:
        state += f", {one['refused']} turned away"
    kind = "by PIN" if one["by"] == "pin" else "by line"
    return f"{one['id']}  {_quoted(one['for']) if one['for'] else '-'}  {kind}  {','.join(one['rights'])}  {state}"


def _at(unix_s: int) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(unix_s).strftime("%H:%M on %d %B")


def _quoted(name: str) -> str:
    from discovery.names import quoted

    return quoted(name)


def _draw(line: str) -> None:
    import segno

    draw([list(map(bool, row)) for row in segno.make(line, error="l").matrix_iter(border=2)])
