"""The route log: one line a request in a file of the home, and the last ones in memory. Never a word of a prompt.

It writes what it is given; what a line says is serving's.
"""

from pathlib import Path
from typing import Any

import msgspec

from gateway.telemetry.line_file import LineFile
from gateway.telemetry.recent import KEPT, Recent, Recorded

LIMIT_BYTES = 16 << 20  # about 30,000 requests; then one older file is kept beside it
LINE_LIMIT_BYTES = 8192  # many times a line of today
TEXT_CHARS = 256  # of a text in a line; names are shorter
_ENCODE = msgspec.json.Encoder().encode


class RouteLog:
    """One JSON line a request: who was asked, why, how it went."""

    def __init__(self, file: Path, keep: int = KEPT, limit_bytes: int = LIMIT_BYTES) -> None:
        self._file, self.recent = LineFile(file, limit_bytes), Recent(keep)

    @property
    def tail(self) -> list[dict[str, Any]]:
        """The last lines, the newest last."""
        return self.recent.lines

    def write(self, line: object, one: Recorded | None = None) -> None:
        """Have a line appended, a dict or a msgspec.Struct; one that is too long is cut to its short texts.

        `one`: the request, as it was known while it ran.
        """
        encoded = _ENCODE(line)
        if len(encoded) > LINE_LIMIT_BYTES:
            encoded = _shortened(msgspec.json.decode(encoded))
        self.recent.ended(encoded, one)
        self._file.add(encoded)

    def close(self) -> None:
        """Write what waits."""
        self._file.close()


def _shortened(line: dict[str, Any]) -> bytes:
    """The line with its texts cut, and of the rest what there is room for."""
    kept, room = dict[str, object](), LINE_LIMIT_BYTES
    for key, value in line.items():
        cut = value[:TEXT_CHARS] if isinstance(value, str) else value
        size = len(msgspec.json.encode({key: cut}))
        if size <= room:
            kept[key], room = cut, room - size
    return msgspec.json.encode(kept)
