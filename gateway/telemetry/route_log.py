"""The route log: one line a request in a file of the home, and the last ones in memory. Never a word of a prompt.

It writes what it is given; what a line says is serving's.
"""

from collections import deque
from pathlib import Path
from typing import IO

import msgspec

LIMIT_BYTES = 16 << 20  # about 60,000 requests; then one older file is kept beside it


class RouteLog:
    """One JSON line a request: who was asked, why, how it went."""

    def __init__(self, file: Path, keep: int = 200, limit_bytes: int = LIMIT_BYTES) -> None:
        self._file, self._limit_bytes = file, limit_bytes
        self._handle: IO[bytes] | None = None
        self._tail: deque[dict[str, object]] = deque(maxlen=keep)

    @property
    def tail(self) -> list[dict[str, object]]:
        """The last lines, the newest last."""
        return list(self._tail)

    def write(self, line: dict[str, object]) -> None:
        """Append; a full disk costs the line, not the request."""
        self._tail.append(line)
        try:
            handle = self._handle or self._open()
            handle.write(msgspec.json.encode(line) + b"\n")
            if handle.tell() > self._limit_bytes:
                self.close()
                self._file.replace(self._file.with_suffix(".1.jsonl"))
        except OSError:
            self.close()

    def close(self) -> None:
        if self._handle:
            handle, self._handle = self._handle, None
            handle.close()

    def _open(self) -> IO[bytes]:
        self._handle = self._file.open("ab", buffering=0)
        self._file.chmod(0o600)
        return self._handle
