"""Plain events of a stream, on their short way from where they are read to where they are written (P).

Most events of an answer call for nothing but to be passed on as they came. Those go from the connection on which they
come to the client's in a call or two, and nobody is woken; how many they were, and what they said, is told later, some
dozens at a time. Whatever else comes is read.
"""

from collections.abc import Callable
from math import inf

from gateway.wire.events import tells_no_usage

TOGETHER_BYTES = 1 << 13  # of events that have passed, until they are told
Put = Callable[[bytes], bool]  # writes whole events at once; False: nothing was written, they have to wait
Tell = Callable[[bytes, int], object]
Outlet = Callable[["Pour"], Put | None]  # what writes at once what passes by this pour; None: nothing does now


class Pour:
    """One stream's. Whoever reads what it does not take tells on first what has passed before; its owner closes it."""

    # What is so until something happens.
    at = -inf  # when something last passed, by the clock
    _told = 0  # events

    def __init__(self, clock: Callable[[], float], outlet: Outlet, tell: Tell, *, is_named: bool = False) -> None:
        """`clock`: the event loop's. `outlet` is looked for when there is something to write.

        `tell` is given whole events that have passed, in their order, and how many. `is_named`: of a stream whose
        events have names, the last of which tells its end.
        """
        self._is_named = is_named
        self._clock, self._outlet, self._tells, self._came = clock, outlet, [tell], bytearray()
        self._put: Put = self._first

    def tell(self, tell: Tell) -> None:
        """Tell this one, too."""
        self._tells.append(tell)

    def take(self, piece: bytes) -> bool:
        """Write `piece`, if it is whole plain events and may be written now; False: it has to be read.

        Each is one line with an object, as chat and completions send, or where events are named one that is named
        something with `delta` at its end, as in Responses and Messages: of a server that names none there, each has to
        be read for its type. None tells an error, a usage or the end, none has an id, a comment or another line end.
        Nothing is parsed: a quote inside a text is escaped.
        """
        is_named = self._is_named
        if is_named or piece.find(b"\n", 0, -2) >= 0:  # nearly all come alone, as one line
            if not _are_several(piece, is_named):
                return False
        elif not (piece.startswith(b"data: {") and piece.endswith(b"}\n\n")):
            return False
        if b"\r" in piece or b'"error"' in piece or (b'"usage"' in piece and not tells_no_usage(piece)):
            return False
        if not self._put(piece):
            return False
        self.at = self._clock()
        came = self._came
        came += piece
        if len(came) > TOGETHER_BYTES:
            self.tell_on()
        return True

    def tell_on(self) -> None:
        """Tell what has passed until now."""
        if self._came:
            came = bytes(self._came)
            count = came.count(b"\n\n")
            self._came.clear()
            self._told += count
            for tell in self._tells:
                tell(came, count)

    def close(self) -> None:
        """Nothing passes any more, and all that has is told. What wrote and was told is let go."""
        self._outlet, self._put = _nowhere, _closed
        self.tell_on()
        self._tells.clear()

    @property
    def count(self) -> int:
        """How many events have passed."""
        return self._told + self._came.count(b"\n\n")

    def _first(self, events: bytes) -> bool:
        put = self._outlet(self)
        if put is None or not put(events):
            return False
        self._put = put
        return True


def _nowhere(pour: Pour) -> None:
    return None


def _closed(events: bytes) -> bool:
    return False


def _are_several(piece: bytes, is_named: bool) -> bool:
    """Whether `piece` is whole events by its lines: several with an object each, or named ones."""
    count, lines = piece.count(b"\n\n"), piece.count(b"\n")
    if not count or not piece.endswith(b"}\n\n") or piece.count(b"}\n\n") != count:
        return False
    if not is_named:
        return piece.startswith(b"data: {") and lines == 2 * count and piece.count(b"\n\ndata: {") == count - 1
    return (
        piece.startswith(b"event: ")
        and lines == 3 * count == 3 * piece.count(b"delta\ndata: {")
        and piece.count(b"\n\nevent: ") == count - 1
    )
