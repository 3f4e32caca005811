"""What one connection may send, and how long it may take: of a head, and of a body that is under way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from discovery.heads import Heads

PIECES_FREE, PIECE_BYTES = 10_000, 64  # chunks of a body, and how large those beyond them are on the average, at least
TOO_MUCH = "too many bytes in a head, pieces of a body, or requests at once"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one connection may send, and how long it may take."""

    head_bytes: int
    first_head_s: float  # s from the connection to the end of its first head
    handshake_s: float = 5.0  # s for TLS, to begin and to end
    head_s: float = 5.0  # s from the first byte of a head to its end
    body_bytes_per_s: int = 16 << 10  # on the average of `body_window_s`
    body_window_s: float = 10.0
    body_s: float = 600.0  # s for a whole body
    dropped_bytes: int = 64 << 10  # of a body whose request is answered already; then the connection is closed
    unread_s: float = 10.0  # s in which the reader of an answer takes nothing of it
    # What the system collects of a stranger's connection before we read it, and of one that a peer vouches for. Each
    # byte of it may cost three more in the buffers of TLS. None: as it likes.
    unread_bytes: int | None = None
    vouched_unread_bytes: int = 1 << 20
    linger_s: float = 1.0  # s from a refusal to closing: a client that still sends needs them to read it
    # what remembers the heads that came, if requests have heads that come again: see discovery/heads.py
    heads: Callable[[int], Heads[Any]] | None = None


class TooMuch(Exception):
    """A head, a number of requests or of chunks over its limit; `status` is HTTP's."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Body:
    """A request's body under way: how much of it came, in how many pieces, and whether it comes too slowly."""

    def __init__(self, now: float) -> None:
        self._began = now
        self._bytes = self.pieces = 0
        self._window = now, 0  # when the present window began, and at which byte

    def take(self, size: int) -> None:
        """So many bytes of it came. Raises TooMuch where it has too many pieces for that."""
        self._bytes += size
        self.pieces += 1
        if self.pieces > PIECES_FREE + self._bytes // PIECE_BYTES:
            raise TooMuch(400)

    def is_slow(self, now: float, bounds: Bounds, *, waits_for_us: bool) -> bool:
        """Whether it has been under way for too long, or its last window brought too little, as far as we read."""
        if now - self._began > bounds.body_s:
            return True
        began, had = self._window
        if waits_for_us:
            self._window = now, self._bytes
        elif now - began >= bounds.body_window_s:
            self._window = now, self._bytes
            return self._bytes - had < bounds.body_bytes_per_s * (now - began)
        return False
