"""The last requests of this machine's programs, running and ended, in memory: what the page shows of them.

A request has its line of the route log, and what was decided about it; both are kept as they are and read when somebody
looks. Never a word of a prompt.
"""

from collections import deque
from itertools import count
from typing import Any

import msgspec

KEPT = 200  # requests
DECISIONS = 100  # of them with what was decided
CANDIDATES = 4000  # in all decisions that are kept together: a decision among many takes the room of several


class Recorded(msgspec.Struct, eq=False):
    """One request. What it is called and who is asked counts while it runs; then `written`, its line of the route log.

    Its line is made when somebody looks.
    """

    at: float = 0.0  # s since 1970
    request: str = ""  # its id
    endpoint: str = ""
    asked: str = ""  # the model
    reason: str = ""
    decided: object | None = None  # None: nothing was, or it is no longer kept
    candidates: int = 0  # in `decided`
    number: int = 0  # counts up; no two requests of a process have one
    peer: str | None = None  # who is asked now
    model: str | None = None
    written: bytes = b""

    @property
    def is_running(self) -> bool:
        return not self.written

    @property
    def line(self) -> dict[str, Any]:
        """As much as is known of it, by name."""
        if self.written:
            return _line(self.written)
        known = {"at": self.at, "request": self.request, "endpoint": self.endpoint, "asked": self.asked}
        who = {"peer": self.peer, **({"model": self.model} if self.model else {})}
        return {**known, **who, "reason": self.reason, "status": "running"}


class Recent:
    """The last ones, in the order in which they came."""

    def __init__(self, keep: int = KEPT, decisions: int = DECISIONS, candidates: int = CANDIDATES) -> None:
        self._all: deque[Recorded] = deque(maxlen=keep)
        self._written: deque[bytes] = deque(maxlen=keep)
        self._numbers = count(1)
        self._decisions = decisions
        self._limit = self._room = candidates  # the room that further decisions have, at least

    @property
    def all(self) -> list[Recorded]:
        """Those that are kept."""
        return list(self._all)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Of those that have ended, their lines, in the order in which they ended."""
        return [_line(written) for written in self._written]

    def add(self, one: Recorded) -> Recorded:
        """A request is on its way."""
        one.number, kept = next(self._numbers), self._all
        kept.append(one)
        if len(kept) > self._decisions:
            kept[-1 - self._decisions].decided = None
        self._room -= one.candidates
        if self._room < 0:
            self._forget()
        return one

    def decided(self, one: Recorded, decided: object, candidates: int) -> None:
        """It was decided anew, among so many candidates; the last decision counts."""
        self._room += one.candidates - candidates
        one.decided, one.candidates = decided, candidates
        if self._room < 0:
            self._forget()

    def forget(self, one: Recorded) -> None:
        """It is as if it had not been added, or is not kept any more."""
        if one in self._all:
            self._all.remove(one)

    def ended(self, line: bytes, one: Recorded | None = None) -> None:
        """A request has its line of the route log, as JSON; `one`: as it was known while it ran."""
        (one or self.add(Recorded())).written = line
        self._written.append(line)

    def _forget(self) -> None:
        """Keep the newest decisions that have half of the candidates together, so that this is rare; one at least."""
        seen = kept = 0
        for one in reversed(self._all):
            seen += one.candidates
            if 2 * seen > self._limit and kept:
                one.decided, one.candidates = None, 0
            else:
                kept = seen
        self._room = self._limit - kept

    def find(self, which: str) -> Recorded | None:
        """By its number, or by its request id; of several with one id, the newest."""
        for one in reversed(self._all):
            if which in (str(one.number), one.line.get("request")):
                return one
        return None


def _line(written: bytes) -> dict[str, Any]:
    line: dict[str, Any] = msgspec.json.decode(written)
    return line
