"""From a query's words to its relevance f̃(q), off the event loop, and remembered: clients ask the same thing again.

The encoder (60 MB) is loaded when it is first needed: a peer that knows no other never needs it. One worker thread
encodes; a text that is already on its way is not encoded twice. Texts are not batched: the encoder runs them one at a
time all the same (its int8 activations are quantised per tensor, see profiler/encoder.py).
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

from gateway.weights import WeightsMissing
from profiler.encoder import Encoder, EncoderError
from profiler.qagate import QAGate

log = logging.getLogger(__name__)

BUDGET_S = 0.1  # how long a request waits to be judged; a text takes 3-17 ms, so this is an overloaded machine
REMEMBERED = 4096  # texts; 64 prototypes are 256 bytes each
UNDER_WAY_LIMIT = 64  # texts; what waits behind them is not read in time, and reading it later would help nobody


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What the gate makes of a text: f̃(q), (K,) float32 summing to 1, and the category of its nearest prototype."""

    relevance: NDArray[np.float32]
    category: str


class RelevanceReader:
    """Judges texts with one encoder and gate."""

    def __init__(
        self,
        gate: QAGate,
        load_encoder: Callable[[], Encoder],
        worker: ThreadPoolExecutor,
        remembered: int = REMEMBERED,
    ) -> None:
        """`load_encoder` runs in the worker; what it raises is `problem`, and load alone decides from then on."""
        self.gate = gate
        self.problem: str | None = None
        self._load_encoder, self._worker, self._remembered = load_encoder, worker, remembered
        self._encoder: Encoder | None = None
        self._known: OrderedDict[bytes, Judged] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Future[Judged | None]] = {}

    def warm_up(self) -> None:
        """Load the encoder now, in the background: somebody is there to route to."""
        if self._encoder is None and self.problem is None:
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

    def _loaded(self) -> Encoder | None:
        """The encoder, loaded if need be; in the worker thread only."""
        if self._encoder is None and self.problem is None:
            try:
                self._encoder = self._load_encoder()
            except (WeightsMissing, EncoderError) as error:
                self.problem = str(error)
            except Exception as error:
                log.exception("encoder_not_loaded")
                self.problem = f"the encoder cannot be loaded: {error}"
        return self._encoder

    def _judge(self, text: str) -> Judged | None:
        encoder = self._loaded()
        if encoder is None:
            return None
        try:
            relevance = self.gate.relevance(encoder.encode([text]))[0]
        except Exception:  # whatever a tokenizer or a runtime makes of this text: the next one may do
            log.exception("text_not_judged characters=%d", len(text))
            return None
        return Judged(relevance, self.gate.categories[int(np.argmax(relevance))])

    def _remember(self, key: bytes, done: "asyncio.Future[Judged | None]") -> None:
        del self._under_way[key]
        if done.cancelled():
            return
        if (judged := done.result()) is not None:
            self._known[key] = judged
        while len(self._known) > self._remembered:
            self._known.popitem(last=False)
