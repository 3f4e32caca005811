"""Lines of a file, appended by a thread of its own, so that nobody who has a line waits for the disk.

The thread gathers what comes within GATHER_S, or until half of LINES_LIMIT lines wait, and writes it at once. At most
LINES_LIMIT wait: while a disk takes nothing for so long, further lines are left out. What cannot be written, such as on
a full disk, is left out too; the log says how many lines that were once writing works again. A clean stop loses
nothing, a crash the last GATHER_S.
"""

import logging
import threading
from bisect import bisect_right
from contextlib import suppress
from functools import partial
from itertools import accumulate
from math import inf
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)

GATHER_S = 1.0  # what a wake-up costs: docs/results/gateway.md#where-it-goes
LINES_LIMIT = 4096  # that wait: two megabytes of usual ones
CLOSE_S = 5.0  # for what is left to be written at the end


class LineFile:
    """Its file is its owner's alone; when it is full it is set aside, in the place of the one before it."""

    def __init__(self, file: Path, limit_bytes: int, lines_limit: int = LINES_LIMIT) -> None:
        self._file, self._limit_bytes, self._lines_limit = file, limit_bytes, lines_limit
        self._many = (lines_limit + 1) // 2
        self._lines = list[bytes]()  # that wait: appended to by their owner's thread, and emptied by the writer
        self._left_out = 0  # and not yet said
        self._news, self._hurry = threading.Event(), threading.Event()  # lines wait; they are to be written now
        self._writer: threading.Thread | None = None  # begins with the first line
        self._closing: threading.Event  # that this thread is to end
        self._handle: IO[bytes] | None = None  # the writer's

    def add(self, line: bytes) -> None:
        """Have a line written, given without its end; it is left out where too many wait. One thread alone may add."""
        self._lines.append(line)
        count = len(self._lines)
        if count == 1:
            self._wake()
        if count >= self._many:
            self._shorten(count)

    def _wake(self) -> None:
        """Tell the writer that there are lines again."""
        self._news.set()
        if self._writer is None:
            self._closing = threading.Event()
            writing = partial(self._write_on, self._closing)
            self._writer = threading.Thread(target=writing, name=self._file.name, daemon=True)
            self._writer.start()

    def _shorten(self, count: int) -> None:
        """Have so many lines written now, and leave the last one out where they are too many."""
        self._hurry.set()
        if count > self._lines_limit:
            with suppress(IndexError):  # the writer has just taken it
                self._lines.pop()
                self._left_out += 1

    def close(self) -> None:
        """Write what waits, and end; a disk that hangs is not waited for longer than CLOSE_S."""
        writer, self._writer = self._writer, None
        if writer is not None:
            self._closing.set()
            self._hurry.set()
            self._news.set()
            writer.join(CLOSE_S)

    def _write_on(self, closing: threading.Event) -> None:
        is_last = False
        while not is_last:
            self._news.wait()
            self._hurry.wait(GATHER_S)
            self._news.clear()  # before the lines are taken, and `closing` is: what comes meanwhile sets it again
            self._hurry.clear()
            is_last = closing.is_set()
            self._write()
        self._close_handle()

    def _write(self) -> None:
        """Append all that wait, and set the file aside each time it is full."""
        taken = list[bytes]()
        try:
            while self._lines:
                handle = self._handle or self._open()
                taken = self._taken(self._limit_bytes - handle.tell())
                left = memoryview(b"\n".join((*taken, b"")))
                while left:
                    left = left[handle.write(left) :]
                taken = []
                if handle.tell() > self._limit_bytes:
                    self._close_handle()
                    with suppress(OSError):  # on Windows while somebody reads it: it grows meanwhile
                        self._file.replace(self._file.with_suffix(".1.jsonl"))
        except OSError:
            self._close_handle()
            self._left_out += len(taken) + len(self._taken())
            return
        if self._left_out:
            left_out, self._left_out = self._left_out, 0
            log.warning("lines_left_out file=%s lines=%d", self._file.name, left_out)

    def _taken(self, room_bytes: float = inf) -> list[bytes]:
        """The lines that wait, up to the one that takes more than the room; they wait no longer."""
        taken = self._lines[:]
        del taken[bisect_right([*accumulate(map(len, taken))], room_bytes) + 1 :]
        del self._lines[: len(taken)]
        return taken

    def _open(self) -> IO[bytes]:
        self._handle = self._file.open("ab", buffering=0)
        self._file.chmod(0o600)
        return self._handle

    def _close_handle(self) -> None:
        if self._handle:
            handle, self._handle = self._handle, None
            handle.close()
