"""`python -m benchmarks.knowledge`: how long documents take to be searchable, and a question to be searched for.

Three tables. `index`: Markdown pages of PPAI's own texts, from an empty index to full text, and to all vectors.
`search`: a question at so many pieces, without its own embedding; these pieces have random vectors, and words as
frequent as in language; and what a process has more in memory with that index open. `quality`: questions of a
librarian's owner, of its documents, and everyday questions, which are not. Times are wall time, `cpu_s` is processor
time of all threads.
"""

import argparse
import asyncio
import csv
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]  # it comes without types

from benchmarks.knowledge.made import Floats, fill, pages
from gateway.agent.knowledge.knowledge import Knowledge
from gateway.agent.knowledge.search import Search
from gateway.agent.settings import KnowledgeSettings
from gateway.home.folder import Home
from profiler.encoder import Encoder, EncoderError, load_encoder
from profiler.qagate import shipped_gate

LIBRARIAN = Path("configs/demo/agents/librarian")


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 without an encoder."""
    options = _options(argv)
    try:
        encoder = load_encoder(Home.default().weights / "encoder")
        encoder.encode(["warm up"])
    except EncoderError as error:
        print(f"benchmarks.knowledge: {error}", file=sys.stderr)
        return 1
    if options.memory_of:
        print(_memory(options.memory_of, encoder))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found: dict[str, Any] = {"index": asyncio.run(_index(folder, options.pages, encoder, options.seed))}
        found["search"] = [_search(folder, pieces, encoder, options) for pieces in options.pieces]
        found["quality"] = asyncio.run(_quality(folder, options.documents, options.questions, encoder))
    print(json.dumps(found) if options.json else _table(found))
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.knowledge", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=int, default=1000, help="Markdown pages of about 2,500 characters")
    parser.add_argument("--pieces", type=int, nargs="+", default=[10_000, 100_000], help="sizes of the searched index")
    parser.add_argument("--asked", type=int, default=100, help="questions to each")
    parser.add_argument("--documents", type=Path, nargs="+", default=[LIBRARIAN / "docs", Path("docs")], metavar="DIR")
    parser.add_argument("--questions", type=Path, default=LIBRARIAN / "questions.tsv", metavar="FILE")
    parser.add_argument("--memory-of", type=Path, metavar="INDEX", help="only that: what an index takes, in bytes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser.parse_args(argv)


async def _index(folder: Path, count: int, encoder: Encoder, seed: int) -> dict[str, Any]:
    (folder / "pages").mkdir()
    for at, page in enumerate(pages(count, random.Random(seed))):
        (folder / "pages" / f"{at}.md").write_text(page, encoding="utf-8")
    knowledge = Knowledge(folder / "pages.sqlite", KnowledgeSettings((str(folder / "pages"),)), lambda: encoder)
    began, used, searchable = time.monotonic(), _cpu_s(), 0.0
    try:
        while await knowledge.advance():
            progress = knowledge.progress
            if not searchable and not progress.unread and progress.documents == count:
                searchable = time.monotonic() - began
            if sys.stderr.isatty():
                print(
                    f"\r{progress.documents} documents, {progress.vectors}/{progress.pieces}", end="", file=sys.stderr
                )
            if progress.pieces and progress.vectors == progress.pieces and not progress.unread:
                break
        indexed = time.monotonic() - began
        return {
            "pages": count,
            "pieces": knowledge.progress.pieces,
            "searchable_s": round(searchable, 1),
            "indexed_s": round(indexed, 1),
            "cpu_s": round(_cpu_s() - used, 1),
        }
    finally:
        knowledge.close()


def _search(folder: Path, pieces: int, encoder: Encoder, options: argparse.Namespace) -> dict[str, Any]:
    file = folder / f"{pieces}.sqlite"
    questions = fill(file, pieces, encoder.name, options.asked, options.seed)
    search, vectors, wall_ms, cpu_ms = Search(file), np.random.default_rng(options.seed), [], []
    search.find("warm up", encoder.name, encoder.encode, 3)
    for question in questions:
        vector = vectors.standard_normal((1, encoder.dim), np.float32)
        vector /= np.linalg.norm(vector)

        def encode(texts: Sequence[str], question: str = question, vector: Floats = vector) -> Floats:
            return vector if list(texts) == [question] else encoder.encode(texts)

        began, used = time.perf_counter(), time.process_time()
        search.find(question, encoder.name, encode, 3)
        wall_ms.append((time.perf_counter() - began) * 1e3)
        cpu_ms.append((time.process_time() - used) * 1e3)
    search.close()
    command = [sys.executable, "-m", "benchmarks.knowledge", "--memory-of", str(file)]
    memory = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {
        "pieces": pieces,
        "p50_ms": round(statistics.median(wall_ms), 1),
        "p95_ms": round(float(np.quantile(wall_ms, 0.95)), 1),
        "cpu_p50_ms": round(statistics.median(cpu_ms), 1),
        "memory_mib": round(memory / 2**20, 1),
        "disk_mib": round(file.stat().st_size / 2**20, 1),
    }


def _memory(file: Path, encoder: Encoder) -> int:
    """Bytes that this process has more once an index is open and was searched, beside the encoder."""
    process = psutil.Process()
    encoder.encode(["some words of a question", "and a longer text " * 20])
    before = process.memory_info().rss
    search = Search(file)
    for at in range(20):
        search.find(f"what is w{at} and w{at + 100}", encoder.name, encoder.encode, 3)
    return int(process.memory_info().rss - before)


async def _quality(folder: Path, documents: Sequence[Path], file: Path, encoder: Encoder) -> dict[str, Any]:
    """How many of the owner's questions the documents answer, and of everyday ones that calibrate no threshold."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        own = [(row[0], row[1].lower().split("|")) for row in rows if row and not row[0].startswith("#")]
    everyday = (shipped_gate() / "everyday.jsonl").read_text(encoding="utf-8").splitlines()
    others = [json.loads(line)["query"][:500] for line in everyday[2::4]]
    settings = KnowledgeSettings(tuple(str(path.absolute()) for path in documents), ("*.md",))
    knowledge = Knowledge(folder / "own.sqlite", settings, lambda: encoder)
    try:
        while await knowledge.advance():
            pass
        return {
            "pieces": knowledge.progress.pieces,
            "threshold": round(knowledge.threshold, 3),
            "own": await _told(knowledge, own),
            "everyday": await _told(knowledge, [(other, []) for other in others]),
        }
    finally:
        knowledge.close()


async def _told(knowledge: Knowledge, questions: Sequence[tuple[str, list[str]]]) -> dict[str, Any]:
    """Shares of the questions: `answered` from the documents; an answer in the `first` passage, in `three`."""
    answered, first, three = [], [], []
    for question, answers in questions:
        found = await knowledge.find(question)
        holds = [any(answer in passage.text.lower() for answer in answers) for passage in found.passages]
        answered.append(found.is_enough)
        first.append(bool(holds and holds[0]))
        three.append(any(holds))
    shares = {"answered": answered} | ({"first": first, "three": three} if any(three) else {})
    return {"n": len(questions), **{name: round(sum(is_so) / len(is_so), 3) for name, is_so in shares.items()}}


def _cpu_s() -> float:
    """Of this process and of those that it started."""
    process = psutil.Process()
    children = [child.cpu_times() for child in process.children()]
    own = process.cpu_times()
    of_all = sum(times.user + times.system for times in (own, *children))
    return float(of_all + own.children_user + own.children_system)


def _table(found: dict[str, Any]) -> str:
    lines = [f"index: {found['index']}", *(f"search: {row}" for row in found["search"])]
    return "\n".join([*lines, f"quality: {found['quality']}"])


if __name__ == "__main__":
    sys.exit(main())
