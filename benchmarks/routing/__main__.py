"""`python -m benchmarks.routing`: how good is the choice of model, on outcomes that were recorded beforehand?"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.routing.evaluate import (
    cross_validate,
    evaluate,
    leave_one_out,
    on_the_wire,
    report,
    topic_accuracy,
)
from benchmarks.routing.outcomes import (
    OutcomeError,
    Outcomes,
    folds,
    format_features,
    interval,
    load_outcomes,
    without_format,
)
from benchmarks.routing.routers import PPAI, Split
from profiler.encoder import Encoder, EncoderError, load_encoder
from profiler.queries import load_training_texts
from profiler.question import QueryError
from profiler.train import TrainError

TOPIC_CONFIG = replace(PPAI, prototypes=64, top_p=0.1)  # the shipped gate's


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 a file is missing or broken (usage errors exit 2)."""
    options = _options(argv)
    try:
        result = _run(options, load_encoder(_weights() / "encoder"))
    except (OutcomeError, EncoderError, QueryError, TrainError, OSError) as error:
        print(f"benchmarks.routing: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result) if options.json else _table(result))
    return 0


def _run(options: argparse.Namespace, encoder: Encoder) -> dict[str, Any]:
    seeds = range(options.seed, options.seed + options.seeds)
    train = _split(load_outcomes(options.train), encoder)
    models = train.outcomes.models
    result: dict[str, Any] = {
        "config": {**asdict(PPAI), "encoder": encoder.name, "seeds": list(seeds), "cv": options.cv},
        "routers": {},
    }
    splits = {"test": train if options.cv else _split(load_outcomes(options.test, models), encoder)}
    if options.ood:
        splits["ood"] = _split(load_outcomes(options.ood, models), encoder)
    if options.strip_format:
        splits["strip_format"] = _split(_bare(splits["test"].outcomes), encoder)
    _say(f"routing by {len(seeds)} seeds")
    found = cross_validate(splits, options.cv, seeds) if options.cv else evaluate(train, splits, seeds)
    for name, split in splits.items():
        _add(result, name, found[name], split)
    pairs = [(train, splits["test"])]
    if options.cv:
        fold = folds(train.outcomes.tasks, options.cv, options.seed)
        pairs = [(train.rows(fold != held), train.rows(fold == held)) for held in range(options.cv)]
    if options.leave_one_out:
        _say("leaving one model out")
        result["leave_one_out"] = leave_one_out(pairs, options.draws, options.seed)
        result["wire"] = on_the_wire(*pairs[0], options.seed)
    if options.topics:
        texts = load_training_texts([options.topics])
        embeddings = _encode(encoder, [text.query for text in texts])
        topics = np.array([text.category for text in texts])
        result["topics"] = topic_accuracy(train, embeddings, topics, TOPIC_CONFIG, seeds)
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
    _say(f"encoding {len(texts)} texts")
    return encoder.encode(texts)


def _weights() -> Path:
    return Path(os.environ.get("PPAI_WEIGHTS", "~/.ppai/weights")).expanduser()


def _table(result: dict[str, Any]) -> str:
    lines = []
    for name, splits in result["routers"].items():
        for split, row in splits.items():
            tasks = " ".join(f"{task} {value:.1f}" for task, value in row["tasks"].items())
            lines.append(f"{name:12} {split:12} {row['mean']:6.2f} [{row['ci'][0]:.1f}, {row['ci'][1]:.1f}]  {tasks}")
    lines += [f"{key}: {json.dumps(value)}" for key, value in result.items() if key not in ("routers", "config")]
    return "\n".join(lines)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing", description=__doc__)
    parser.add_argument("--train", type=Path, required=True, help="folder of outcome files: gate and profiles")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--test", type=Path, help="folder of outcome files of the same tasks")
    where.add_argument("--cv", type=int, metavar="K", help="no test folder: K folds of --train")
    parser.add_argument("--ood", type=Path, help="folder of outcome files of other tasks")
    parser.add_argument("--leave-one-out", action="store_true", help="each model joins with 100, 300, 1000, all")
    parser.add_argument("--draws", type=int, default=20, help="query draws a model of --leave-one-out (20)")
    parser.add_argument("--strip-format", action="store_true", help="also route prompts without options")
    parser.add_argument("--topics", type=Path, metavar="FILE", help="stems with a topic: are they told apart?")
    parser.add_argument("--seeds", type=int, default=5, help="runs with seeds from --seed on (5)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, metavar="FILE", help="also draw the routers (needs matplotlib)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(argv)
    if options.cv is not None and options.cv < 2:
        parser.error("--cv needs at least 2 folds")
    if options.ood and not options.test:
        parser.error("--ood needs --test")
    return options


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
