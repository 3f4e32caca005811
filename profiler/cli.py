"""ppai-profile: its flags and exit codes. commands.py holds what the commands do; it is loaded when one runs, so that
--help is fast."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer.completion import completion_init  # type: ignore[attr-defined]  # it is there for others

from profiler import bugs

COMMANDS = ("measure", "own", "train", "show")
HELP = """Measure what this machine's engine is good at, and tell the network.

Without a command: measure. Answers are kept in HOME/profile, so an interrupted run goes on where it stopped.

Exit codes: 0 done, 1 failed (the message names the remedy), 2 wrong usage, 3 a bug.
"""

app = typer.Typer(help=HELP, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

Home = Annotated[Path, typer.Option(envvar="PPAI_HOME", help="The peer's home folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Queries = Annotated[str, typer.Option(help="builtin, a JSONL file or folder, or hf:NAME[:CONFIG][@SPLIT].")]
Limit = Annotated[int | None, typer.Option(min=1, help="Ask at most so many, tasks in turn.  [default: all]")]
EngineUrl = Annotated[str | None, typer.Option(help="An OpenAI-compatible engine.  [default: the running peer's]")]
Model = Annotated[str | None, typer.Option(help="Model to ask.  [default: the engine's first]")]
AgentName = Annotated[str | None, typer.Option("--agent", help="A personal agent of the running peer, instead.")]
Publish = Annotated[bool | None, typer.Option(help="Hand the vector to the running peer.  [default: if one runs]")]
Concurrency = Annotated[int, typer.Option(min=1, max=256, help="Questions in flight.")]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="Of one answer; reasoning models want thousands.")]
Code = Annotated[
    bool | None,
    typer.Option(help="Run code in answers, without a wall if none stands here.  [default: at a terminal, or walled]"),
]
Png = Annotated[Path | None, typer.Option(help="Also draw the capabilities into this file (.png, .svg, .pdf).")]
Texts = Annotated[
    list[Path], typer.Option(help="JSONL file or folder: query, task (or topic), category, scores. Repeatable.")
]
Out = Annotated[Path, typer.Option(help="Folder to write the gate to.")]
EncoderName = Annotated[
    str, typer.Option(help="use, or a sentence-transformers folder or name.  [default: the pulled encoder]")
]
Fast = Annotated[bool, typer.Option("--fast", help="Distil a static encoder of it too, 50 times as fast.")]
Labels = Annotated[
    Literal["category", "all"],
    typer.Option(help="category: ward clusters inside each task; all: over everything (the paper)."),
]

HOME = Path("~/.ppai")


def _expanded(home: Path) -> Path:
    try:
        return home.expanduser()
    except RuntimeError as error:
        raise typer.BadParameter(
            "this user has no home folder (HOME): name one with --home DIR or PPAI_HOME", param_hint="--home"
        ) from error


def _version(wanted: bool) -> None:
    if wanted:
        print(f"ppai-profile {bugs.installed()}")
        raise typer.Exit


@app.callback()
def ppai_profile(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    pass


@app.command()
def measure(
    queries: Queries = "builtin",
    limit: Limit = None,
    engine: EngineUrl = None,
    model: Model = None,
    agent: AgentName = None,
    publish: Publish = None,
    concurrency: Concurrency = 2,
    max_tokens: MaxTokens = None,
    code: Code = None,
    seed: Annotated[int, typer.Option(help="Which questions --limit takes.")] = 0,
    png: Png = None,
    home: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """Ask the engine questions, grade the answers, publish what it is good at.

    Example: ppai-profile

    Example: ppai-profile measure --agent librarian
    """
    from profiler import commands
    from profiler.measure import MeasureConfig

    config = MeasureConfig(concurrency=concurrency, max_tokens=max_tokens)
    peers_home = _expanded(home)
    run = commands.measure(peers_home, queries, limit, seed, engine, model, publish, config, png, as_json, code, agent)
    raise typer.Exit(run)


@app.command()
def own(
    agent: Annotated[str, typer.Argument(help="A personal agent of the running peer.")],
    limit: Limit = None,
    concurrency: Concurrency = 2,
    max_tokens: MaxTokens = None,
    home: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """Ask a personal agent its owner's questions, with what it has and by its model alone; publish what they find.

    Example: ppai-profile own librarian
    """
    from profiler import owning
    from profiler.measure import MeasureConfig

    config = MeasureConfig(concurrency=concurrency, max_tokens=max_tokens)
    raise typer.Exit(owning.own(_expanded(home), agent, limit, config, as_json))


@app.command()
def train(
    queries: Texts,
    out: Out,
    encoder: EncoderName = "",
    fast: Fast = False,
    prototypes: Annotated[int, typer.Option(min=1, help="K: 20 to 128 for thousands of texts.")] = 20,
    labels: Labels = "category",
    alpha: Annotated[float, typer.Option(help="Power of Eq. (3).")] = 4.0,
    top_p: Annotated[float, typer.Option(help="Share of prototypes that Eq. (3) keeps.")] = 0.2,
    by_subject: Annotated[
        bool,
        typer.Option("--by-subject", help="Learn exam questions (mmlu, arc_challenge, ...) by their subject."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Of clustering and training.")] = 0,
    home: Home = HOME,
) -> None:
    """Fit a QAGate to your own texts (needs: pip install 'ppai[train]').

    Example: ppai-profile train --queries texts.jsonl --out gate
    """
    from profiler import commands
    from profiler.train import TrainConfig

    config = TrainConfig(prototypes=prototypes, labels=labels, alpha=alpha, top_p=top_p)
    raise typer.Exit(commands.train(_expanded(home), queries, out, encoder, fast, config, seed, by_subject))


@app.command()
def show(
    text: Annotated[str | None, typer.Argument(help="A query.  [default: the stored vectors]")] = None,
    png: Png = None,
    home: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """Show what was measured here, or which prototypes a text is relevant to. Asks nobody.

    Example: ppai-profile show
    """
    from profiler import commands

    raise typer.Exit(commands.show(_expanded(home), text, png, as_json))


def main(argv: Sequence[str] | None = None) -> int:
    """Run ppai-profile and return its exit code: 0 done, 1 expected failure, 2 wrong usage, 3 a bug."""
    os.umask(os.umask(0o022) | 0o022)  # nothing that we make may be written by others: a home that may is refused
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or (arguments[0] not in COMMANDS and arguments[0] not in ("--help", "--version")):
        arguments.insert(0, "measure")
    completion_init()  # answers a shell that completes words (`ppai completion`)
    try:
        app(arguments, prog_name="ppai-profile")
    except SystemExit as end:
        return int(end.code or 0)
    except Exception as error:  # told in one line; a bug is kept in a file
        return _report(error, arguments)
    return 0


def _report(error: Exception, arguments: Sequence[str]) -> int:
    from profiler.commands import EXPECTED
    from profiler.text import visible

    if isinstance(error, EXPECTED):
        print(visible(f"ppai-profile: {error}"), file=sys.stderr)
        return 1
    for line in bugs.lines_about(error, "ppai-profile", arguments):
        print(visible(line), file=sys.stderr)
    return 3
