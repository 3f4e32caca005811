"""`python -m benchmarks.gather`: makes a folder of recorded outcomes, for the routing benchmarks and the simulator.

A folder of outcomes holds *.jsonl files. Each line says what every model scored on one query, from 0 to 1:

    {"query": "What is 2 + 2?", "task": "gsm8k", "scores": {"model a": 1.0, "model b": 0.5}}

`routerdc` makes the folder that docs/results.md is measured on: seven 7-8B models on 5,935 queries of MMLU, GSM8K,
CMMLU, ARC-C and HumanEval, the training split that RouterDC (NeurIPS 2024) published. It is not part of PPAI because
its licence is not stated. `homes` makes one from your own machines: what `ppai-profile` stored in each home.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.outcomes import OutcomeError, graded
from profiler.answers import StoreError, stored

ROUTERDC = "git clone https://github.com/shuhao02/RouterDC"
FILES = {  # task: its training file, below one of FOLDERS
    "arc_challenge": "arc_challenge_train.json",
    "cmmlu": "cmmlu_train.json",
    "gsm8k": "gsm8k-train.json",
    "humaneval": "humaneval_train.json",
    "mmlu": "mmlu_train.json",
}
FOLDERS = ("split2_model7_cluster", "split2_model7")
Row = dict[str, Any]  # {"query", "task", "scores"}


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 something is missing or broken, and the message names the remedy."""
    options = _options(argv)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        rows = from_routerdc(options.checkout) if options.source == "routerdc" else from_homes(options.home)
        _write(rows, options.out)
    except (OutcomeError, StoreError, OSError) as error:
        print(f"benchmarks.gather: {error}", file=sys.stderr)
        return 1
    print(f"{len(rows)} outcomes of {len(rows[0]['scores'])} models: {options.out}", file=sys.stderr)
    return 0


def from_routerdc(checkout: Path) -> list[Row]:
    """The outcomes of a checkout of RouterDC, 0 or 1 where it states a probability. Raises OutcomeError."""
    rows = []
    for task, name in FILES.items():
        places = [checkout / "datasets" / folder / name for folder in FOLDERS]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise OutcomeError(f"{places[0]} is not there: {ROUTERDC}, and name that folder")
        try:
            found = [(str(value["question"]), dict(value["scores"])) for value in json.loads(path.read_bytes())]
            models = list(found[0][1])
            scores = graded(np.array([[float(row[model]) for model in models] for _, row in found])).tolist()
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise OutcomeError(f"{path} is not a file of RouterDC's outcomes: {error!r}") from error
        rows += [
            _row(query, task, dict(zip(models, own, strict=True)))
            for (query, _), own in zip(found, scores, strict=True)
        ]
    return rows


def from_homes(homes: Iterable[Path]) -> list[Row]:
    """What ppai-profile stored in these homes, of the questions that every model there answered.

    A model's name is followed by `@` and the home's where two homes hold a model of that name. Raises OutcomeError,
    StoreError.
    """
    kept = [(home, model, answers) for home in homes for model, answers in stored(home / "profile").items()]
    names = [model for _, model, _ in kept]
    right: dict[str, Any] = {}
    for home, model, answers in kept:
        name = model if names.count(model) == 1 else f"{model}@{home.name}"
        right[name] = {answer.question: answer for answer in answers}
    if len(right) < 2:
        raise OutcomeError(f"{len(right)} measured models in these homes, two are needed: run ppai-profile in each")
    common = set.intersection(*(set(answers) for answers in right.values()))
    if not common:
        raise OutcomeError("no question was answered by all of these models: measure them with the same --queries")
    first = next(iter(right.values()))
    return [
        _row(answer.query, answer.task, {name: answers[question].right for name, answers in right.items()})
        for question, answer in first.items()
        if question in common
    ]


def _row(query: str, task: str, scores: Mapping[str, float]) -> Row:
    return {"query": query, "task": task, "scores": {model: float(score) for model, score in scores.items()}}


def _write(rows: Sequence[Row], out: Path) -> None:
    """One file a task."""
    for task in sorted({row["task"] for row in rows}):
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows if row["task"] == task]
        (out / f"{task.replace(' ', '_')}.jsonl").write_text("".join(lines), encoding="utf-8")


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gather", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sources = parser.add_subparsers(dest="source", required=True)
    routerdc = sources.add_parser("routerdc", help=f"from a checkout: {ROUTERDC}")
    routerdc.add_argument("checkout", type=Path, metavar="CHECKOUT", help="where RouterDC was cloned to")
    routerdc.add_argument("out", type=Path, metavar="OUT", help="folder to write, one file a task")
    homes = sources.add_parser("homes", help="from what ppai-profile stored in the homes of two or more peers")
    homes.add_argument("out", type=Path, metavar="OUT", help="folder to write, one file a task")
    homes.add_argument("home", type=Path, nargs="+", metavar="HOME", help="a peer's home, ~/.ppai say")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
