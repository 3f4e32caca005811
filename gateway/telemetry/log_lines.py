"""How log lines are written: with a time, and without characters that would steer a terminal which shows them."""

import logging

from gateway.wire.text import visible

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class LogLines(logging.Formatter):
    """Formats a record; names, reasons and tracebacks in it may hold what peers, engines and models said."""

    def __init__(self) -> None:
        super().__init__(FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def log_to_stderr(level: str, *others: logging.Handler) -> None:
    """From now on, log from this level up: to stderr, and to `others`, which format as they like."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogLines())
    logging.basicConfig(level=level.upper(), handlers=[handler, *others])
