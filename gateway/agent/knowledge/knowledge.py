"""The documents of one agent: kept up to date while the peer runs, and searched for each question."""

import asyncio
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gateway.agent.knowledge.everyday import everyday
from gateway.agent.knowledge.following import Following, Source, calibrated, gently, threshold_of
from gateway.agent.knowledge.search import COMPARED, QUOTABLE, Encode, Search
from gateway.agent.material import LEAST
from gateway.agent.parts import Found
from gateway.agent.settings import KnowledgeSettings
from profiler.encoder import Encoder, EncoderError
from profiler.essence import essence

log = logging.getLogger(__name__)

EVERYDAY_SHARE = 0.02  # of everyday questions may seem to be answered from the documents
CHANGED_SHARE = 0.2  # of the pieces: after so many more or fewer the threshold is calibrated again

Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the index of an agent is."""

    documents: int = 0
    unread: int = 0  # documents still to be read
    pieces: int = 0  # searchable by words
    vectors: int = 0  # of them searchable by meaning, too
    is_done: bool = False
    problems: tuple[str, ...] = ()


def source_of(settings: KnowledgeSettings) -> Source:
    """The folders and patterns that an owner wrote. Raises RuntimeError where ~ means nothing."""
    folders = dict.fromkeys(Path(folder).expanduser().absolute() for folder in settings.folders)
    return Source(tuple(folders), tuple(pattern.lower() for pattern in settings.patterns))


class Knowledge:
    """Implements parts.Knows. `run` it in a task of its own; `close` it at the end."""

    def __init__(
        self,
        file: Path,
        settings: KnowledgeSettings,
        encoder: Callable[[], Encoder],
        *,
        say: Callable[[str], None] = lambda problem: None,
        questions: Callable[[], Sequence[str]] = everyday,
    ) -> None:
        """`file`: of the index. `encoder` opens the full encoder; it is called in a thread, and may raise EncoderError.

        `say` is called with each problem once. `questions`: what the documents are not expected to answer.
        """
        source = source_of(settings)
        self._open, self._say, self._questions = encoder, say, questions
        self._following = Following(file, source, self._encoder)
        self._search = Search(file, _naming(source))
        self._compared = QUOTABLE if settings.answers == "quotation" else COMPARED
        self._indexing = ThreadPoolExecutor(1, "index", initializer=gently)
        self._finding = ThreadPoolExecutor(1, "documents")
        self._opened: Encoder | None = None
        self._opening = threading.Lock()
        self.threshold = LEAST  # nearness that a passage must reach to answer
        self._is_closed = False
        self._settled = -1  # the changes after which the threshold was last looked at
        self._said: set[str] = set()
        self.progress = Progress()

    async def find(self, question: str, limit: int = 3) -> Found:
        """The passages that may answer. Never raises; without an encoder, or while an index cannot be read, none."""
        asked = essence(question)
        if self._is_closed or not asked.strip():
            return Found()
        return await self._in(self._finding, lambda: self._found(asked, limit))

    async def run(self) -> None:
        """Follow the folders until cancelled."""
        while True:
            if await self.advance():
                await asyncio.sleep(0)
            else:
                await asyncio.sleep(max(0.1, self._following.rest_s))

    async def advance(self) -> bool:
        """One short piece of work. False where the index is as the folders are."""
        if await self._in(self._indexing, self._stepped):
            return True
        if self._settled != self._following.changes:
            changes = self._following.changes
            await self._calibrate()
            self._settled = changes
            self._look_up()
        return False

    def close(self) -> None:
        """End threads and processes; nothing is found any more. Blocking, for as long as a few vectors take."""
        self._is_closed = True
        self._following.stop()
        self._indexing.shutdown(wait=True)
        self._finding.shutdown(wait=True)
        self._following.close()
        self._search.close()

    async def _in(self, thread: ThreadPoolExecutor, work: Callable[[], Done]) -> Done:
        return await asyncio.get_running_loop().run_in_executor(thread, work)

    def _stepped(self) -> bool:
        more = self._following.step()
        self._look_up(more)
        return more

    def _look_up(self, more: bool = False) -> None:
        following, counts = self._following, self._following.counts
        is_done = not more and self._settled == following.changes
        problems = tuple(following.problems)
        self.progress = Progress(counts.documents, following.unread, *counts[1:], is_done, problems)
        for problem in problems:
            if problem not in self._said:
                self._say(problem)
        self._said = set(problems)

    def _encoder(self) -> tuple[str, Encode]:
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
                self._following.used = self._opened.name
            return self._opened.name, self._opened.encode

    def _found(self, question: str, limit: int) -> Found:
        try:
            passages = self._search.find(question, *self._encoder(), limit, self._compared)
        except EncoderError:
            return Found()  # the index says so
        except (sqlite3.Error, OSError):
            self._search.close()  # opened anew at the next question, which finds what `following` made of it
            return Found()
        except Exception:  # a tokenizer or runtime may fail at this text; the next one may work
            log.exception("documents_not_searched characters=%d", len(question))
            return Found()
        nearest = max((passage.nearness for passage in passages), default=0.0)
        return Found(tuple(passages), nearest >= self.threshold)

    async def _calibrate(self) -> None:
        """Set the threshold to what few everyday questions reach in these documents."""
        pieces = self._following.counts.pieces
        if not self._following.counts.vectors:
            return
        try:
            name, _ = await self._in(self._indexing, self._encoder)
        except EncoderError:
            return  # and nothing is found
        kept = await self._in(self._indexing, lambda: calibrated(self._following.setting("calibrated")))
        if kept[1] == name and abs(kept[0] - pieces) <= CHANGED_SHARE * pieces:
            self.threshold = max(LEAST, kept[2])
            return
        nearest = []
        for question in self._questions():
            found = await self.find(question)
            nearest.append(max((passage.nearness for passage in found.passages), default=0.0))
        self.threshold = threshold_of(nearest, LEAST, EVERYDAY_SHARE)
        text = json.dumps([pieces, name, self.threshold])
        await self._in(self._indexing, lambda: self._following.set("calibrated", text))


def _naming(source: Source) -> Callable[[str, str], str]:
    """Documents of several folders are told apart by the folder's name."""
    if len(source.folders) < 2:
        return lambda folder, path: path
    return lambda folder, path: f"{Path(folder).name}/{path}"
