"""From a query's words to its relevance f̃(q), off the event loop, and remembered: clients ask the same thing again.

The encoders (70 MB) are loaded when they are first needed: a peer that knows no other never needs them. One worker
thread encodes; a text that is already on its way is not encoded twice. Texts are not batched: the full encoder runs
them one at a time all the same (its int8 activations are quantised per tensor, see profiler/bert_graph.py).
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from profiler.encoder import EncoderError
from profiler.ladder import Ladder
from profiler.qagate import GateError, QAGate

log = logging.getLogger(__name__)

BUDGET_S = 0.1  # how long a request waits to be judged; a text takes 3-17 ms, so this is an overloaded machine
REMEMBERED = 4096  # texts; 64 prototypes are 256 bytes each
UNDER_WAY_LIMIT = 64  # texts; what waits behind them is not read in time, and reading it later would help nobody


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What the gate makes of a text.

    A text unlike all that the gate knows is relevant to every prototype alike, which scores agents by their general
    ability. By load alone every second such query would go to a small model where every second model is small: 10
    points fewer right (docs/results.md).
    """

    relevance: NDArray[np.float32]  # f̃(q), (K,) sums to 1
    category: str  # of the nearest prototype; empty for an unfamiliar text
    is_familiar: bool = True


class RelevanceReader:
    """Judges texts with one gate and the encoders that read for it."""

    def __init__(
        self,
        gate: QAGate,
        load: Callable[[], Ladder],
        worker: ThreadPoolExecutor,
        remembered: int = REMEMBERED,
    ) -> None:
        """`load` runs in the worker; what it raises is `problem`, and load alone decides from then on."""
        self.gate = gate
        self.problem: str | None = None
        self._load, self._worker, self._remembered = load, worker, remembered
        self._ladder: Ladder | None = None
        self._known: OrderedDict[bytes, Judged] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Future[Judged | None]] = {}

    @property
    def lacking(self) -> str | None:
        """Why the fast encoder reads alone, with the remedy; None where the full one is there, or none is."""
        return self._ladder.lacking if self._ladder else None

    @property
    def encoders(self) -> tuple[str, ...]:
        """Who reads, in turn; empty until the first is loaded."""
        return self._ladder.encoders if self._ladder else ()

    def warm_up(self) -> None:
        """Load the encoders now, in the background: somebody is there to route to."""
        if self._ladder is None and self.problem is None:
            self._worker.submit(self._loaded)

    async def judge(self, text: str, budget_s: float = BUDGET_S) -> Judged | None:
        """The text's relevance; None without an encoder, for a text without words, and when it takes too long.

        Nobody's request waits for an encoder that is still being loaded: load alone decides until it is there.
        """
        if self.problem is not None or not text.strip():
            return None
        try:
            async with asyncio.timeout(budget_s):
                return await self._judged(text)
        except TimeoutError:
            return None

    async def _judged(self, text: str) -> Judged | None:
        key = blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
        if known := self._known.get(key):
            self._known.move_to_end(key)
            return known
        if key not in self._under_way:
            if len(self._under_way) >= UNDER_WAY_LIMIT:
                return None
            work = asyncio.get_running_loop().run_in_executor(self._worker, self._judge, text)
            self._under_way[key] = work
            work.add_done_callback(lambda done: self._remember(key, done))
        return await asyncio.shield(self._under_way[key])

    def _loaded(self) -> Ladder | None:
        """The encoders, loaded if need be; in the worker thread only."""
        if self._ladder is None and self.problem is None:
            try:
                self._ladder = self._load()
            except (EncoderError, GateError) as error:
                self.problem = str(error)
            except Exception as error:
                log.exception("encoder_not_loaded")
                self.problem = f"the encoder cannot be loaded: {error}"
        return self._ladder

    def _judge(self, text: str) -> Judged | None:
        ladder = self._loaded()
        if ladder is None:
            return None
        try:
            reading = ladder.read(text)
        except Exception:  # whatever a tokenizer or a runtime makes of this text: the next one may do
            log.exception("text_not_judged characters=%d", len(text))
            return None
        if reading.is_familiar:
            return Judged(reading.relevance, reading.category)
        return Judged(np.full(self.gate.K, 1 / self.gate.K, np.float32), "", is_familiar=False)

    def _remember(self, key: bytes, done: "asyncio.Future[Judged | None]") -> None:
        del self._under_way[key]
        if done.cancelled():
            return
        if (judged := done.result()) is not None:
            self._known[key] = judged
        while len(self._known) > self._remembered:
            self._known.popitem(last=False)
