"""ppai key: who may use this peer's client side."""

import time
from typing import Annotated

import typer

from gateway.cli.options import HomeOption, JsonOption, home_of, say, show, show_json

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Whom or what the key is for.")]


def key_add(name: NameArgument, home: HomeOption = None) -> None:
    """Make an API key and print it, once. With the first one, clients need a key.

    Example: ppai key add phone
    """
    from gateway.client.api_keys import LOOK_S, ApiKeys

    if not name.strip():
        raise typer.BadParameter("it is empty: say whom or what the key is for", param_hint="NAME")
    place = home_of(home)
    place.prepare()
    with place.edited():
        key = ApiKeys(place.api_keys_file).add(name)
    time.sleep(LOOK_S)  # a peer that runs knows of it when this command ends
    show(key)
    say(f"this is `{name}`'s key: it is not kept here, only its hash. Clients send it as their API key")


def key_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List whom keys were made for.

    Example: ppai key list
    """
    from gateway.client.api_keys import ApiKeys

    names = ApiKeys(home_of(home).api_keys_file).names
    if as_json:
        show_json(names)
    elif names:
        show("\n".join(names))
    if not names:
        say("no keys: this machine's programs need none, nobody else gets in; make one with: ppai key add NAME")


def key_remove(name: NameArgument, home: HomeOption = None) -> None:
    """Withdraw a key; it stops counting at once.

    Example: ppai key remove phone
    """
    from gateway.client.api_keys import LOOK_S, ApiKeys

    if not name.strip():
        raise typer.BadParameter("it is empty: say whom or what the key is for", param_hint="NAME")
    place = home_of(home)
    place.prepare()
    with place.edited():
        ApiKeys(place.api_keys_file).remove(name)
    time.sleep(LOOK_S)
    show(f"the key of `{name}` no longer counts")
