"""`python -m benchmarks.routing.everyday`: does the gate understand what people ask?

Texts are a folder of *.jsonl files, a line each: {"query": "how do I unclog a sink", "accept": ["home and garden"],
"source": "mine"}. A text is right where the gate's category is among those it accepts; where it is called unfamiliar it
is wrong. A file of alien texts, {"query": "xq zzt", "kind": "letters"} a line, says how well noise is found. Texts are
read as the gateway reads them: greeting and thanks left out, both ends of a long one, forms seen by their wording.

`python -m benchmarks.routing.everyday network` says what that is worth to a network (network.py).

All figures are percent, but for AUROC: how often a text lies further from noise than an alien one, from 0 to 1.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks.needs import encoder_folder, printed
from benchmarks.progress import say
from benchmarks.routing import network
from benchmarks.routing.changes import CHANGES
from benchmarks.routing.prompts import Reader, Text, load_texts
from gateway.topics.judged import Judged
from profiler.calibrate import auroc
from profiler.encoder import Encoder, load_encoder
from profiler.ladder import load_ladder
from profiler.qagate import QAGate, shipped_gate
from profiler.queries import lines_of
from profiler.question import QueryError, text_of

FLIPPED = 300  # texts that are changed to see which categories flip


def load_alien(file: Path) -> list[tuple[str, str]]:
    """(query, kind) of each line. Raises QueryError, as `load_texts` does."""
    texts = [(text_of(value, "query", at), text_of(value, "kind", at)) for value, at in lines_of(file)]
    if not texts:
        raise QueryError(f"{file} holds no text")
    return texts


def measured(reader: Reader, texts: Sequence[Text], alien: Sequence[tuple[str, str]], seed: int) -> dict[str, Any]:
    """{"sources", "mean", "alien", "flips"}, see the module."""
    found = [(text, *reader.read(text.query)) for text in texts]
    by_source: dict[str, list[tuple[Text, Judged, float]]] = defaultdict(list)
    for row in found:
        by_source[row[0].source].append(row)
    sources = {name: _figures(rows) for name, rows in sorted(by_source.items())}
    accuracies = [row["accuracy"] for row in sources.values()]
    result: dict[str, Any] = {
        "sources": sources,
        "mean": {**_figures(found), "accuracy_of_sources": round(float(np.mean(accuracies)), 2)},
    }
    if alien:
        result["alien"] = _alien(reader, alien, [familiarity for _, _, familiarity in found])
    result["flips"] = flips(lambda query: reader.read(query)[0].category, texts, seed)
    return result


def flips(category: Callable[[str], str], texts: Sequence[Text], seed: int) -> dict[str, float]:
    """{change: percent of at most FLIPPED texts whose category is another one after it}."""
    chosen = Random(seed).sample(list(texts), min(FLIPPED, len(texts)))
    before = [category(text.query) for text in chosen]
    result = {}
    for name, change in CHANGES.items():
        rng = Random(f"{seed}:{name}")
        after = [category(change(text.query, rng)) for text in chosen]
        result[name] = _percent([a != b for a, b in zip(after, before, strict=True)])
    return result


def _figures(rows: Sequence[tuple[Text, Judged, float]]) -> dict[str, Any]:
    return {
        "n": len(rows),
        "accuracy": _percent([judged.category in text.accept for text, judged, _ in rows]),
        "unfamiliar": _percent([not judged.is_familiar for _, judged, _ in rows]),
    }


def _alien(reader: Reader, alien: Sequence[tuple[str, str]], familiar: Sequence[float]) -> dict[str, Any]:
    found = [(kind, *reader.read(query)) for query, kind in alien]
    lost = [not judged.is_familiar for _, judged, _ in found]
    kinds = {name: _percent([x for x, row in zip(lost, found, strict=True) if row[0] == name]) for name, *_ in found}
    far = auroc(np.array(familiar, np.float32), np.array([row[2] for row in found], np.float32))
    return {"n": len(found), "auroc": far, "found": _percent(lost), "kinds": kinds}


def _percent(flags: Sequence[bool]) -> float:
    return round(100 * float(np.mean(flags)), 2)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 a file is missing or broken (usage errors exit 2)."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:1] == ["network"]:
        return network.main(words[1:])
    options = _options(words)
    return printed("benchmarks.routing.everyday", lambda: "\n".join(_lines(_run(options), options.json)))


def _run(options: argparse.Namespace) -> dict[str, Any]:
    texts, alien = load_texts(options.texts), load_alien(options.alien) if options.alien else []
    folder = options.gate or shipped_gate()

    def full() -> Encoder:
        return load_encoder(encoder_folder())

    reader = Reader(QAGate.load(folder), load_ladder(folder, options.encoder, full))
    say(f"reading {len(texts)} texts and {len(alien)} alien ones with {' and '.join(reader.ladder.encoders)}")
    config = {"gate": reader.gate.space, "encoder": options.encoder, "seed": options.seed}
    return {"config": config, **measured(reader, texts, alien, options.seed)}


def _lines(result: dict[str, Any], as_json: bool) -> Iterator[str]:
    if as_json:
        yield json.dumps(result)
        return
    for name, row in {**result["sources"], "all": result["mean"]}.items():
        yield f"{name:20} {row['n']:6} texts  right {row['accuracy']:6.2f} %  unfamiliar {row['unfamiliar']:6.2f} %"
    yield from (f"{key}: {json.dumps(result[key])}" for key in ("alien", "flips") if key in result)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.routing.everyday",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--texts", type=Path, required=True, metavar="DIR", help="folder of texts that were labelled")
    parser.add_argument("--alien", type=Path, metavar="FILE", help="texts that ask nothing")
    parser.add_argument("--gate", type=Path, metavar="DIR", help="another gate than the shipped one")
    parser.add_argument("--encoder", choices=("cascade", "full", "fast"), default="cascade")
    parser.add_argument("--seed", type=int, default=0, help="of the texts that are changed, and how (0)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())
