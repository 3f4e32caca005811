"""The `ppai` command: each command is a function, and only this file prints.

Humans read stderr, machines stdout (--json).
"""

import json
import os
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
    host: Annotated[str | None, typer.Option(help="Where applications reach this peer.")] = None,
    port: Annotated[int | None, typer.Option(help="The port for applications (default 8470; 0: any free one).")] = None,
    name: Annotated[str | None, typer.Option(help="What people call this peer (default: the host's name).")] = None,
    transparent: Annotated[
        bool | None,
        typer.Option("--transparent", help="Route the engine's own model names and unknown names like `auto`."),
    ] = None,
) -> None:
    """Start a peer: an OpenAI endpoint in front of this machine's engine."""
    from gateway.runtime import run_peer

    flags: dict[str, object] = {
        "engine.url": engine,
        "client.host": host,
        "client.port": port,
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
def init(
    home: HomeOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing configuration file.")] = False,
) -> None:
    """Make a home folder with a configuration file to edit."""
    from gateway.config import ConfigError, data_dir

    place = _home(home)
    place.prepare()
    if place.config_file.exists() and not force:
        raise ConfigError(f"{place.config_file} is there already; edit it, or replace it with --force")
    place.write_private(place.config_file.name, (data_dir() / "default.yaml").read_bytes())
    _say(f"wrote {place.config_file}: every key with its meaning and default. Next: ppai serve --home {place.path}")


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
