"""Slots of an engine that are lent to a worker, which takes requests in them by itself (P; docs/decisions.md#workers).

A slot that is lent and free is set aside: nobody enters it here. One of those that are used is as any other of the
requests inside. So whoever else comes finds as much room as there is, whatever a worker does meanwhile. Example: of 8
slots 4 are lent, and 3 more requests are inside; of the 4 one is told to be used. So 4 are inside, 3 are set aside, and
one more enters. Called back, the 3 are free again as soon as the worker has answered that it takes no more.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from gateway.beliefs.jobs import Doing


class Counting(Protocol):
    """Who counts the requests inside, and the slots that are set aside (line.py)."""

    inside: int
    aside: int
    doing: Doing


class Work(msgspec.Struct, frozen=True):
    """What was done in lent slots. `busy_s`: seconds that each of them was used, together."""

    arrivals: int
    completions: int
    prompt_tokens: int
    tokens: int
    busy_s: float


class _Loan(msgspec.Struct):
    slots: int
    call_back: Callable[[], None]
    running: int = 0
    has_ended: bool = False


class Lent:
    """All that is lent of one engine."""

    def __init__(self, line: Counting) -> None:
        self.running = 0  # of those that are used, as was told last
        self._line, self._loans, self._last = line, dict[int, _Loan](), 0

    def __bool__(self) -> bool:
        return bool(self._loans)

    def lend(self, slots: int, call_back: Callable[[], None]) -> int:
        """Lend so many free slots; the loan's number."""
        self._last += 1
        self._loans[self._last] = _Loan(slots, call_back)
        self._line.aside += slots
        return self._last

    def used(self, number: int, running: int) -> None:
        """So many of a loan's slots are used now, of which none has more than it was lent."""
        loan = self._loans[number]
        more = min(running, loan.slots) - loan.running
        loan.running += more
        self.running += more
        self._line.inside += more
        self._line.doing.jobs += more
        if not loan.has_ended:
            self._line.aside -= more
        elif not loan.running:
            del self._loans[number]

    def end(self, number: int) -> None:
        """No more of a loan's slots are taken."""
        loan = self._loans[number]
        self._line.aside -= loan.slots - loan.running
        loan.slots, loan.has_ended = loan.running, True
        if not loan.running:
            del self._loans[number]

    def call_back(self) -> None:
        """Ask for all that is lent."""
        for loan in [*self._loans.values()]:
            if not loan.has_ended:
                loan.call_back()
