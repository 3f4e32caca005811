"""Heads of HTTP messages that came before, and what was read of them (P).

What a head says follows from its bytes alone, and a program sends the same lines with each request, but for how long
the body is. So a head that a parser has read is known when it comes again, with whatever length. Example: of a thousand
requests by one SDK with one key the parser reads two. A peer's head also ends on what proves the request, which is
another each time: session_heads.py.

The parser stays the reference, and reads all that is not known. Who has it decides what it may learn: only a head that
began where a message begins, that was there as a whole, that was read to its last byte and no further, and behind
which a body of the told length is awaited (Content-Length). None of that depends on the length's digits, so the same
head with other digits is read in the same way.

What is remembered is bounded in number and size, and only what came twice is: heads that never come again, since each
has the number of a trace, push out no other. It holds what callers sent, their keys too: it is never logged, stays in
this process, and lets nobody in, since whether a key counts is looked up for each request.
"""

from collections.abc import Hashable, Mapping
from typing import Generic, Protocol, TypeVar

KNOWN_LIMIT = 128  # heads
SEEN_LIMIT = 1024  # heads of which only a hash is remembered, until they come again
HEAD_BYTES = 4096  # of the longest that is remembered; those of SDKs have 500 to 1,500
LENGTH_DIGITS = 9  # of the longest length
_TOLD, _NAME = b"ength: ", b"\r\ncontent-l"  # as programs write `content-length`, or `Content-Length`


Anew = dict[str, str]  # headers by lower-case name


class Read(Protocol):
    """What was read of a head."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By lower-case name."""
        ...


Head = TypeVar("Head", bound=Read)
Found = tuple[Head, Anew | None, int, bytes]  # what was read, headers with other values, the body's size, what follows
Key = TypeVar("Key", bound=Hashable)
Known = TypeVar("Known")


class Heads(Protocol[Head]):
    """Heads that came before: KnownHeads, or SessionHeads (session_heads.py)."""

    def find(self, data: bytes) -> Found[Head] | None:
        """What was read of the head that `data` begins with; None: a parser has to read it."""
        ...

    def learn(self, data: bytes, head: Head) -> None:
        """Remember what was read of `data`, if it comes for the second time. See the module for what may be learnt."""
        ...


class Twice(Generic[Key, Known]):
    """What is known of heads that came twice, by what does not change in them."""

    def __init__(self) -> None:
        self.known = dict[Key, Known]()
        self._seen = set[int]()

    def learn(self, key: Key, known: Known) -> None:
        """Remember it, if this comes for the second time."""
        if (seen := hash(key)) in self._seen:
            self.known[key] = known
            if len(self.known) > KNOWN_LIMIT:
                del self.known[next(iter(self.known))]
        else:
            if len(self._seen) == SEEN_LIMIT:
                self._seen.clear()
            self._seen.add(seen)


class KnownHeads(Generic[Head]):
    """See the module."""

    def __init__(self, limit_bytes: int = HEAD_BYTES) -> None:
        """`limit_bytes`: of the longest head that may be read at all."""
        self._limit_bytes = min(HEAD_BYTES, limit_bytes - LENGTH_DIGITS)
        # by the bytes before the length and behind it: (the length's digits, the length, what was read)
        self._heads = Twice[tuple[bytes, bytes], tuple[bytes, int, Head]]()
        self._known = self._heads.known

    def find(self, data: bytes) -> Found[Head] | None:
        """See Heads."""
        lines, ends, behind = data.partition(b"\r\n\r\n")
        before, _, rest = lines.partition(_TOLD)
        length, _, after = rest.partition(b"\r\n")
        known = self._known.get((before, after))
        if known is None or not ends:
            return None
        digits, size, head = known
        if length == digits:
            return head, None, size, behind
        if not length.isdigit() or len(length) > LENGTH_DIGITS:
            return None
        return head, {"content-length": length.decode("ascii")}, int(length), behind

    def learn(self, data: bytes, head: Head) -> None:
        """See Heads."""
        before, _, rest = data.removesuffix(b"\r\n\r\n").partition(_TOLD)
        length, _, after = rest.partition(b"\r\n")
        if len(data) > self._limit_bytes or not before.lower().endswith(_NAME):
            return
        if not length.isdigit() or len(length) > LENGTH_DIGITS or not is_said(head, "content-length", length):
            return
        self._heads.learn((before, after), (length, int(length), head))


def is_said(head: Read, name: str, value: bytes) -> bool:
    """Whether the head has this header once, with this value."""
    return head.headers.get(name, "").encode("latin-1") == value
