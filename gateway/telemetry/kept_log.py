"""What a peer said and logged, kept in a file of its home: whoever started it in the background reads it there.

There are at most two files, the newer one and the one before it. Nothing else of the process depends on them: what
cannot be written, such as on a full disk, is lost.
"""

import logging
import os
from collections.abc import Callable
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

from gateway.telemetry.log_lines import LogLines

LIMIT_BYTES = 4 << 20  # about 40,000 lines; then one older file is kept beside it


class KeptLog:
    """A handler for the root logger, which writes from `__enter__` to `__exit__`: while the home is ours."""

    def __init__(self, file: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self.handler = _Private(file, maxBytes=limit_bytes, backupCount=1, delay=True, encoding="utf-8")
        self.handler.setFormatter(LogLines())
        self.handler.addFilter(lambda record: self._is_open)
        self._is_open = False

    def __enter__(self) -> "KeptLog":
        self._is_open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The last line says why the peer ended, where that is an error."""
        if isinstance(error, Exception):
            self._write(logging.ERROR, f"ended by an error: {_words(error)}")
        self._is_open = False
        self.handler.close()

    def along(self, say: Callable[[str], None]) -> Callable[[str], None]:
        """A function that says a text, and writes it down."""

        def said(text: str) -> None:
            say(text)
            self._write(logging.INFO, text)

        return said

    def _write(self, level: int, text: str) -> None:
        self.handler.handle(logging.LogRecord("ppai", level, __file__, 0, text, None, None))


def _words(error: Exception) -> str:
    """What went wrong; of tasks that ran together, each."""
    if isinstance(error, ExceptionGroup):
        return "; ".join(dict.fromkeys(map(_words, error.exceptions)))
    return str(error) or type(error).__name__


class _Private(RotatingFileHandler):
    """Its files are for their owner alone, as all in a home."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, "a", encoding=self.encoding, errors="backslashreplace")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """A line is lost; logging would print a traceback for each."""
