"""`python -m benchmarks.routing`: how good is the choice of model, on outcomes that were recorded beforehand?

Each router chooses a model for every query that it has not learnt from. The figure is the percentage of right answers
of the chosen models, each task counting the same, with a 95 % bootstrap interval over questions. Needs the pulled
encoder (`ppai pull encoder`) and the extra `train` (`pip install -e '.[train]'`); both are checked first.

Without --train it runs on the repository's small sample. The figures of docs/results.md are on RouterDC's outcomes:
`python -m benchmarks.gather --help` says how to get them.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.needs import encoder_folder, printed
from benchmarks.outcomes import SAMPLE, Outcomes, load_outcomes
from benchmarks.progress import say
from benchmarks.routing.evaluate import (
    cross_validate,
    evaluate,
    leave_one_out,
    on_the_wire,
    report,
    topic_accuracy,
)
from benchmarks.routing.formats import format_features
from benchmarks.routing.metric import folds, interval
from benchmarks.routing.routers import PPAI, Split
from profiler.chart import prepare
from profiler.encoder import Encoder, load_encoder
from profiler.queries import TrainingText, load_training_texts
from profiler.subjects import without_format
from profiler.train import require

TOPIC_CONFIG = replace(PPAI, prototypes=128, top_p=0.1, alpha=8.0)  # the shipped gate's


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 a file is missing or broken (usage errors exit 2)."""
    options = _options(argv)
    return printed("benchmarks.routing", lambda: (json.dumps if options.json else _table)(_run(options)))


def _run(options: argparse.Namespace) -> dict[str, Any]:
    """Reads and checks everything, then measures."""
    if options.picture:
        prepare(options.picture)
    if options.train == SAMPLE:
        say(f"on the small sample in {SAMPLE}: it shows that this works, its figures are within chance")
    outcomes = load_outcomes(options.train)
    tests = {"test": options.test, "ood": options.ood}
    others = {name: load_outcomes(path, outcomes.models) for name, path in tests.items() if path}
    texts = load_training_texts([options.topics]) if options.topics else []
    is_learnt = folds(outcomes.tasks, options.cv, options.seed) != 0 if options.cv else slice(None)
    require(outcomes.tasks[is_learnt].tolist(), PPAI)
    return _measured(options, outcomes, others, texts, load_encoder(encoder_folder()))


def _measured(
    options: argparse.Namespace,
    outcomes: Outcomes,
    others: Mapping[str, Outcomes],
    texts: Sequence[TrainingText],
    encoder: Encoder,
) -> dict[str, Any]:
    seeds = range(options.seed, options.seed + options.seeds)
    train = _split(outcomes, encoder)
    result: dict[str, Any] = {
        "config": {**asdict(PPAI), "encoder": encoder.name, "seeds": list(seeds), "cv": options.cv},
        "routers": {},
    }
    splits = {"test": train} if options.cv else {}
    splits |= {name: _split(other, encoder) for name, other in others.items()}
    if options.strip_format:
        splits["strip_format"] = _split(_bare(splits["test"].outcomes), encoder)
    say(f"routing by {len(seeds)} seeds")
    found = cross_validate(splits, options.cv, seeds) if options.cv else evaluate(train, splits, seeds)
    for name, split in splits.items():
        _add(result, name, found[name], split)
    pairs = [(train, splits["test"])]
    if options.cv:
        fold = folds(train.outcomes.tasks, options.cv, options.seed)
        pairs = [(train.rows(fold != held), train.rows(fold == held)) for held in range(options.cv)]
    if options.leave_one_out:
        say("leaving one model out")
        result["leave_one_out"] = leave_one_out(pairs, options.draws, options.seed)
        result["wire"] = on_the_wire(*pairs[0], options.seed)
    if texts:
        embeddings = _encode(encoder, [text.query for text in texts])
        topics = np.array([text.category for text in texts])
        stems = _encode(encoder, [without_format(query) for query in outcomes.queries])
        result["topics"] = topic_accuracy(train, embeddings, topics, TOPIC_CONFIG, seeds, stems)
    if options.picture:
        from benchmarks.routing.chart import draw  # matplotlib: only where a picture is wanted

        draw(result, options.picture)
    return result


def _add(result: dict[str, Any], split: str, chosen: dict[str, Any], queries: Split) -> None:
    for name, values in chosen.items():
        result["routers"].setdefault(name, {})[split] = report(values, queries.outcomes.tasks)
    low, high = interval(chosen["ppai"] - chosen["paper"], queries.outcomes.tasks)
    result.setdefault("ppai_minus_paper_ci", {})[split] = [round(100 * low, 2), round(100 * high, 2)]


def _split(outcomes: Outcomes, encoder: Encoder) -> Split:
    return Split(outcomes, _encode(encoder, outcomes.queries), format_features(outcomes.queries))


def _bare(outcomes: Outcomes) -> Outcomes:
    return replace(outcomes, queries=tuple(without_format(query) for query in outcomes.queries))


def _encode(encoder: Encoder, texts: Sequence[str]) -> Any:
    say(f"encoding {len(texts)} texts")
    return encoder.encode(texts)


def _table(result: dict[str, Any]) -> str:
    lines = []
    for name, splits in result["routers"].items():
        for split, row in splits.items():
            tasks = " ".join(f"{task} {value:.1f}" for task, value in row["tasks"].items())
            lines.append(f"{name:12} {split:12} {row['mean']:6.2f} [{row['ci'][0]:.1f}, {row['ci'][1]:.1f}]  {tasks}")
    lines += [f"{key}: {json.dumps(value)}" for key, value in result.items() if key not in ("routers", "config")]
    return "\n".join(lines)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.routing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--train", type=Path, default=SAMPLE, metavar="DIR", help="folder of outcomes that gate and profiles learn from"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--test", type=Path, metavar="DIR", help="folder of outcomes of the same tasks")
    where.add_argument("--cv", type=int, metavar="K", help="no test folder: K folds of --train (5)")
    parser.add_argument("--ood", type=Path, metavar="DIR", help="folder of outcomes of other tasks")
    parser.add_argument("--leave-one-out", action="store_true", help="each model joins with 100, 300, 1000, all")
    parser.add_argument("--draws", type=int, default=20, help="query draws a model of --leave-one-out (20)")
    parser.add_argument("--strip-format", action="store_true", help="also route prompts without options")
    parser.add_argument("--topics", type=Path, metavar="FILE", help="stems with a topic: are they told apart?")
    parser.add_argument("--seeds", type=int, default=5, help="runs with seeds from --seed on (5)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, metavar="FILE", help="also draw the routers (needs matplotlib)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(argv)
    if options.test is None and options.cv is None:
        options.cv = 5
    if options.cv is not None and options.cv < 2:
        parser.error("--cv needs at least 2 folds")
    if options.ood and not options.test:
        parser.error("--ood needs --test")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
