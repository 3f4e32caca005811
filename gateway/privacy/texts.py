"""What stands in the texts of a request of all that rules look for (P), read where it is new.

A conversation is sent whole at every turn: what was found in a slice of it is remembered by the slice's hash.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from hashlib import sha256
from math import inf
from typing import Any, NamedTuple

import msgspec

from gateway.privacy.media import without_media
from gateway.privacy.spellings import SLICE_BYTES, Buffer, Spelling, Unreadable, slices, spellings
from gateway.wire.codec import UNREADABLE

REMEMBERED = 1 << 14  # slices, at some hundred bytes each: one of each of so many conversations
_KEY_BYTES = 16
_APART = frozenset({"type", "role", "id", "call_id", "tool_call_id", "tool_use_id", "media_type", "detail"})
_TOKEN_FIELDS = ("prompt", "input")  # that may be token ids
_HOLDERS = frozenset({dict, list})  # the types of what holds others in a decoded body


class TakesLong(Exception):
    """More of a request is new than was to be read now. What was read of it until then is remembered."""


class _Read(NamedTuple):
    """What was found in a slice, and whether all of it could be read."""

    signs: frozenset[str]
    is_whole: bool


class Reader:
    """Looks for signs in slices of texts, and remembers what it found. Threads may read side by side."""

    def __init__(self, sought: Mapping[str, Callable[[Spelling], bool]]) -> None:
        """`sought`: by name, whether a sign stands in a spelling of a text."""
        self.sought = sought
        self._known: dict[bytes, _Read] = {}  # by the beginning of the SHA-256 of a slice

    def read(self, part: Buffer, new_bytes: float = inf) -> tuple[_Read, bool]:
        """(what stands in a slice, whether it is new). Raises TakesLong for a new one of more than `new_bytes`."""
        key = sha256(part).digest()[:_KEY_BYTES]
        read = self._known.get(key)
        if read is not None:
            return read, False
        if len(part) > new_bytes:
            raise TakesLong
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        read = self._known[key] = self._looked_at(str(part, "utf-8", "replace"))
        return read, True

    def is_clear(self, text: Buffer) -> bool:
        """Whether it is known, or soon told, that a text holds no sign; it is read where it has one slice at most."""
        if len(text) > SLICE_BYTES:
            return False
        read, _ = self.read(text)
        return read.is_whole and not read.signs

    def _looked_at(self, text: str) -> _Read:
        """A spelling at a time: all of them together are many times as large as the text."""
        found = set[str]()
        try:
            for spelling in spellings(text):
                found |= {sign for sign, is_in in self.sought.items() if sign not in found and is_in(spelling)}
                if len(found) == len(self.sought):
                    break
        except Unreadable:
            return _Read(frozenset(found), is_whole=False)
        return _Read(frozenset(found), is_whole=True)


class Texts:
    """What stands in one request's texts of all that rules look for, found in one pass once a rule needs it."""

    def __init__(
        self,
        body: Buffer,
        files: Sequence[tuple[int, int]],
        reader: Reader,
        *,
        may_split: bool,
        new_bytes: float = inf,
    ) -> None:
        """`files`: see without_media. `may_split`: it is JSON, in whose lists a text may be split.

        `new_bytes`: so much that was not read before is read now.
        """
        self._body, self._files, self._may_split = body, files, may_split
        self._reader, self._new_bytes = reader, new_bytes
        self._found: AbstractSet[str] | None = None
        self._is_whole = True  # whether all of it could be read

    def have(self, *signs: str) -> bool | None:
        """Whether one of these is there; None: not all can be read. Raises TakesLong."""
        if self._found is None:
            self._found = self._look()
        if not self._found.isdisjoint(signs):
            return True
        return False if self._is_whole else None

    def _look(self) -> AbstractSet[str]:
        if not (self._may_split or self._files) and len(self._body) <= SLICE_BYTES:  # one slice, as of most
            read, _ = self._reader.read(self._body, self._new_bytes)
            self._is_whole = read.is_whole
            return read.signs
        found, left_bytes = set[str](), self._new_bytes
        for text in self._texts():
            for part in slices(text):
                read, is_new = self._reader.read(part, left_bytes)
                left_bytes -= len(part) * is_new
                found |= read.signs
                self._is_whole &= read.is_whole
                if len(found) == len(self._reader.sought):
                    return found
        return found

    def _texts(self) -> Iterator[Buffer]:
        """The body as it came; and the parts of each of its lists in a row, for what stands partly in each of two.

        All but what lies between the ends of pictures and recordings.
        """
        yield from without_media(self._body, self._files)
        if not self._may_split:
            return
        try:
            body = msgspec.json.decode(memoryview(self._body))
        except UNREADABLE:
            self._is_whole = False
            return
        if _has_token_ids(body):
            self._is_whole = False
        for parts in _split(body):
            yield from without_media("".join(_leaves(parts)).encode("utf-8", "replace"))


def _has_token_ids(body: Any) -> bool:
    """Whether a prompt comes as numbers, which no rule can read."""
    fields = body if isinstance(body, dict) else {}
    for name in _TOKEN_FIELDS:
        value = fields.get(name)
        if isinstance(value, list) and any(isinstance(item, int | float | list) for item in value):
            return any(isinstance(item, int | float) or _numbers(item) for item in value)
    return False


def _numbers(item: Any) -> bool:
    return isinstance(item, list) and any(isinstance(number, int | float) for number in item)


def _split(body: Any) -> Iterator[list[Any]]:
    """The lists in a body in which a text may be split: those of more than one part, none a turn of its own."""
    left = [body] if type(body) in _HOLDERS else []
    while left:
        holder = left.pop()
        is_list = type(holder) is list
        left += [word for word in (holder if is_list else holder.values()) if type(word) in _HOLDERS]
        if is_list and len(holder) > 1 and not any(type(part) is dict and "role" in part for part in holder):
            yield holder


def _leaves(body: Any) -> Iterator[str]:
    """All texts in a body, in order; a list of what is left takes the same time at every depth."""
    left = [body]
    while left:
        word = left.pop()
        if isinstance(word, str):
            yield word
        elif isinstance(word, list):
            left += reversed(word)
        elif isinstance(word, dict):
            left += [word[key] for key in reversed(word) if key not in _APART]
