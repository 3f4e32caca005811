"""Lines of a server's output (P), each of at most 1 MiB: of a longer one is said whose answer it was, and no more.

A server of tools writes one message a line. One that is too long is not kept while it comes, however long it gets.
"""

import re
from dataclasses import dataclass

LINE_BYTES = 1 << 20
_ENDS_BYTES = 256  # of a long line that are kept: the id of an answer stands at its begin or at its end
_ID = rb'"id"\s*:\s*(\d{1,18})'
_AT_BEGIN = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?' + _ID)
_AT_END = re.compile(rb",\s*" + _ID + rb'\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z|'
                     rb',\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*' + _ID + rb"\s*\}\s*\Z")  # fmt: skip


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line that was passed over. `id`: of the call that it answers; None where that is not seen."""

    id: int | None


class LineSplitter:
    """Bytes in, whole lines out."""

    def __init__(self, limit_bytes: int = LINE_BYTES) -> None:
        self._limit = limit_bytes
        self._rest = bytearray()
        self._begin: bytes | None = None  # of a line that is passed over

    def feed(self, piece: bytes) -> list[bytes | TooLong]:
        """The lines that `piece` completes, without those that are empty."""
        lines: list[bytes | TooLong] = []
        *ended, rest = piece.split(b"\n")
        for part in ended:
            self._add(part)
            if self._begin is not None:
                lines.append(TooLong(_id_in(self._begin, bytes(self._rest))))
            elif self._rest.strip():
                lines.append(bytes(self._rest))
            self._begin = None
            self._rest.clear()
        self._add(rest)
        return lines

    def _add(self, part: bytes) -> None:
        self._rest += part
        if self._begin is None and len(self._rest) > self._limit:
            self._begin = bytes(self._rest[:_ENDS_BYTES])
        if self._begin is not None:
            del self._rest[:-_ENDS_BYTES]


def _id_in(begin: bytes, end: bytes) -> int | None:
    found = _AT_BEGIN.match(begin) or _AT_END.search(end)
    return int(next(group for group in found.groups() if group)) if found else None
