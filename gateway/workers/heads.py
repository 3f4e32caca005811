"""Heads of requests as a worker tells them to its owner: whole when they come first, then by a number.

Programs send the same lines with each request, and a worker that knows a head has one Head for all that come with it
(discovery/heads.py). Both ends keep as many of them, and what the worker replaces its owner replaces with that message:
so neither has to ask the other what it knows.
"""

from typing import Annotated

import msgspec

from gateway.server.fields import Fields, Head, size_of

KEPT_LIMIT = 256  # heads
KEPT_BYTES = 4096  # of the longest that is kept


class Told(msgspec.Struct, frozen=True, array_like=True):
    """A head as it came; kept by this number from now on, where it has one."""

    number: Annotated[int, msgspec.Meta(ge=0, lt=KEPT_LIMIT)] | None
    method: str
    line: bytes
    version: str
    fields: Fields
    keeps_alive: bool


class Telling:
    """What a worker has told."""

    def __init__(self) -> None:
        self._numbers = dict[Head, int]()

    def tell(self, head: Head) -> Told | int:
        """What is said of this head."""
        number = self._numbers.get(head)
        if number is not None:
            return number
        if len(head.line) + size_of(head.fields) <= KEPT_BYTES:
            is_full = len(self._numbers) == KEPT_LIMIT
            number = self._numbers.pop(next(iter(self._numbers))) if is_full else len(self._numbers)
            self._numbers[head] = number
        return Told(number, head.method, head.line, head.version, head.fields, head.keeps_alive)


class Hearing:
    """What its owner was told."""

    def __init__(self) -> None:
        self._kept = dict[int, Head]()

    def head(self, named: Told | int) -> Head:
        """The head that is meant; a number that was never told is a bug of the worker, which ends with it."""
        if isinstance(named, int):
            return self._kept[named]
        head = Head(named.method, named.line, named.version, named.fields, named.keeps_alive)
        if named.number is not None:
            self._kept[named.number] = head
        return head
