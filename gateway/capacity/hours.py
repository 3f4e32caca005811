"""When others may use this machine's engines by the clock (P): hours of the week, as the owner writes them."""

import re
from collections.abc import Sequence

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 24 * 60  # minutes
_SPAN = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))? )?(?P<begin>\d{1,2}:\d\d)-(?P<end>\d{1,2}:\d\d)|"
    r"(?P<whole>[a-z]{3})(?:-(?P<until>[a-z]{3}))?"
)


class HoursError(ValueError):
    """A span of hours cannot be read; the message names the remedy."""


Spans = tuple[tuple[int, int], ...]  # minutes of the week, from Monday 0:00: [begin, end); it may end in the next one


def read_hours(texts: Sequence[str]) -> Spans:
    """`18:00-08:00` every day, `mon-fri 18:00-08:00` from those days on, `sat-sun` all day. Raises HoursError."""
    return tuple(span for text in texts for span in _read(text))


def is_within(spans: Spans, weekday: int, minute: int) -> bool:
    """Whether a minute of a weekday, 0 for Monday, lies in one of the spans; without any, always."""
    at = weekday * DAY + minute
    return not spans or any(begin <= moment < end for begin, end in spans for moment in (at, at + 7 * DAY))


def _read(text: str) -> Spans:
    found = _SPAN.fullmatch(" ".join(text.lower().split()))
    if found is None:
        raise _wrong(text)
    first, last = found["first"] or found["whole"] or DAYS[0], found["last"] or found["until"]
    if found["first"] is None and found["whole"] is None:
        last = DAYS[-1]
    if not {first, last or first} <= set(DAYS):
        raise _wrong(text)
    begin, end = (_minutes(found[name] or default, text) for name, default in (("begin", "0:00"), ("end", "24:00")))
    length = (end - begin) % DAY or DAY
    count = (DAYS.index(last or first) - DAYS.index(first)) % 7 + 1
    days = [(DAYS.index(first) + number) % 7 for number in range(count)]
    return tuple((day * DAY + begin, day * DAY + begin + length) for day in days)


def _minutes(clock: str, text: str) -> int:
    hours, minutes = map(int, clock.split(":"))
    if minutes > 59 or hours * 60 + minutes > DAY:
        raise _wrong(text)
    return hours * 60 + minutes


def _wrong(text: str) -> HoursError:
    return HoursError(
        f"`admission.hours`: `{text}` is no span of hours: write `18:00-08:00`, `mon-fri 18:00-08:00` or `sat-sun`"
    )
