"""The last requests of this machine's programs, running and ended, in memory: what the page shows of them.

A request has its line of the route log, and what was decided about it, which is kept as it is and read when somebody
looks. Never a word of a prompt.
"""

from collections import deque
from dataclasses import dataclass

KEPT = 200  # requests
DECISIONS = 100  # of them with what was decided
CANDIDATES = 4000  # in all decisions that are kept together: a decision among many takes the room of several


@dataclass(slots=True, eq=False)
class Recorded:
    """One request: `line` says as much as is known, and is replaced when it has ended."""

    number: int  # counts up; no two requests of a process have one
    line: dict[str, object]
    is_running: bool = True
    decided: object | None = None  # None: nothing was, or it is no longer kept
    candidates: int = 0  # in `decided`


class Recent:
    """The last ones, in the order in which they came."""

    def __init__(self, keep: int = KEPT, decisions: int = DECISIONS, candidates: int = CANDIDATES) -> None:
        self._all: deque[Recorded] = deque(maxlen=keep)
        self._lines: deque[dict[str, object]] = deque(maxlen=keep)
        self._decided: deque[Recorded] = deque()
        self._room = (decisions, candidates)
        self._candidates, self._count = 0, 0

    @property
    def all(self) -> list[Recorded]:
        """Those that are kept."""
        return list(self._all)

    @property
    def lines(self) -> list[dict[str, object]]:
        """Of those that have ended, their lines, in the order in which they ended."""
        return list(self._lines)

    def began(self, line: dict[str, object]) -> Recorded:
        """A request is on its way."""
        self._count += 1
        one = Recorded(self._count, line)
        self._all.append(one)
        return one

    def decided(self, one: Recorded, decided: object, candidates: int) -> None:
        """What was decided about it, among so many candidates; the last decision counts."""
        self._candidates += candidates - one.candidates
        if one.decided is None:
            self._decided.append(one)
        one.decided, one.candidates = decided, candidates
        decisions, limit = self._room
        while len(self._decided) > decisions or (self._candidates > limit and len(self._decided) > 1):
            oldest = self._decided.popleft()
            self._candidates -= oldest.candidates
            oldest.decided, oldest.candidates = None, 0

    def ended(self, line: dict[str, object], one: Recorded | None = None) -> None:
        """A request has its line of the route log; `one`: as it was known while it ran."""
        one = one or self.began(line)
        one.line, one.is_running = line, False
        self._lines.append(line)

    def find(self, which: str) -> Recorded | None:
        """By its number, or by its request id; of several with one id, the newest."""
        for one in reversed(self._all):
            if which in (str(one.number), one.line.get("request")):
                return one
        return None
