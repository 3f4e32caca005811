"""ppai secret: who knows the network's secret, and a new one for those who are to go on."""

import secrets

from gateway.cli.options import HomeOption, JsonOption, home_of, load, say, show, show_json
from gateway.cli.setup import say_whether_it_counts


def secret_new(home: HomeOption = None) -> None:
    """Make a new secret, from the next start of this peer on: whoever knows the old one alone is then kept out.

    Example: ppai secret new
    """
    from gateway.cli.own_peer import serving

    place = home_of(home)
    place.prepare()
    config = load(place, None, {})  # a mistake in it is told before anything is written
    with place.edited():
        if place.secret_file.exists():
            place.secret_file.replace(place.secret_file.with_name("secret.before"))
        place.write_private(place.secret_file.name, secrets.token_hex(16).encode() + b"\n")
    show(f"wrote {place.secret_file}: a new secret")
    say_whether_it_counts(config)
    say(f"it counts from the next start on: end the peer that runs, and then {serving(place)}")
    say("whom you keep: `ppai invite --secret` here, `ppai join --secret LINE` there, and start that peer again")


def secret_holders(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List who has shown this peer that he knows the secret. `ppai revoke ID` shuts out one of them.

    Example: ppai secret holders
    """
    from discovery.names import with_id
    from gateway.cli.own_peer import OwnPeer

    network = OwnPeer(home_of(home)).get("/ppai/v1/status")["network"]
    if as_json:
        show_json({key: network[key] for key in ("holders", "new_ids_wait")})
        return
    for holder in network["holders"]:
        show(f"{with_id(holder['name'] or 'a peer not met since', holder['peer'])}  {holder['peer']}")
    if network["admission"] != "secret":
        say(f"the network's admission is {network['admission']}, which asks for no secret")
    elif not network["holders"]:
        say("nobody has shown it yet")
    if network["new_ids_wait"]:
        say("one of them was revoked: others who show the secret wait for `ppai approve ID`, until `ppai secret new`")
