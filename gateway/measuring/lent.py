"""The encoder of the gateway's reader, for work in another thread that needs many texts read, one text at a time."""

import asyncio
from collections.abc import Sequence

import numpy as np

from gateway.topics.reader import RelevanceReader
from profiler.encoder import Encoder, Floats


class LentEncoder:
    """The reader's encoder for another thread, one text at a time: a request's text waits for no more than one."""

    def __init__(
        self, encoder: Encoder, loop: asyncio.AbstractEventLoop, reader: RelevanceReader, rows: dict[str, Floats]
    ) -> None:
        """`rows` remembers what was encoded, by text."""
        self.name, self.dim = encoder.name, encoder.dim
        self._encoder, self._loop, self._reader, self._rows = encoder, loop, reader, rows

    def encode(self, texts: Sequence[str]) -> Floats:
        """(n, dim) float32, unit rows. Blocks until the reader's thread has read them all."""
        for text in dict.fromkeys(texts):
            if text not in self._rows:
                self._rows[text] = self._read(text)
        return np.array([self._rows[text] for text in texts], np.float32).reshape(len(texts), self.dim)

    def _read(self, text: str) -> Floats:
        reading = self._reader.in_worker(lambda ladder: self._encoder.encode([text])[0])
        row: Floats | None = asyncio.run_coroutine_threadsafe(reading, self._loop).result()
        assert row is not None, "who lends an encoder has one"
        return row
