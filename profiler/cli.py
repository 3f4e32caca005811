"""ppai-profile: measure what this machine's engine is good at and publish it; train a gate; show a vector."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import click
import typer

app = typer.Typer(add_completion=False, no_args_is_help=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def train(
    queries: Annotated[
        list[Path], typer.Option(help="JSONL file or folder: query, task or topic, scores. Repeatable.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write the gate to.")],
    encoder: Annotated[
        str | None, typer.Option(help="sentence-transformers model; default: the pulled encoder.")
    ] = None,
    prototypes: Annotated[int, typer.Option(help="K: 20 to 64 for thousands of texts.")] = 20,
    labels: Annotated[
        str, typer.Option(help="category: ward clusters inside each task; all: over everything.")
    ] = "category",
    alpha: Annotated[float, typer.Option(help="Power of Eq. (3).")] = 4.0,
    top_p: Annotated[float, typer.Option(help="Share of prototypes that Eq. (3) keeps.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Seed of clustering and training.")] = 0,
) -> int:
    """Fit a QAGate to your own texts (needs: pip install 'ppai[train]')."""
    import numpy as np

    from profiler.encoder import SentenceTransformersEncoder, load_encoder
    from profiler.queries import load_training_texts
    from profiler.train import TrainConfig, fit

    if labels not in ("category", "all"):
        raise typer.BadParameter("--labels must be category or all")
    texts = load_training_texts(queries)
    chosen = SentenceTransformersEncoder(encoder) if encoder else load_encoder(_weights() / "encoder")
    config = TrainConfig(prototypes=prototypes, labels=labels, alpha=alpha, top_p=top_p)  # type: ignore[arg-type]
    with _progress() as progress:
        bar = progress.add_task("encoding", total=len(texts))
        rows = []
        for start in range(0, len(texts), 64):
            rows.append(chosen.encode([text.query for text in texts[start : start + 64]]))
            progress.update(bar, completed=start + len(rows[-1]))
        ability = np.array([np.nan if text.ability is None else text.ability for text in texts], np.float32)
        bar = progress.add_task("training", total=1.0)
        gate = fit(
            np.concatenate(rows),
            [text.category for text in texts],
            chosen.name,
            config,
            seed,
            ability,
            progress=lambda share: progress.update(bar, completed=share),
        )
    record = dict(gate.training) | {"command": _command(queries, encoder, config, seed)}
    from dataclasses import replace

    replace(gate, training=record).save(out)
    _say(f"gate of {gate.K} prototypes over {len(set(gate.categories))} categories, space {gate.space}: {out}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ppai-profile; returns its exit code: 0 done, 1 expected failure, 2 usage, 3 bug."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return int(app(arguments, prog_name="ppai-profile", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show(sys.stderr)
        return 2


def _weights() -> Path:
    """Where model files lie: PPAI_WEIGHTS, else the user's own."""
    return Path(os.environ.get("PPAI_WEIGHTS", "~/.ppai/weights")).expanduser()


def _progress() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=Console(stderr=True))


def _command(queries: Sequence[Path], encoder: str | None, config: Any, seed: int) -> str:
    """The command that trains this gate again; folders of this machine are left out of it."""
    words = ["ppai-profile", "train"]
    for path in queries:
        words += ["--queries", path.name if path.is_absolute() else str(path)]
    words += ["--encoder", encoder] if encoder else []
    for name in ("prototypes", "labels", "alpha", "top_p"):
        words += [f"--{name.replace('_', '-')}", str(getattr(config, name))]
    return shlex.join([*words, "--seed", str(seed)])


def _say(text: str) -> None:
    print(text, file=sys.stderr)
