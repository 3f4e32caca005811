"""The body of a request (P): its bytes, its fields, and what of them may be sent to another machine.

Each is worked out when it is first asked for: most requests go to our own engine byte for byte.
"""

from collections.abc import Callable, Set
from typing import Protocol

import msgspec

from gateway.wire.codec import UNREADABLE, Fields, Pieces, Value, pieces_of, read_fields, write_fields
from gateway.wire.errors import InvalidRequest
from gateway.wire.known import KnownChat, NotKnown
from gateway.wire.reading.turns import Said
from gateway.wire.rewriting import CameFields, Known, Written, is_written_so, write_known

_FLAT = frozenset(KnownChat.__struct_fields__).difference(KnownChat.REWRITTEN)  # fields without fields but turns
PLAIN_BYTES = 1 << 14  # at most, of a body that one look tells all of: its turns are written anew for it
_NOTHING = Written({}, False)
_ESCAPED = b"\\u00"  # begins an ASCII letter that hides what a name is


class Reading(Protocol):
    """What a body was read as."""

    @property
    def said(self) -> Said:
        """What its turns say."""
        ...

    @property
    def known(self) -> Known | None:
        """What PPAI knows it to be; None where that is not all, as `not_known` says."""
        ...

    @property
    def not_known(self) -> str | None: ...


class Read(msgspec.Struct, frozen=True, eq=False, gc=False):
    """See Reading."""

    said: Said
    known: Known | None
    not_known: str | None

    __repr__ = object.__repr__  # without a word of it


class Content(msgspec.Struct, eq=False):
    """A body as it came, or with fields of ours in it.

    A body that is part of a larger message (Raw) is written anew where it is sent: its bytes may hold a field twice, of
    which only one was judged. Unless it is what we would write.
    """

    _came: bytes | msgspec.Raw
    reading: Reading
    _is_changed: bool = False  # it has fields of ours, or not all that came
    _body: Pieces | None = None  # what is sent of one that is changed; None: its fields
    _anew: Fields | None = None  # fields of ours, which go before those that came
    _read: CameFields | None = None  # the fields that came
    _fields: Fields | None = None
    _judged: tuple[Written, str | None] | None = None  # what is written anew, and what is not known

    __repr__ = object.__repr__  # without a word of it

    @property
    def fields(self) -> Fields:
        """All of its fields, each with its exact bytes. Raises InvalidRequest for a name that is no text."""
        if self._fields is None:
            came = self._fields_that_came()
            self._fields = {**came, **self._anew} if self._anew else came
        return self._fields

    @property
    def written(self) -> Fields:
        """Those of its fields that are written anew from what is known of them, before another machine gets them."""
        written = self._judge()[0].fields
        return {**written, **self._anew} if self._anew else written

    @property
    def unknown(self) -> str | None:
        """What in it PPAI does not know; None where it knows all that it looks at."""
        return self._judge()[1]

    def is_flat(self, body: bytes) -> bool:
        """Whether this is `body` as it came, a chat read to its leaves, and no list is in it but that of its turns."""
        if self._came is not body or not isinstance(self.reading.known, KnownChat):
            return False
        return _is_flat(body, self._fields_that_came())

    def is_plain(self, names: Set[str]) -> bool:
        """Whether it came as we would write it, is short and flat, and has no fields but some of these.

        A key that stands twice, or a list in which a text is split, is in none.
        """
        body, known = self._came, self.reading.known
        if not isinstance(known, KnownChat) or len(memoryview(body)) > PLAIN_BYTES:
            return False
        fields = self._fields_that_came()
        if not names >= fields.keys() or not _is_flat(bytes(memoryview(body)), fields):
            return False
        written = {known.SAID: msgspec.Raw(msgspec.json.encode(known.messages))}
        if not is_written_so(body, fields, written):
            return False
        self._judged = Written(written, True), None
        return True

    @property
    def is_as_written(self) -> bool:
        """Whether it came as we would write all of its fields, to the byte."""
        return not self._is_changed and self._judge()[0].is_body

    @property
    def demands(self) -> str | None:
        """The field that costs an engine more than one plain answer (known.py)."""
        known = self.reading.known
        return known.demands if known else None

    @property
    def size_bytes(self) -> int:
        """How long it is, within a few bytes: at least as long as the values of its fields."""
        if self._fields is None:
            return len(memoryview(self._came))
        return sum(len(piece) for value in self._fields.values() for piece in pieces_of(value))

    @property
    def pieces(self) -> Pieces:
        """What an engine is sent: exactly what came where nothing is ours, and else every other field's exact bytes."""
        if not self._is_changed and not isinstance(self._came, msgspec.Raw):
            return (self._came,)
        if self.is_as_written:
            return (memoryview(self._came),)
        return self._body if self._body is not None else write_fields(self.fields)

    def lacks(self, name: str) -> bool:
        """Whether a look at its bytes shows that it has no field of this name; False: its fields must be read."""
        came, is_as_it_came = self._came, self._fields is self._read and not self._anew
        return isinstance(came, bytes) and is_as_it_came and name.encode() not in came and _ESCAPED not in came

    def with_field(self, name: str, anew: Callable[[Value | None], msgspec.Raw]) -> "Content":
        """The same with this field as `anew` makes it of what it was, None where there was none.

        What came stays as it is where that has none of this name.
        """
        came, fields, body = self._came, self._fields, None
        if isinstance(came, bytes) and self.lacks(name):
            value, end = anew(None), came.rindex(b"}")
            body = memoryview(came)[:end], b',"%b":%b}' % (name.encode(), bytes(value))
        else:
            value, fields = anew(self.fields.get(name)), self._fields
        ours = {name: value} if self._anew is None else {**self._anew, name: value}
        fields = None if fields is None else {**fields, name: value}
        return Content(came, self.reading, True, body, ours, self._read, fields, self._judged)

    def rewritten(self, fields: Fields, written: Fields | None = None) -> "Content":
        """The same with these fields and no others. `written` replaces what was written anew; None: that stays."""
        judged = Written(self.written if written is None else written, False), self.unknown
        return Content(self._came, self.reading, _is_changed=True, _fields=fields, _judged=judged)

    def _judge(self) -> tuple[Written, str | None]:
        if self._judged is None:
            reading = self.reading
            try:
                fields, known = self._fields_that_came(), reading.known
                written = write_known(known, reading.said.parts, fields, self._came) if known else _NOTHING
                self._judged = written, reading.not_known
            except NotKnown as error:
                self._judged = _NOTHING, error.field
        return self._judged

    def _fields_that_came(self) -> CameFields:
        if self._read is None:
            try:
                self._read = read_fields(self._came)
            except UNREADABLE as error:  # a decoder does not look at the names of fields that it skips
                raise InvalidRequest(f"the body is not valid JSON: {error}", code="invalid_json") from error
        return self._read


def _is_flat(body: bytes, fields: CameFields) -> bool:
    """Whether no list is in this chat but that of its turns, nor a field with fields of its own."""
    has_others = body.find(b"[", body.find(b"[") + 1) >= 0
    return not has_others and _FLAT.issuperset(fields)
