"""Turns a query's text into its relevance f̃(q), and remembers it: clients repeat their texts.

Every turn of a conversation is judged by itself, and conversation.py blends them. So one more turn costs one more text.

The encoders are loaded when they are first needed; a peer that knows no other never needs them. A text of which the
fast encoder is sure is read where it is asked for: that takes less than to hand it over, and a thread would free nobody
meanwhile, since it all runs under the interpreter's lock. Few are read in each turn of the event loop, else whoever
asks another peer, and needs several turns, would wait for a burst of new texts in each.
What the full encoder must read goes to one worker thread, and a text that it is encoding already is not encoded twice.
Texts are not batched: in a batch an embedding would depend on the other texts (profiler/bert_graph.py).
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import numpy as np
from msgspec.structs import replace

from gateway.topics.conversation import LEAST_SHARE, Thread, follow, turn_share
from gateway.topics.domains import Topics
from gateway.topics.drawing import Drawing
from gateway.topics.judged import Judged, judged_of
from gateway.topics.mixing import leading, mixed
from gateway.topics.paced import Paced
from gateway.topics.setting import (
    CODE_SHARE,
    ON_NO_SUBJECT,
    SETTING_NEAREST,
    SETTING_SHARE,
    is_about_code,
    subject_of,
)
from profiler.encoder import Encoder, EncoderError
from profiler.ladder import Begun, Ladder, Rung, load_ladder
from profiler.qagate import GateError, QAGate, shipped_gate

log = logging.getLogger(__name__)
Found = TypeVar("Found")

BUDGET_S = 0.1  # s that a request waits to be judged; only on an overloaded machine does a text take longer
REMEMBERED = 4096  # texts, and as many conversations: 512 or 1,024 bytes each with 128 prototypes
READ_AT_ONCE = 2  # new texts that are begun in one turn of the event loop
UNDER_WAY_LIMIT = 64  # texts being encoded; further ones are not judged, since they would not be read in time


@dataclass(frozen=True)
class GateConfig:
    """Which gate reads queries, and with which encoders; keys of the group `routing`."""

    encoder: Rung = "auto"  # auto: cascade, or the one installed of fast and full; full and cascade need the weights
    gate: str = ""  # folder of another gate (ppai-profile train); only peers of one gate compare measured vectors
    encoder_model: str = ""  # its full encoder: "" as pulled; use; or a sentence-transformers folder or hub name


def open_reader(
    config: GateConfig, gate: QAGate, worker: ThreadPoolExecutor, full: Callable[[], Encoder], kept: Path | None = None
) -> "RelevanceReader":
    """The reader of the configured gate, as `check` found it. `full` opens its full encoder in the worker, when needed.

    `kept`: the folder in which vectors of background texts are kept.
    """
    folder, drawing = _folder(config), Drawing(kept)
    return RelevanceReader(gate, lambda: load_ladder(folder, config.encoder, full, gate), worker, drawing)


def check(config: GateConfig) -> QAGate:
    """The configured gate. Raises GateError where it cannot be read."""
    return QAGate.load(_folder(config))


def _folder(config: GateConfig) -> Path:
    return Path(config.gate).expanduser() if config.gate else shipped_gate()


class RelevanceReader:
    """Judges texts with one gate and the encoders that read for it."""

    def __init__(
        self,
        gate: QAGate,
        load: Callable[[], Ladder],
        worker: ThreadPoolExecutor,
        drawing: Drawing | None = None,
        remembered: int = REMEMBERED,
    ) -> None:
        """`load` runs in the worker. Where it raises, `problem` says why, and every query is routed by load alone."""
        self.gate = gate
        self.problem: str | None = None
        self._load, self._worker, self._remembered = load, worker, remembered
        self._ladder: Ladder | None = None
        self._drawing = drawing or Drawing()
        self._known: OrderedDict[bytes, Judged] = OrderedDict()
        self._paced = Paced(READ_AT_ONCE)
        self._under_way: dict[bytes, asyncio.Future[Judged | None]] = {}
        self._threads: OrderedDict[str, Thread] = OrderedDict()

    @property
    def full_problem(self) -> str | None:
        """Why the full encoder is missing, with the remedy; None where it is there, or no encoder is loaded."""
        return self._ladder.full_problem if self._ladder else None

    @property
    def encoders(self) -> tuple[str, ...]:
        """The names of the encoders in the order in which they read; empty until they are loaded."""
        return self._ladder.encoders if self._ladder else ()

    def warm_up(self) -> None:
        """Load the encoders in the worker. Call it when there is another peer to route to."""
        if self._ladder is None and self.problem is None:
            self._worker.submit(self._loaded)

    def attend(self, topics: frozenset[Topics]) -> None:
        """Judge from now on how texts are drawn to these topics, each an agent's, once the worker has compared them."""
        if self._drawing.attend(topics) and topics and self.problem is None:
            self._worker.submit(self._prepare)

    async def tails(self, topics: Topics, texts: Sequence[str]) -> list[float] | None:
        """How these topics draw each text, whoever told them (domains.py). None where there is no encoder."""
        drawing = self._drawing
        while is_more := await self.in_worker(lambda ladder: drawing.compare(ladder, topics)):
            pass
        if is_more is None:
            return None
        found = [await self.in_worker(partial(drawing.tail, topics=topics, text=text)) for text in texts]
        return [1.0 if tail is None else tail for tail in found]

    async def in_worker(self, work: Callable[[Ladder], Found]) -> Found | None:
        """What `work` makes of the encoders, in their thread; None where there is none. Texts wait for it: be short."""

        def done() -> Found | None:
            ladder = self._loaded()
            return None if ladder is None else work(ladder)

        return await asyncio.get_running_loop().run_in_executor(self._worker, done)

    async def judge(
        self,
        text: str,
        budget_s: float = BUDGET_S,
        earlier: Sequence[str] = (),
        session: str | None = None,
        setting: str = "",
        tools: Sequence[str] = (),
    ) -> Judged | None:
        """What a query is about, from its `text` and the turns `earlier` than it, newest first.

        Earlier turns are read until they can decide no more than LEAST_SHARE of the topic. `session` is the client's
        own name of the conversation, if it gave one: where it sends no earlier turns, those judged before count.
        `setting` and `tools` are the program's system prompt and the names of its tools (setting.py).
        None where there is no encoder or it is still being loaded, where there are no words, and where the newest turn
        is not judged within `budget_s`: load alone then decides.
        """
        if self.problem is not None:
            return None
        if not (earlier or session or setting or tools):  # a text alone: there is nothing to blend
            if known := self._recalled(key := self._key(text)):
                return known
            try:
                return await self._judged(text, asyncio.get_running_loop().time() + budget_s, key)
            except TimeoutError:
                return None
        until = asyncio.get_running_loop().time() + budget_s
        judged = await self._blend(text, until, earlier, session, setting)
        return self._on_code(judged) if judged and is_about_code(setting, tools) else judged

    async def _blend(
        self, text: str, until: float, earlier: Sequence[str], session: str | None, setting: str
    ) -> Judged | None:
        """What a conversation is about, as far as its turns are read by `until` (loop time)."""
        turns: list[tuple[Judged, float]] = []
        left = 1.0
        try:
            for turn in (text, *earlier):
                if judged := await self._judged(turn, until):
                    turns.append((judged, turn_share(turn, judged.nearest, judged.category)))
                    left *= 1 - turns[-1][1]
                if left < LEAST_SHARE:
                    break
            if turns and left >= LEAST_SHARE and (subject := subject_of(setting)):
                about = await self._judged(subject, until)
                if about and about.nearest >= SETTING_NEAREST and about.category not in ON_NO_SUBJECT:
                    turns.append((about, SETTING_SHARE))
        except TimeoutError:
            pass  # the newest turns come first and count most, so what was read in time is used
        return self._blended(turns, None if earlier else session, session) if turns else None

    def _on_code(self, judged: Judged) -> Judged:
        """The same of a coding agent's request, whatever its words."""
        relevance = mixed(judged.relevance, self.gate.categories, {"coding": CODE_SHARE})
        return replace(judged, relevance=relevance, category=leading(relevance, self.gate.categories), is_familiar=True)

    def _blended(self, turns: list[tuple[Judged, float]], before: str | None, session: str | None) -> Judged:
        """Blend the turns (newest first, each with its share) after those of the session `before`.

        The result is remembered under `session`.
        """
        thread = self._threads.get(before) if before else None
        is_alone = thread is None and len(turns) == 1
        if is_alone and not session:
            return turns[0][0]
        for judged, share in reversed(turns):
            thread = follow(thread, judged.relevance, share, judged.drawn)
        assert thread, "there is a turn"
        if session:
            self._threads[session] = thread
            self._threads.move_to_end(session)
            while len(self._threads) > self._remembered:
                self._threads.popitem(last=False)
        if is_alone:
            return turns[0][0]
        relevance, newest = thread.relevance, replace(turns[0][0], drawn=thread.drawn(turns[0][0].drawn))
        if np.ptp(relevance[self.gate.is_topic]) < 1e-6:  # no turn is familiar
            return newest
        category = leading(relevance, self.gate.categories)
        return replace(newest, relevance=relevance, category=category, is_familiar=True)

    async def _judged(self, text: str, until: float, key: bytes = b"") -> Judged | None:
        """What one text is about; None without words. `key`: its key, if it is known and no such text was judged.

        Raises TimeoutError where the worker has not read it by `until` (loop time).
        """
        if not text.strip():
            return None
        if not key and (known := self._recalled(key := self._key(text))):
            return known
        if self._reads_here and key not in self._under_way:
            if len(self._paced) >= UNDER_WAY_LIMIT:
                return None
            await self._paced.turn()
            if known := self._recalled(key):  # read while this one waited
                return known
        if key not in self._under_way:
            begun = self._begun(text)
            if isinstance(begun, Judged):
                self._keep(key, begun)
                return begun
            if len(self._under_way) >= UNDER_WAY_LIMIT:
                return None
            work = asyncio.get_running_loop().run_in_executor(self._worker, self._judge, text, begun)
            self._under_way[key] = work
            work.add_done_callback(lambda done: self._remember(key, done))
        async with asyncio.timeout_at(until):
            return await asyncio.shield(self._under_way[key])

    def _key(self, text: str) -> bytes:
        """By which a text is remembered; what was judged before its topics changed is of other topics."""
        version = self._drawing.version.to_bytes(8, "little")
        return blake2b(text.encode("utf-8", "replace"), digest_size=16, salt=version).digest()

    def _recalled(self, key: bytes) -> Judged | None:
        if known := self._known.get(key):
            self._known.move_to_end(key)
        return known

    @property
    def _reads_here(self) -> bool:
        """Whether texts are begun where they are asked for. Not the first, for which patterns are made and what was
        mapped is read; nor where topics are compared with them, since of many agents that takes long."""
        return self._ladder is not None and bool(self._known) and not self._drawing.topics

    def _begun(self, text: str) -> Judged | Begun | None:
        """What the fast encoder says of a text, read here and now; Begun where the worker is to read on.

        None where it is to read all of it.
        """
        ladder = self._ladder
        if ladder is None or not self._reads_here:
            return None
        try:
            begun = ladder.begin(text)
            return begun if begun.reading is None else judged_of(self.gate, begun.reading)
        except Exception:  # the worker fails at it, too, and says so
            return None

    def _loaded(self) -> Ladder | None:
        """The encoders, loaded if need be; None where they cannot be. Runs in the worker thread only."""
        if self._ladder is None and self.problem is None:
            try:
                self._ladder = self._load()
            except (EncoderError, GateError) as error:
                self.problem = str(error)
            except Exception as error:  # whatever a broken install raises: the peer serves on, by load alone
                log.exception("encoder_not_loaded")
                self.problem = f"the encoder cannot be loaded: {error}"
        return self._ladder

    def _judge(self, text: str, begun: Begun | None = None) -> Judged | None:
        """What a text is about, of which this much was read before. Runs in the worker thread only."""
        ladder = self._loaded()
        if ladder is None:
            return None
        try:
            reading = ladder.read(text) if begun is None else ladder.finish(begun)
            judged = judged_of(self.gate, reading)
            drawn = self._drawing.drawn(ladder, reading)
            return replace(judged, drawn=drawn) if drawn else judged
        except Exception:  # a tokenizer or runtime may fail at this text; the next one may work
            log.exception("text_not_judged characters=%d", len(text))
            return None

    def _prepare(self) -> None:
        """A little of what topics need; the rest goes behind the texts that wait. Runs in the worker thread only."""
        ladder = self._loaded()
        try:
            is_more = ladder is not None and self._drawing.prepare(ladder)
        except Exception:  # an encoder may fail at a sentence: queries are judged without topics
            log.exception("topics_not_compared")
            return
        if is_more:
            with suppress(RuntimeError):  # the peer stops
                self._worker.submit(self._prepare)

    def _remember(self, key: bytes, done: "asyncio.Future[Judged | None]") -> None:
        del self._under_way[key]
        if done.cancelled():
            return
        if (judged := done.result()) is not None:
            self._keep(key, judged)

    def _keep(self, key: bytes, judged: Judged) -> None:
        self._known[key] = judged
        while len(self._known) > self._remembered:
            self._known.popitem(last=False)
