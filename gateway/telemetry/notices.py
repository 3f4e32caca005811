"""What a running peer tells the person who started it, and its log: each thing once, and what comes in floods seldom.

Strangers cause lines: each made-up peer joins, waits to be approved, is refused. So does whatever fails again and
again: a peer without the network's secret is refused at every attempt. So lines of one kind are limited, and those of
the same words more, and the next line says how many were left out.
"""

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable

from discovery.throttle import Throttle

SUBJECTS_LIMIT = 256  # subjects of which the last text is remembered
NOTICES_PER_S, NOTICES_BURST = 0.1, 8.0  # of one kind
LINES_PER_S, LINES_BURST = 0.1, 100.0  # of one kind in the log
REPEATS_PER_S, REPEATS_BURST = 1 / 600, 5.0  # of the same words: the same kind, peer and reason
TEXTS_LIMIT = 1024  # of lines that are remembered


class Notices:
    """Says a text about a subject once, until something else is to be said of it."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._say, self._clock = say, clock
        self._last: OrderedDict[str, str] = OrderedDict()  # by subject
        self._kinds = Throttle(NOTICES_PER_S, NOTICES_BURST)

    def once(self, subject: str, text: str) -> None:
        """Say it, unless it was the last thing said of the subject."""
        if self._last.get(subject) != text:
            self._last[subject] = text
            self._last.move_to_end(subject)
            while len(self._last) > SUBJECTS_LIMIT:
                self._last.popitem(last=False)
            self._say(text)

    def limited(self, kind: str, subject: str, text: str) -> None:
        """The same, for what others can cause at will: 8 notices of one kind, then one in 10 s."""
        if self._last.get(subject) != text and self._kinds.allow(kind, self._clock()):
            self.once(subject, text)

    def is_due(self, kind: str) -> bool:
        """Whether `limited` would say something of this kind now."""
        return self._kinds.has_room(kind, self._clock())


class LineLimit(logging.Filter):
    """Lets 100 lines of one kind into the log, then one in 10 s; of the same words 5, then one in 10 minutes.

    The next line of the kind says how many were left out. Lines of one kind are those logged at one place of the code,
    so there is a bounded number of kinds. Debugging lines pass: somebody asked for them.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._kinds = Throttle(LINES_PER_S, LINES_BURST)
        self._texts = Throttle(REPEATS_PER_S, REPEATS_BURST, TEXTS_LIMIT)
        self._left_out = Counter[str]()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written: one decision for all handlers that have this filter."""
        known: dict[str, object] = vars(record)
        if "lets_through" not in known:
            known["lets_through"] = self._lets_through(record)
        return bool(known["lets_through"])

    def _lets_through(self, record: logging.LogRecord) -> bool:
        if record.levelno <= logging.DEBUG:
            return True
        kind, now = f"{record.pathname}:{record.lineno}", self._clock()
        if not (self._texts.allow(f"{kind} {record.getMessage()}", now) and self._kinds.allow(kind, now)):
            self._left_out[kind] += 1
            return False
        if left_out := self._left_out.pop(kind, 0):
            record.msg = f"{record.msg} left_out={left_out}"
        return True


def limit_lines(clock: Callable[[], float]) -> None:
    """Limit what the handlers of the root logger write."""
    limit = LineLimit(clock)
    for handler in logging.getLogger().handlers:
        handler.addFilter(limit)
