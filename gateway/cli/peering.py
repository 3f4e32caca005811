"""ppai peers, approve, revoke: whom we know, and whom we deal with."""

from typing import Annotated, Any

import typer

from gateway.cli.options import HomeOption, JsonOption, home_of, say, show, show_json


def peers(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the peers known: the address we reach them at, state and why, rights, load and its age, agents."""
    from discovery.names import id_shown, quoted
    from gateway.cli.own_peer import OwnPeer

    own = OwnPeer(home_of(home))
    found = own.get("/ppai/v1/peers")
    if as_json:
        show_json(found)
        return
    for peer in found:
        load = "" if peer["age_s"] is None else f"{peer['running']}+{peer['waiting']} jobs, {peer['age_s']:.0f} s ago"
        rights = "+".join(peer["rights"]) or "not approved"
        models = ", ".join(agent["model"] for agent in peer["agents"]) or "no agent"
        why = f" ({peer['reason']})" if peer["state"] != "alive" and peer["reason"] else ""
        path = peer["path"] or "calls us"
        who = f"{quoted(peer['name']):20} {id_shown(peer['id']):11}"
        show(f"{who} {path:21} {peer['state'] + why:10} {rights:14} {load:22} {models}")
    if not found:
        say("no peers yet: start another one on this network, or name one with --seed HOST:PORT")
    status = own.get("/ppai/v1/status")
    for line in status["say"]:
        say(line)
    for refused in status["network"]["refused"]:
        say(f"kept out: {quoted(refused['name'])} {refused['id']}: {refused['why']}")


def approve(
    names: Annotated[list[str], typer.Argument(help="Peers' names or ids; of an id the first characters do.")],
    home: HomeOption = None,
) -> None:
    """Let peers send us work, and send them ours."""
    from gateway.cli.own_peer import OwnPeer

    for who in names:
        changed = OwnPeer(home_of(home)).post("/ppai/v1/approve", {"who": who})
        show(f"{_called(changed)} may ask us and answer us; it must approve this peer too")


def revoke(
    names: Annotated[list[str], typer.Argument(help="Peers' names or ids; of an id the first characters do.")],
    home: HomeOption = None,
) -> None:
    """Take both rights away from peers, whatever the admission mode would grant."""
    from gateway.cli.own_peer import OwnPeer

    for who in names:
        changed = OwnPeer(home_of(home)).post("/ppai/v1/revoke", {"who": who})
        show(f"{_called(changed)} may no longer ask us, nor be asked")


def _called(changed: dict[str, Any]) -> str:
    """Whose rights were changed: the name alone could be anybody's."""
    from discovery.names import quoted

    return f"{quoted(changed['name']) if changed['name'] else 'a peer not met yet,'} {changed['peer']}"
