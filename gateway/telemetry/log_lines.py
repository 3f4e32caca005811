"""How log lines are written: with a time, and without characters that would steer a terminal which shows them.

As text for people, or as one JSON object a line for programs that collect logs.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec

from gateway.wire.text import visible

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_EVENT = re.compile(r"[a-z][a-z_]*(?=[ =]|$)")
_PLACE = r"%[-#0 +]*\d*(?:\.\d+)?[a-zA-Z]"
_PART = re.compile(rf"%%|{_PLACE}|(?P<key>[a-z]\w*)=(?:{_PLACE}|(?P<word>[^\s%]+))")


@dataclass(frozen=True, slots=True)
class LogConfig:
    """How what a peer logs and says is written to stderr."""

    format: Literal["text", "json"] = "text"  # json: an object a line, for programs that collect logs


TEXT = LogConfig()


class LogLines(logging.Formatter):
    """Formats a record; names, reasons and tracebacks in it may hold what peers, engines and models said."""

    def __init__(self) -> None:
        super().__init__(FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


class JsonLines(logging.Formatter):
    """Formats a record as a JSON object: when, how grave, by whom, the message, and its fields each by its name.

    Example: `attempt_failed peer=%s status=%s` has the event `attempt_failed` and the fields `peer` and `status`.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if event := _EVENT.match(str(record.msg)):
            line["event"] = event[0]
        if fields := dict(_fields(record)):
            line["fields"] = fields
        line["message"] = visible(record.getMessage())
        if record.exc_info:
            line["trace"] = visible(self.formatException(record.exc_info))
        return msgspec.json.encode(line).decode()


def json_line(text: str) -> str:
    """What a peer says, as JsonLines has it."""
    return JsonLines().format(logging.LogRecord("ppai", logging.INFO, __file__, 0, "%s", (text,), None))


def log_to_stderr(level: str, *others: logging.Handler, config: LogConfig = TEXT) -> None:
    """From now on, log from this level up: to stderr, and to `others`, which format as they like."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if config.format == "json" else LogLines())
    logging.basicConfig(level=level.upper(), handlers=[handler, *others])


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    """(key, value) of what its template has as `key=%s` or `key=word`."""
    given = iter(record.args if isinstance(record.args, tuple) else ())
    for part in _PART.finditer(str(record.msg)):
        value = part["word"] or (None if part[0] == "%%" else next(given, None))
        if part["key"]:
            yield part["key"], value if isinstance(value, (int, float)) else visible(str(value))
