"""ppai serve, demo: run peers."""

import gc
from contextlib import nullcontext
from typing import Annotated

import typer

from gateway.cli.options import ConfigOption, HomeOption, home_of, load, say


def serve(
    home: HomeOption = None,
    config: ConfigOption = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="http://host:port of an OpenAI-compatible engine, `embedded`, `litellm:PROVIDER/MODEL` or `auto`.",
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Where applications reach this peer (default 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="The port for applications (default 8470; 0: any free one).")] = None,
    peer_host: Annotated[
        str | None, typer.Option(help="Where other peers reach it (default: every interface).")
    ] = None,
    peer_port: Annotated[int | None, typer.Option(help="The port for other peers (default 8471).")] = None,
    seed: Annotated[
        list[str] | None, typer.Option(metavar="HOST:PORT", help="A peer to stay in touch with; may be repeated.")
    ] = None,
    advertise: Annotated[
        list[str] | None,
        typer.Option(metavar="IP:PORT", help="Where others reach us (containers, VPNs); may be repeated."),
    ] = None,
    admission: Annotated[
        str | None, typer.Option(metavar="MODE", help="Whom to deal with: tofu | secret | allowlist | open.")
    ] = None,
    secret_file: Annotated[str | None, typer.Option(metavar="FILE", help="The network's shared secret.")] = None,
    name: Annotated[str | None, typer.Option(help="What people call this peer (default: the host's name).")] = None,
    transparent: Annotated[
        bool | None,
        typer.Option("--transparent", help="Route the engine's own model names and unknown names like `auto`."),
    ] = None,
    no_mdns: Annotated[bool, typer.Option("--no-mdns", help="Neither announce nor look on the local network.")] = False,
    screen: Annotated[
        bool, typer.Option("--screen/--no-screen", help="Keep peers and requests in view, on a terminal.")
    ] = True,
) -> None:
    """Start a peer: an OpenAI endpoint in front of this machine's engine, one of the network's answers.

    Example: ppai serve

    Example: ppai serve --engine http://127.0.0.1:8000 --seed 192.0.2.7:8471
    """
    flags: dict[str, object] = {
        "engine.url": engine,
        "client.host": host,
        "client.port": port,
        "peer.host": peer_host,
        "peer.port": peer_port,
        "network.seeds": seed or None,
        "network.advertise": advertise or None,
        "network.admission": admission,
        "network.secret_file": secret_file,
        "network.mdns": False if no_mdns else None,
        "name": name,
        "routing.transparent": transparent,
    }
    if engine and "//" in engine and "@" in engine:
        say("others on this machine can read the password in --engine (ps): write it as engine.url into config.yaml")
    place = home_of(home)
    settings = load(place, config, flags)
    is_json = settings.log.format == "json"
    from gateway.cli.running.watching import below
    from gateway.telemetry.log_lines import json_line

    tell = (lambda text: say(json_line(text))) if is_json else say
    with below(place) if screen and not is_json else nullcontext():
        tell(f"starting a peer from {place.path}")
        gc.disable()  # until the peer serves: looking for garbage would take a tenth of the start, and find none
        from gateway.runtime.running import run_peer

        run_peer(settings, place, say=tell)


def demo(home: HomeOption = None) -> None:
    """Show it: three peers on this machine, each with an agent of its own, one endpoint; then one is killed.

    Example: ppai demo
    """
    from gateway.cli.demo.show import run_demo

    run_demo(home_of(home).weights)
