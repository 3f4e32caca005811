"""Follows an agent's folders: what is new is read at once, vectors come after it, what goes is forgotten.

It does one short piece of work at a time, so that who drives it can stop at any of them.
"""

import contextlib
import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gateway.agent.knowledge.folders import File, Sight, look
from gateway.agent.knowledge.reading import Reading
from gateway.agent.knowledge.search import Encode, Floats
from gateway.agent.knowledge.store import Counts, Known, Store, packed, remove
from profiler.encoder import EncoderError

log = logging.getLogger(__name__)

LOOK_S = 10.0  # between two looks into the folders, at least
LOOK_SHARE = 0.02  # of the time that looks may take: a look of a second is followed by one in 50 s
WORK_S = 0.2  # of one piece of work
EMBEDDED = 16  # pieces whose vectors are written together
AGAIN = -1  # bytes: no file has that size, so that the next look finds it changed
PIECES = 200_000  # of an agent: their vectors are held in memory, 384 bytes each

Moment = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Source:
    """What an agent's documents are: folders, each with those below it, and patterns of the names of files."""

    folders: tuple[Path, ...]
    patterns: tuple[str, ...]


class Following:
    """Keeps one index as the folders are. Of one thread at a time; `stop` may be called from any."""

    def __init__(
        self,
        file: Path,
        source: Source,
        encoder: Callable[[], tuple[str, Encode]],
        clock: Moment = time.monotonic,
        reading: Reading | None = None,
    ) -> None:
        """`encoder`: its name, and what embeds; called when the first vector is needed. It may raise EncoderError."""
        self._file, self._source, self._encoder, self._clock = file, source, encoder, clock
        self._reading = reading or Reading()
        self._store: Store | None = None
        self._unread: list[tuple[str, str, File, Known | None]] = []  # newest last
        self._too_many: set[tuple[str, str, File]] = set()  # over PIECES: again at the next start
        self._pending: list[int] | None = None  # pieces without vectors, newest last; None: not looked up
        self._next_look = -1e9
        self._stopped = False
        self._of_index: dict[str, str] = {}  # what is wrong with the index itself, by what it is about
        self._in_folders: list[str] = []
        self.used = ""  # the encoder that questions are read by, once it is known
        self.counts = Counts(0, 0, 0)
        self.problems: list[str] = []  # each with its file and the remedy
        self.changes = 0  # grows with each change of the index

    def step(self) -> bool:
        """One piece of work. False where there is nothing to do before the next look."""
        try:
            return self._step()
        except sqlite3.OperationalError as error:
            self._fail(f"the index cannot be written ({error}): make room on the disk")
        except sqlite3.DatabaseError:
            remove(self._file)
            self._fail("the index was damaged and is made anew")
        except OSError as error:
            self._fail(f"the index cannot be written ({error.strerror}): make room on the disk, or let this user write")
        return False

    def _fail(self, what: str) -> None:
        self._of_index["index"] = f"{self._file}: {what}"
        self.problems = [*self._of_index.values(), *self._in_folders]
        self._reset()
        self._next_look = self._clock() + LOOK_S

    def _step(self) -> bool:
        if self._store is None:
            if self._clock() < self._next_look:
                return False
            self._store = Store(self._file)
            self._next_look = -1e9
            self._of_index.clear()
            if self._store.was_damaged:
                self._of_index["index"] = f"{self._file}: the index was damaged and is made anew"
        store = self._store
        if self._clock() >= self._next_look:
            began = self._clock()
            self._look(store)
            self._next_look = self._clock() + max(LOOK_S, (self._clock() - began) / LOOK_SHARE)
        if self.used and store.setting("encoder") not in ("", self.used):
            store.drop_vectors()
            store.set("encoder", self.used)
            self._pending = None
        if self._unread:
            self._read(store)
        elif self._pending is None:
            self._pending = store.pending()[::-1]
        elif self._pending:
            self._embed(store, self._pending)
        more = bool(self._unread or self._pending or self._pending is None) and not self._stopped
        counts = store.counts()
        self.changes += counts != self.counts
        self.counts = counts
        of_files = [f"{Path(folder, path)}: {problem}" for folder, path, problem in store.problems()]
        self.problems = [*self._of_index.values(), *self._in_folders, *of_files]
        return more

    @property
    def rest_s(self) -> float:
        """Until the next look."""
        return max(0.0, self._next_look - self._clock())

    @property
    def unread(self) -> int:
        """Documents still to be read."""
        return len(self._unread)

    def setting(self, name: str) -> str:
        """A value that the index keeps; "" where it has none."""
        with contextlib.suppress(sqlite3.Error):
            return self._store.setting(name) if self._store else ""
        return ""

    def set(self, name: str, value: str) -> None:
        """Keep a value, where that is possible."""
        with contextlib.suppress(sqlite3.Error):
            if self._store:
                self._store.set(name, value)

    def _is_stopped(self) -> bool:
        return self._stopped  # which another thread may have set since it was last looked at

    def stop(self) -> None:
        """End the piece of work that is under way soon."""
        self._stopped = True
        self._reading.end()

    def close(self) -> None:
        """After the last step."""
        self._reading.close()
        self._reset()

    def _reset(self) -> None:
        if self._store is not None:
            self._store.close()
        self._store, self._pending = None, None
        self._unread.clear()

    def _look(self, store: Store) -> None:
        """See what is to be read, and forget what is gone."""
        known, devices = store.known(), store.folders()
        wanted: list[tuple[str, str, File, Known | None]] = []
        gone: list[int] = []
        self._in_folders = []
        for folder in self._source.folders:
            name, sight = str(folder), look(folder, self._source.patterns)
            of_it = {path: one for (of, path), one in known.items() if of == name}
            self._in_folders += self._said(folder, sight, devices.get(name), len(of_it))
            if sight.may_have(""):
                continue
            store.put_folder(name, sight.device)
            for path, file in sight.files.items():
                had = of_it.get(path)
                if (had is None or file != (had.size, had.mtime)) and (name, path, file) not in self._too_many:
                    wanted.append((name, path, file, had))
            gone += [one.id for path, one in of_it.items() if path not in sight.files and not sight.may_have(path)]
        kept = {str(folder) for folder in self._source.folders}
        gone += [one.id for (folder, _), one in known.items() if folder not in kept]
        if gone:
            store.forget(gone)
        self._unread = sorted(wanted, key=lambda one: one[2].mtime)
        if wanted or gone or self._of_index.pop("encoder", ""):
            self._pending = None
            self.changes += 1

    def _said(self, folder: Path, sight: Sight, device: int | None, documents: int) -> list[str]:
        """The problems of a folder; one that is away is marked as not seen."""
        if not sight.may_have("") and not sight.files and documents and device is not None and device != sight.device:
            sight.hidden.append("")
            sight.problems.append(f"{folder}: it is empty, and was on another drive")
        if not sight.may_have(""):
            return sight.problems
        if documents:
            what = f"{documents} documents of it answer from the index until it is back"
            return [f"{one}: {what}; take it out of knowledge.folders to forget them" for one in sight.problems]
        return [f"{one}: make it, or correct knowledge.folders" for one in sight.problems]

    def _read(self, store: Store) -> None:
        """Read documents for a while."""
        end = self._clock() + WORK_S
        room = PIECES - store.counts().pieces
        self._pending = None
        while self._unread and not self._stopped:
            folder, path, file, had = self._unread.pop()
            found = self._reading.read(Path(folder, path), had.digest if had else "")
            if self._is_stopped():
                return
            if found.passes:
                if had is None or had.problem != found.problem:
                    store.put(folder, path, AGAIN, file.mtime, had.digest if had else "", problem=found.problem)
            elif found.problem:
                store.put(folder, path, *file, pieces=(), problem=found.problem)
            elif found.pieces is None:
                store.put(folder, path, *file, found.digest)
            elif len(found.pieces) > room:
                self._too_many.add((folder, path, file))
                what = f"the agent has {PIECES} pieces: narrow knowledge.patterns, or make a second agent"
                store.put(folder, path, AGAIN, file.mtime, pieces=(), problem=what)
            else:
                room -= len(found.pieces)
                store.put(folder, path, *file, found.digest, found.pieces)
            if self._clock() >= end:
                return

    def _embed(self, store: Store, pending: list[int]) -> None:
        """Write the vectors of a few pieces."""
        try:
            name, encode = self._encoder()
        except EncoderError as error:
            self._of_index["encoder"] = f"documents are not found by meaning, and so not used: {error}"
            pending.clear()
            return
        self.used = name
        if store.setting("encoder") != name:
            store.drop_vectors()
            store.set("encoder", name)
            self._pending = None
            return
        end = self._clock() + WORK_S
        while pending and not self._stopped:
            some = store.pieces([pending.pop() for _ in range(min(EMBEDDED, len(pending)))])
            vectors = packed(_embedded(encode, [text for _, text in some])) if some else ()
            store.put_vectors({number: row.tobytes() for (number, _), row in zip(some, vectors, strict=True)})
            if self._clock() >= end:
                return


def _embedded(encode: Encode, texts: Sequence[str]) -> Floats:
    """Vectors of texts; of one that the encoder fails at, a vector that is near to nothing."""
    try:
        return encode(texts)
    except Exception:  # a tokenizer or runtime may fail at one text; the others have their vectors
        if len(texts) > 1:
            return np.concatenate([_embedded(encode, [text]) for text in texts])
        log.exception("piece_not_embedded characters=%d", len(texts[0]))
        return np.zeros_like(encode(["text"]))


def gently() -> None:
    """Let this thread run after others, where the system can: an index is never worth a slower answer."""
    if hasattr(os, "setpriority"):
        import threading

        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        except OSError:
            return


def threshold_of(nearnesses: Sequence[float], least: float, share: float) -> float:
    """What a question's best passage must reach: what but a `share` of everyday questions do not, and the least."""
    ranked = sorted(nearnesses, reverse=True)
    return max(least, ranked[int(share * len(ranked))]) if ranked else least


def calibrated(text: str) -> tuple[int, str, float]:
    """(pieces, encoder, threshold) as they were kept; (0, "", 0.0) where nothing was."""
    try:
        pieces, encoder, threshold = json.loads(text)
        return int(pieces), str(encoder), float(threshold)
    except (ValueError, TypeError):
        return 0, "", 0.0
