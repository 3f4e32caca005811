"""The texts that an agent's topics are compared with: what people ask, in our own words, and their vectors.

The texts come with PPAI. Their vectors do not: each encoder reads them once, which takes the full one seconds
(docs/results/agents.md#finding-an-agent-by-its-topics), and they are kept in a file. An encoder reads a few at a time,
so that whoever shares its thread goes in between.
"""

import json
import logging
import os
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.topics.domains import Background, Rarity, words
from profiler.encoder import Encoder
from profiler.essence import essence
from profiler.qagate import shipped_gate

log = logging.getLogger(__name__)

FILES = ("everyday.jsonl", "forms.jsonl", "queries.jsonl")  # beside the gate that comes with PPAI
AT_ONCE = 4  # texts: a query that comes meanwhile hardly waits


@cache
def texts() -> tuple[str, ...]:
    """What is read of each, as of a query. Raises OSError where the files that come with PPAI are gone."""
    lines = (line for name in FILES for line in (shipped_gate() / name).read_text("utf-8").splitlines())
    return tuple(dict.fromkeys(essence(json.loads(line)["query"]) for line in lines))


@cache
def _rarity() -> Rarity:
    return Rarity([words(text) for text in texts()])


class Reading:
    """The background as one encoder reads it, bit by bit."""

    def __init__(self, encoder: Encoder, folder: Path | None) -> None:
        """`folder`: where vectors are kept; None: nowhere."""
        self._encoder, self._rows = encoder, np.zeros((0, encoder.dim), np.int8)
        name = blake2b("\0".join((encoder.name, *texts())).encode(), digest_size=8).hexdigest()
        self._file = folder / f"{name}.npy" if folder else None
        self._background: Background | None = None
        self._load()

    @property
    def done(self) -> int:
        """Texts that are read."""
        return len(self._rows)

    @property
    def background(self) -> Background | None:
        """None until all texts are read."""
        if self._background is None and self.done == len(texts()):
            self._background = Background.of(self._rows.astype(np.float32) / np.float32(127), _rarity())
            self._rows = np.broadcast_to(np.int8(0), self._rows.shape)  # no longer needed
        return self._background

    def read_on(self, limit: int = AT_ONCE) -> None:
        """Read so many more; whoever reads the last keeps the vectors."""
        rows = self._encoder.encode(texts()[self.done : self.done + limit])
        self._rows = np.concatenate((self._rows, np.rint(rows * 127).astype(np.int8)))
        if self.done == len(texts()):
            self._keep()

    def _load(self) -> None:
        try:
            rows: NDArray[np.int8] = np.load(self._file, allow_pickle=False) if self._file else self._rows
        except (OSError, ValueError, EOFError):  # not there, or damaged: it is made anew
            return
        if rows.dtype == np.int8 and rows.shape == (len(texts()), self._encoder.dim):
            self._rows = rows

    def _keep(self) -> None:
        if self._file is None:
            return
        partial = self._file.with_suffix(f".{os.getpid()}.partial")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                np.save(file, self._rows, allow_pickle=False)
            partial.replace(self._file)
        except OSError as error:
            log.warning("background_not_kept file=%s reason=%s", self._file, error)


def read_all(encoder: Encoder, folder: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Read and keep the vectors now, so that no peer has to later."""
    reading = Reading(encoder, folder)
    while reading.done < len(texts()):
        reading.read_on(8 * AT_ONCE)
        progress(reading.done, len(texts()))
