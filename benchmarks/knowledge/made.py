"""Documents and an index made for the measurement, the same for a seed."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gateway.agent.knowledge.pieces import Piece
from gateway.agent.knowledge.store import Store, packed
from profiler.qagate import shipped_gate

Floats = npt.NDArray[np.float32]

SECTIONS, PARAGRAPHS = 5, 4  # of a page: about 2,500 characters
WORDS = 20_000  # of the made index, the n-th as frequent as 1/n
PIECE_WORDS, QUESTION_WORDS = 55, 8
DOCUMENT_PIECES = 20


def pages(count: int, rng: random.Random) -> Iterator[str]:
    """Markdown pages of the texts that come with the gate."""
    lines = [
        line
        for name in ("everyday", "forms", "queries")
        for line in (shipped_gate() / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    texts = [" ".join(json.loads(line)["query"][:300].split()) for line in lines]
    for page in range(count):
        parts = [f"# Page {page}"]
        for section in range(SECTIONS):
            parts.append(f"## Part {section} of page {page}")
            parts += rng.choices(texts, k=PARAGRAPHS)
        yield "\n\n".join(parts)


def fill(file: Path, pieces: int, encoder: str, asked: int, seed: int, dim: int = 384) -> list[str]:
    """Write an index of so many pieces. Returns questions: words of a piece, in the frequencies of language."""
    rng = np.random.default_rng(seed)
    shares = 1 / np.arange(1, WORDS + 1)
    shares /= shares.sum()
    store = Store(file)
    store.set("encoder", encoder)
    questions: list[str] = []
    for first in range(0, pieces, DOCUMENT_PIECES):
        numbers = rng.choice(WORDS, (min(DOCUMENT_PIECES, pieces - first), PIECE_WORDS), p=shares)
        texts = [_sentences(row) for row in numbers]
        store.put("/made", f"{first}.md", 1, first, str(first), [Piece(f"heading {first}", text) for text in texts])
        if len(questions) < asked:
            questions.append(" ".join(f"w{word}" for word in numbers[0][:QUESTION_WORDS]))
    waiting = store.pending()
    for first in range(0, len(waiting), 1000):
        some = waiting[first : first + 1000]
        rows = packed(rng.standard_normal((len(some), dim), np.float32))
        store.put_vectors({number: row.tobytes() for number, row in zip(some, rows, strict=True)})
    store.close()
    return questions


def _sentences(row: npt.NDArray[np.int64]) -> str:
    words = [f"w{word}" for word in row]
    return " ".join(" ".join(words[at : at + 14]).capitalize() + "." for at in range(0, len(words), 14))
