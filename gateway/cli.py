"""The `ppai` command: each command is a function, and only this file prints.

Humans read stderr, machines stdout (--json).
"""

import json
import os
import secrets
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

app = typer.Typer(
    help="PPAI: one OpenAI-compatible endpoint that answers with the best model any of your machines runs.\n\n"
    "Start a peer with `ppai serve`, point any OpenAI client at http://127.0.0.1:8470/v1, ask with `ppai ask`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Show or check the configuration.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(config_app, name="config")

HomeOption = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
    typer.Option("--home", metavar="DIR", help="The peer's folder (default: $PPAI_HOME or ~/.ppai)."),
]
ConfigOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--config", metavar="FILE", help="A configuration file (default: config.yaml in the home folder)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command()
def serve(
    home: HomeOption = None,
    config: ConfigOption = None,
    engine: Annotated[
        str | None,
        typer.Option(metavar="URL", help="http://host:port of an OpenAI-compatible engine, `embedded` or `auto`."),
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
) -> None:
    """Start a peer: an OpenAI endpoint in front of this machine's engine, one of the network's answers."""
    from gateway.runtime import run_peer

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
    place = _home(home)
    run_peer(_load(place, config, flags), place, say=_say)


@app.command()
def ask(
    text: Annotated[str, typer.Argument(help="The question; `-` reads it from standard input.")],
    model: Annotated[str, typer.Option(help="A model's name, or `auto`.")] = "auto",
    route: Annotated[str | None, typer.Option(help="`local`, or the name of the peer that is to answer.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="At most this many tokens.")] = None,
    stream: Annotated[bool, typer.Option("--stream/--no-stream", help="Print words as they come.")] = True,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the running peer one question."""
    from gateway.own_peer import OwnPeer

    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": sys.stdin.read() if text == "-" else text}],
        "stream": True,
    }
    if max_tokens:
        body["max_tokens"] = max_tokens
    headers, events = OwnPeer(_home(home)).stream(
        "/v1/chat/completions", body, {"x-ppai-route": route} if route else {}
    )
    words = []
    for event in events:
        for choice in event.get("choices", []):
            words.append(choice.get("delta", {}).get("content") or "")
            if stream and not as_json:
                print(words[-1], end="", flush=True)
    answer = "".join(words)
    told = {key.removeprefix("x-ppai-"): value for key, value in headers.items() if key.startswith("x-ppai-")}
    if as_json:
        print(json.dumps({"answer": answer, **told}))
        return
    print("" if stream else answer)
    _say(f"answered by {told.get('peer')} ({told.get('model')}): {told.get('reason')}")


@app.command()
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show how the running peer is doing."""
    from gateway.own_peer import OwnPeer

    found = OwnPeer(_home(home)).get("/ppai/v1/status")
    if as_json:
        print(json.dumps(found))
        return
    engine = found["engine"]
    print(f"peer     {found['name']} ({found['id'][:12]}) at {found['url']}/v1, up {found['uptime_s']:.0f} s")
    print(f"engine   {engine['origin']}: {engine['problem'] or 'ready'}")
    print(f"models   {', '.join(model['id'] for model in engine['models']) or 'none'}")
    load = f"{engine['running']} running, {engine['waiting']} waiting, {engine['slots']} slots"
    print(f"load     {load} ({engine['load_source']})")
    for line in found["missing"]:
        print(f"missing  {line}")


@app.command()
def peers(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the peers known: state, rights, load, agents."""
    from gateway.own_peer import OwnPeer

    own = OwnPeer(_home(home))
    found = own.get("/ppai/v1/peers")
    if as_json:
        print(json.dumps(found))
        return
    for peer in found:
        load = "" if peer["age_s"] is None else f"{peer['running']}+{peer['waiting']} jobs, {peer['age_s']:.0f} s ago"
        rights = "+".join(peer["rights"]) or "not approved"
        models = ", ".join(agent["model"] for agent in peer["agents"]) or "no agent"
        why = f" ({peer['reason']})" if peer["state"] != "alive" and peer["reason"] else ""
        print(f"{peer['name']:20} {peer['id'][:10]}  {peer['state'] + why:10} {rights:14} {load:22} {models}")
    if not found:
        _say("no peers yet: start another one on this network, or name one with --seed HOST:PORT")
    status = own.get("/ppai/v1/status")
    for line in status["say"]:
        _say(line)
    for refused in status["network"]["refused"]:
        _say(f"kept out: {refused['name']} {refused['id'][:10]}: {refused['why']}")


@app.command()
def approve(
    names: Annotated[list[str], typer.Argument(help="Peers' names, or the first characters of their ids.")],
    home: HomeOption = None,
) -> None:
    """Let peers send us work, and send them ours."""
    from gateway.own_peer import OwnPeer

    for who in names:
        OwnPeer(_home(home)).post("/ppai/v1/approve", {"who": who})
        _say(f"{who} may ask us and answer us; it must approve this peer too")


@app.command()
def revoke(
    names: Annotated[list[str], typer.Argument(help="Peers' names, or the first characters of their ids.")],
    home: HomeOption = None,
) -> None:
    """Take both rights away from peers, whatever the admission mode would grant."""
    from gateway.own_peer import OwnPeer

    for who in names:
        OwnPeer(_home(home)).post("/ppai/v1/revoke", {"who": who})
        _say(f"{who} may no longer ask us, nor be asked")


@app.command()
def models(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the models that the network serves, and who serves each."""
    from gateway.own_peer import OwnPeer

    found = OwnPeer(_home(home)).get("/v1/models")["data"]
    if as_json:
        print(json.dumps(found))
        return
    for entry in found:
        context = f"{entry['max_model_len']} tokens" if entry["max_model_len"] else "context unknown"
        print(f"{entry['id']:40} {context:16} {', '.join(entry['ppai']['peers'])}")


@app.command()
def route(
    text: Annotated[str, typer.Argument(help="The query.")],
    model: Annotated[str, typer.Option(help="A model's name, or `auto`.")] = "auto",
    max_tokens: Annotated[int | None, typer.Option(help="As the request would say.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who would answer a query, and why; nothing is sent to a model."""
    from gateway.own_peer import OwnPeer

    body = {"text": text, "model": model, "max_tokens": max_tokens}
    found = OwnPeer(_home(home)).post("/ppai/v1/route", body)
    if as_json:
        print(json.dumps(found))
        return
    target = found["target"]
    print(f"{target['peer']} ({target['model']}) would answer: {found['reason']}" if target else "nobody would answer")
    print(f"{'peer':20} {'agent':28} {'score':>6} {'wait':>7} {'service':>8} {'cost':>7} {'utility':>8}  excluded")
    for row in found["candidates"]:
        score = f"{row['score']:.3f}{'' if row['profiled'] else '?'}"
        print(
            f"{row['peer']:20} {row['agent'][:28]:28} {score:>6} {row['wait_s']:>6.2f}s {row['service_s']:>7.2f}s "
            f"{row['cost_s']:>6.2f}s {row['utility']:>8.4f}  {row['excluded'] or ''}"
        )
    if any(not row["profiled"] for row in found["candidates"]):
        _say("scores with ? are assumed: the agent has no capability vector yet (run ppai-profile on its machine)")
    if found["waiting"]:
        from gateway.status import waiting_text

        _say(waiting_text(found["waiting"]))


@app.command()
def pull(
    names: Annotated[
        list[str], typer.Argument(help="`smollm2` (a small chat model), `encoder` (what routing by topic needs).")
    ],
    source: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="Take the files from here instead.")
    ] = None,
    hub: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Take them from this Hugging Face repository.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Fetch the small model or the encoder into the home folder."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from gateway.pull import PullError
    from gateway.pull import pull as fetch
    from gateway.weights import CATALOGUE

    unknown = [name for name in names if name not in CATALOGUE]
    if unknown:
        raise PullError(f"there is no `{unknown[0]}` to pull; there are: {', '.join(CATALOGUE)}")
    weights = _home(home).weights
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    for name in names:
        with Progress(*columns, console=_stderr_console()) as bar:
            path = fetch(name, weights, partial(_show, bar, bar.add_task(name, total=None)), source=source, hub=hub)
        _say(f"{name} is in {path}")


def _show(bar: Any, task: Any, done: int, total: int | None, what: str) -> None:
    bar.update(task, completed=done, total=total, description=what)


@app.command()
def demo(home: HomeOption = None) -> None:
    """Show it: three peers on this machine, real models, one endpoint; then one of them is killed."""
    from gateway.demo import run_demo

    run_demo(_home(home).weights)


@app.command()
def init(
    home: HomeOption = None,
    secret: Annotated[
        str | None,
        typer.Option(metavar="SECRET", help="Join a network by its secret, as another peer's `init` printed it."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing configuration and secret.")] = False,
) -> None:
    """Make a home: a configuration file to edit, and the network's secret."""
    from gateway.config import data_dir
    from gateway.home import HomeError

    place = _home(home)
    place.prepare()
    there = [file for file in (place.config_file, place.secret_file) if file.exists()]
    if there and not force:
        raise HomeError(f"{there[0]} is there already; edit it, or replace it with --force")
    made = secret or secrets.token_hex(16)
    place.write_private(place.secret_file.name, made.encode() + b"\n")
    place.write_private(place.config_file.name, (data_dir() / "default.yaml").read_bytes())
    _say(f"wrote {place.config_file}: every key with its meaning and default")
    _say(f"wrote {place.secret_file}: whoever knows this secret is a peer of yours")
    if not secret:
        print(made)
        _say("on each of your other machines run: ppai init --secret with the line above")
    _say(f"next: ppai serve --home {place.path}")


@config_app.command("show")
def config_show(home: HomeOption = None, config: ConfigOption = None) -> None:
    """Print the configuration in force, as YAML."""
    from gateway.config import as_yaml

    print(as_yaml(_load(_home(home), config, {})), end="")


@config_app.command("check")
def config_check(home: HomeOption = None, config: ConfigOption = None) -> None:
    """Check the configuration file and the environment; exit 1 with the first mistake."""
    _load(_home(home), config, {})
    _say("the configuration is valid")


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 expected failure, 2 usage, 3 a bug in PPAI."""
    try:
        app()
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(130)
    except Exception as error:
        if _is_expected(error):
            _say(f"error: {error}")
            sys.exit(1)
        file = Path(os.environ.get("TMPDIR", "/tmp")) / f"ppai-bug-{os.getpid()}.log"
        file.write_text(traceback.format_exc())
        _say(f"error: a bug in PPAI ({type(error).__name__}: {error}); please report it with {file}")
        sys.exit(3)


def _is_expected(error: Exception) -> bool:
    """Errors that PPAI's rooms raise for the user carry a remedy; anything else is a bug."""
    return type(error).__module__.split(".")[0] in ("gateway", "discovery", "profiler")


def _home(path: Path | None) -> Any:
    from gateway.home import Home

    return Home(path.expanduser().absolute()) if path else Home.default()


def _load(home: Any, file: Path | None, flags: dict[str, object]) -> Any:
    from gateway.config import load_config

    if file is None and home.config_file.exists():
        file = home.config_file
    return load_config(file, os.environ, flags)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _stderr_console() -> Any:
    from rich.console import Console

    return Console(stderr=True)


if __name__ == "__main__":
    main()
