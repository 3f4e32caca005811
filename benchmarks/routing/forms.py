"""`python -m benchmarks.routing.forms FILE`: how often is the form that a prompt asks for seen by its wording?

FILE holds a prompt a line, {"query": ..., "task": ..., "category": ...}. For each form: how many prompts of its
category ask for it (hit), and how many of all others do (false). A false alarm may be none: a label names the subject
of many prompts that ask for a form as well.
"""

import argparse
import json
import time
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from benchmarks.needs import printed
from gateway.topics.forms import WORDINGS, forms
from profiler.queries import TrainingText, load_training_texts
from profiler.question import QueryError


def is_unseen(query: str) -> bool:
    """Whether this is one of the prompts, a third by their hash, whose misses no pattern was written from."""
    return blake2b(query.encode(), digest_size=2).digest()[0] % 3 == 0


def measured(texts: Sequence[TrainingText]) -> dict[str, Any]:
    """{"n", "seen": percent with any form, "us": processor time a prompt, "forms": {name: {"n", "hit", "false"}}}."""
    forms("load the patterns")
    began = time.process_time()
    found = [forms(text.query) for text in texts]
    spent = time.process_time() - began
    rows = {}
    for name in WORDINGS:
        own = [name in asked for asked, text in zip(found, texts, strict=True) if text.category == name]
        others = [name in asked for asked, text in zip(found, texts, strict=True) if text.category != name]
        rows[name] = {"n": len(own), "hit": _percent(own), "false": _percent(others)}
    return {
        "n": len(texts),
        "seen": _percent([bool(asked) for asked in found]),
        "us": round(1e6 * spent / len(texts), 1),
        "forms": rows,
    }


def _percent(flags: Sequence[bool]) -> float | None:
    return round(100 * sum(flags) / len(flags), 2) if flags else None


def main(argv: Sequence[str] | None = None) -> int:
    """Prints one JSON object; returns 0, or 1 where the file is missing or broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing.forms", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="configs/gate/forms.jsonl, say")
    parser.add_argument("--unseen", action="store_true", help="only prompts that no pattern was written from")
    options = parser.parse_args(argv)
    return printed("benchmarks.routing.forms", lambda: json.dumps(_run(options.file, options.unseen)))


def _run(file: Path, unseen: bool) -> dict[str, Any]:
    texts = [text for text in load_training_texts([file]) if is_unseen(text.query) or not unseen]
    if not texts:
        raise QueryError(f"{file} holds no prompt")
    return measured(texts)


if __name__ == "__main__":
    raise SystemExit(main())
