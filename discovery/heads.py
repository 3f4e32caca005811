"""Heads of HTTP messages that came before, and what was read of them (P).

What a head says follows from its bytes alone, and a program sends the same lines with each request, but for how long
the body is. So a head that a parser has read is known when it comes again, with whatever length. Example: of a thousand
requests by one SDK with one key the parser reads two.

The parser stays the reference, and reads all that is not known. Who has it decides what it may learn: only a head that
began where a message begins, that was there as a whole, that was read to its last byte and no further, and behind
which a body of the told length is awaited (Content-Length). None of that depends on the length's digits, so the same
head with other digits is read in the same way.

What is remembered is bounded in number and size, and only what came twice is: heads that never come again, since each
has the number of a trace, push out no other. It holds what callers sent, their keys too: it is never logged, stays in
this process, and lets nobody in, since whether a key counts is looked up for each request.
"""

from typing import Generic, Protocol, TypeVar

KNOWN_LIMIT = 128  # heads
SEEN_LIMIT = 1024  # heads of which only a hash is remembered, until they come again
HEAD_BYTES = 4096  # of the longest that is remembered; those of SDKs have 500 to 1,500
_DIGITS_LIMIT = 9  # of a length
_TOLD, _NAME = b"ength: ", b"\r\ncontent-l"  # as programs write `content-length`, or `Content-Length`


class Read(Protocol):
    """What was read of a head."""

    @property
    def length(self) -> bytes:
        """Of the body, as its line tells it: digits."""
        ...


Head = TypeVar("Head", bound=Read)


class KnownHeads(Generic[Head]):
    """See the module."""

    def __init__(self, limit_bytes: int = HEAD_BYTES) -> None:
        """`limit_bytes`: of the longest head that may be read at all."""
        self._limit_bytes = min(HEAD_BYTES, limit_bytes - _DIGITS_LIMIT)
        # by the bytes before the length and behind it: (the length's digits, the length, what was read)
        self._known = dict[tuple[bytes, bytes], tuple[bytes, int, Head]]()
        self._seen = set[int]()

    def find(self, data: bytes) -> tuple[Head, bytes | None, int, bytes] | None:
        """What was read of the head that `data` begins with; None: a parser has to read it.

        (what was read, the length's digits if they are others than then, the length, the bytes behind the head).
        """
        lines, ends, behind = data.partition(b"\r\n\r\n")
        before, _, rest = lines.partition(_TOLD)
        length, _, after = rest.partition(b"\r\n")
        known = self._known.get((before, after))
        if known is None or not ends:
            return None
        digits, size, head = known
        if length == digits:
            return head, None, size, behind
        if not length.isdigit() or len(length) > _DIGITS_LIMIT:
            return None
        return head, length, int(length), behind

    def learn(self, data: bytes, head: Head) -> None:
        """Remember what was read of `data`, if it comes for the second time. See the module for what may be learnt."""
        before, _, rest = data.removesuffix(b"\r\n\r\n").partition(_TOLD)
        length, _, after = rest.partition(b"\r\n")
        if len(data) > self._limit_bytes or not before.lower().endswith(_NAME) or length != head.length:
            return
        if not length.isdigit() or len(length) > _DIGITS_LIMIT:
            return
        key = before, after
        if (seen := hash(key)) in self._seen:
            self._known[key] = length, int(length), head
            if len(self._known) > KNOWN_LIMIT:
                del self._known[next(iter(self._known))]
        else:
            if len(self._seen) == SEEN_LIMIT:
                self._seen.clear()
            self._seen.add(seen)
