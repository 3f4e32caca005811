"""From a query's words to its relevance f̃(q), off the event loop, and remembered: clients ask the same thing again.

Of a conversation every turn is judged by itself and blended (conversation.py): one more turn costs one more text.

The encoders (70 MB) are loaded when they are first needed: a peer that knows no other never needs them. One worker
thread encodes; a text that is already on its way is not encoded twice. Texts are not batched: the full encoder runs
them one at a time all the same (its int8 activations are quantised per tensor, see profiler/bert_graph.py).
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from gateway.topics.conversation import ALL_SAID, Thread, follow, says
from profiler.encoder import EncoderError
from profiler.ladder import Ladder, Rung
from profiler.qagate import GateError, QAGate

log = logging.getLogger(__name__)

BUDGET_S = 0.1  # how long a request waits to be judged; a text takes 3-17 ms, so this is an overloaded machine
REMEMBERED = 4096  # texts, and conversations; 64 prototypes are 256 or 512 bytes each
UNDER_WAY_LIMIT = 64  # texts; what waits behind them is not read in time, and reading it later would help nobody


@dataclass(frozen=True)
class GateConfig:
    """Which gate reads queries, and with which encoders; keys of the group `routing`."""

    encoder: Rung = "auto"  # auto: cascade, or what is there of fast and full; full and cascade insist on the weights
    gate: str = ""  # folder of another gate (ppai-profile train); only peers of one gate compare measured vectors
    encoder_model: str = ""  # its full encoder: "" as pulled; use; or a sentence-transformers folder or hub name


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
    nearest: float = 0.0  # cosine with that prototype


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
        self._threads: OrderedDict[str, Thread] = OrderedDict()

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

    async def judge(
        self, text: str, budget_s: float = BUDGET_S, earlier: Sequence[str] = (), session: str | None = None
    ) -> Judged | None:
        """What a query is about: its text, and by the share that leaves open the turns before it, newest first.

        `session` is the client's own name of the conversation, if it gave one: where it sends no earlier turns, those
        that were judged before count. None without an encoder, without words, and when the text takes too long.
        Nobody's request waits for an encoder that is still being loaded: load alone decides until it is there.
        """
        if self.problem is not None:
            return None
        turns: list[tuple[Judged, float]] = []
        left = 1.0
        try:
            async with asyncio.timeout(budget_s):
                for turn in (text, *earlier):
                    if turn.strip() and (judged := await self._judged(turn)):
                        turns.append((judged, says(turn, judged.nearest)))
                        left *= 1 - turns[-1][1]
                    if left < ALL_SAID:
                        break
        except TimeoutError:
            pass  # newest first: what was read in time is what counts most
        return self._blended(turns, None if earlier else session, session) if turns else None

    def _blended(self, turns: list[tuple[Judged, float]], before: str | None, session: str | None) -> Judged:
        """The turns, newest first, after what the session `before` was about; kept as what `session` is about now."""
        thread = self._threads.get(before) if before else None
        is_alone = thread is None and len(turns) == 1
        for judged, own in reversed(turns):
            thread = follow(thread, judged.relevance, own)
        assert thread, "there is a turn"
        if session:
            self._threads[session] = thread
            self._threads.move_to_end(session)
            while len(self._threads) > self._remembered:
                self._threads.popitem(last=False)
        if is_alone:
            return turns[0][0]
        relevance = thread.relevance
        if np.ptp(relevance) < 1e-6:  # nothing but turns unlike all that the gate knows
            return turns[0][0]
        return replace(
            turns[0][0], relevance=relevance, category=self.gate.categories[int(relevance.argmax())], is_familiar=True
        )

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
            return Judged(reading.relevance, reading.category, nearest=reading.nearest)
        unlike = np.full(self.gate.K, 1 / self.gate.K, np.float32)
        return Judged(unlike, "", is_familiar=False, nearest=reading.nearest)

    def _remember(self, key: bytes, done: "asyncio.Future[Judged | None]") -> None:
        del self._under_way[key]
        if done.cancelled():
            return
        if (judged := done.result()) is not None:
            self._known[key] = judged
        while len(self._known) > self._remembered:
            self._known.popitem(last=False)
