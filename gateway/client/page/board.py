"""What the page is shown, as values by key, and what of it changed since a page last heard (P).

A page that was away is told what changed meanwhile, however often: of each key the newest value, once. So a slow page
is never behind by more than one message, and nothing is queued for it.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

GONE = 4096  # keys that are remembered as gone; who was away for more of them is told everything


@dataclass(frozen=True, slots=True)
class Change:
    """What a page has to do to be at `version`; `is_all`: forget all else first. Values are JSON."""

    version: int
    is_all: bool
    values: Mapping[str, bytes]
    gone: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.is_all or self.values or self.gone)


class Board:
    """Values by key, each with the version in which it came to be so."""

    def __init__(self, gone_limit: int = GONE) -> None:
        self.version = 0
        self._values: dict[str, tuple[bytes, int]] = {}
        self._gone: deque[tuple[str, int]] = deque()
        self._gone_limit, self._told_since = gone_limit, 0  # the oldest version from which all that went is known

    def show(self, values: Mapping[str, bytes]) -> bool:
        """These are all there are now. Returns whether that is news."""
        new = {key: value for key, value in values.items() if key not in self._values or self._values[key][0] != value}
        gone = [key for key in self._values if key not in values]
        if not new and not gone:
            return False
        self.version += 1
        self._values |= {key: (value, self.version) for key, value in new.items()}
        for key in gone:
            del self._values[key]
            self._gone.append((key, self.version))
        while len(self._gone) > self._gone_limit:
            self._told_since = self._gone.popleft()[1]
        return True

    def since(self, version: int | None, may_see: Callable[[str], bool] = lambda key: True) -> Change:
        """What changed after `version`, of the keys that may be seen; None, or one not known here: everything."""
        is_all = version is None or not self._told_since <= version <= self.version
        after = -1 if version is None or is_all else version
        values = {key: value for key, (value, at) in self._values.items() if at > after and may_see(key)}
        gone = {key for key, at in self._gone if at > after and key not in self._values and may_see(key)}
        return Change(self.version, is_all, values, () if is_all else tuple(sorted(gone)))
