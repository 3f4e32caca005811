"""How long measuring will take, in words. Pure."""

from collections.abc import Collection
from statistics import fmean


def forecast(left: int, seconds: Collection[float], concurrency: int) -> str:
    """What is said before `left` questions are asked, `concurrency` at a time, where earlier answers took `seconds`."""
    if not left:
        return "every question was answered before: nothing is asked"
    asks = "1 question to ask" if left == 1 else f"{left} questions to ask"
    if not seconds:
        return f"{asks}; how long that takes is told after the first answer"
    known = "the first answer" if len(seconds) == 1 else f"{len(seconds)} answers so far"
    return f"{asks}: {about(left * fmean(seconds) / concurrency)}, by {known}"


def about(seconds: float) -> str:
    """`about 40 s`, `about 14 min`, `about 2 h 10 min`: as exact as an estimate is."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    hours, tens = divmod(round(minutes, -1), 60)
    return f"about {minutes} min" if minutes < 90 else f"about {hours} h {tens} min"
