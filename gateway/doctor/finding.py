"""What one check found."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`id` never changes its meaning; several findings may have one id, e.g. of several engines.

    `ok`: None where it could not be told, or is no fault by itself. `remedy` is empty where nothing is to be done.
    """

    id: str
    ok: bool | None
    said: str  # what was tried, and what holds
    remedy: str = ""


def tried(check: str, holds: str, fails: str, attempt: Callable[[], object], *errors: type[Exception]) -> Finding:
    """True with `holds` where `attempt` raises nothing; else False with `fails`.

    The errors of PPAI's rooms name the file or key and what to do: that is the remedy.
    """
    try:
        attempt()
    except errors as error:
        return Finding(check, False, fails, str(error))
    return Finding(check, True, holds)
