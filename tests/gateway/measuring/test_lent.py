"""A lent encoder reads what the reader's own would, each text once, and lets a request's text in between."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gateway.measuring.lent import LentEncoder
from gateway.topics.reader import RelevanceReader
from profiler.encoder import Floats
from profiler.ladder import Ladder
from profiler.qagate import QAGate, shipped_gate

GATE = QAGate.load(shipped_gate())


class Lengths:
    """An encoder in memory: where a text lies is how long it is."""

    name, dim = GATE.encoder, GATE.dim

    def __init__(self) -> None:
        self.read: list[str] = []

    def encode(self, texts: Sequence[str]) -> Floats:
        self.read += texts
        return np.array([np.eye(self.dim)[len(text)] for text in texts], np.float32)


async def test_texts_are_read_once_and_a_request_waits_for_one_of_them() -> None:
    encoder = Lengths()
    with ThreadPoolExecutor(1) as worker:
        reader = RelevanceReader(GATE, lambda: Ladder(GATE, encoder, None), worker)
        lent = LentEncoder(encoder, asyncio.get_running_loop(), reader, {})
        texts = ["a" * (1 + n % 300) for n in range(600)]

        folding = asyncio.create_task(asyncio.to_thread(lent.encode, texts))
        while not encoder.read:
            await asyncio.sleep(0)
        judged = await reader.judge("?" * 7, 20.0)
        rows = await folding

        assert judged is not None
        assert encoder.read.index("?" * 7) < 301 == len(encoder.read)
        assert [len(text) for text in texts] == rows.argmax(1).tolist()


async def test_no_text_is_no_row() -> None:
    with ThreadPoolExecutor(1) as worker:
        reader = RelevanceReader(GATE, lambda: Ladder(GATE, Lengths(), None), worker)
        lent = LentEncoder(Lengths(), asyncio.get_running_loop(), reader, {})

        assert (0, GATE.dim) == (await asyncio.to_thread(lent.encode, [])).shape
