"""Numbers that somebody else says of himself (P): evidence, clipped to what can be as soon as they are read.

Here a number that is none (NaN, an HTTP date) becomes None, so that no NaN goes further.
"""

from math import isnan

WAIT_LIMIT_S = 86400.0  # a day: nobody waits longer, and peers of 0.1.0 take no longer wait from us


def whole(said: int, low: int, high: int) -> int:
    """A count within `low` to `high`. JSON may hold integers of a thousand digits, which no array can hold."""
    return max(low, min(said, high))


def wait_s(said: str | float | None) -> float | None:
    """Seconds after which to come back, from 0 to WAIT_LIMIT_S; None where none were said.

    `said` is a number, or what stands in `retry-after`; of its two forms the date is rare, and our own guess as good.
    """
    try:
        seconds = float(said) if said is not None else float("nan")
    except ValueError:
        return None
    return None if isnan(seconds) else max(0.0, min(seconds, WAIT_LIMIT_S))
