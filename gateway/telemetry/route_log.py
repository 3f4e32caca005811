"""The route log: one line a request in a file of the home, and the last ones in memory. Never a word of a prompt.

It writes what it is given; what a line says is serving's.
"""

from pathlib import Path
from typing import IO

import msgspec

from gateway.telemetry.recent import KEPT, Recent, Recorded

LIMIT_BYTES = 16 << 20  # about 60,000 requests; then one older file is kept beside it
LINE_LIMIT_BYTES = 8192  # many times a line of today
TEXT_CHARS = 256  # of a text in a line; names are shorter


class RouteLog:
    """One JSON line a request: who was asked, why, how it went."""

    def __init__(self, file: Path, keep: int = KEPT, limit_bytes: int = LIMIT_BYTES) -> None:
        self._file, self._limit_bytes = file, limit_bytes
        self._handle: IO[bytes] | None = None
        self.recent = Recent(keep)

    @property
    def tail(self) -> list[dict[str, object]]:
        """The last lines, the newest last."""
        return self.recent.lines

    def write(self, line: dict[str, object], one: Recorded | None = None) -> None:
        """Append; a full disk costs the line, not the request. A line that is too long is cut to its short texts.

        `one`: the request, as it was known while it ran.
        """
        encoded = msgspec.json.encode(line)
        if len(encoded) > LINE_LIMIT_BYTES:
            line = _shortened(line)
            encoded = msgspec.json.encode(line)
        self.recent.ended(line, one)
        try:
            handle = self._handle or self._open()
            handle.write(encoded + b"\n")
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


def _shortened(line: dict[str, object]) -> dict[str, object]:
    """The line with its texts cut, and of the rest what there is room for."""
    kept, room = dict[str, object](), LINE_LIMIT_BYTES
    for key, value in line.items():
        cut = value[:TEXT_CHARS] if isinstance(value, str) else value
        size = len(msgspec.json.encode({key: cut}))
        if size <= room:
            kept[key], room = cut, room - size
    return kept
