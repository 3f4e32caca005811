"""What every decoder of JSON here shares (P): what unreadable bytes raise, and objects whose values stay as they came.

The values of such an object are parts of the bytes that it was read from and never copied: an image may be megabytes
long, and a copy costs as much as reading it.

Also how much work JSON bytes are for a decoder, told without decoding them. A few megabytes can hold a million tiny
values, and a decoder makes an object of each in one go, while everybody else waits. Reading for what is outside strings
costs a fraction of that.
"""

import re
from codecs import utf_8_decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what msgspec raises on hostile bytes
PIECE_BYTES = 1 << 16  # of UTF-8 that is checked at a time: it stays in the processor's cache
LARGE_BYTES = 1 << 18  # more takes milliseconds to read, so that a thread does it, and is sent slice by slice
QUICK_BYTES, QUICK_VALUES = 1 << 14, 2000  # so much is read in a few milliseconds whatever it holds
SLICE_BYTES = 1 << 17  # looked at in one go
_BACKSLASHES = re.compile(rb"\\*")
_NO_MARKS = bytes(set(range(256)) - set(b'"{[,\\'))
_VALUE, _COMMA, _BACKSLASH = 32, 8, 1  # what each costs, as measured, in units of the cheapest

Pieces = tuple[bytes | memoryview, ...]  # of one body or value, to be sent one after the other
Value = msgspec.Raw | Pieces
Fields = Mapping[str, Value]
_VIEW: Callable[[Any], memoryview] = memoryview


def read_fields(body: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """The fields of an object, each with its exact bytes; of two with one name the last counts.

    Nothing is copied: the values are parts of `body`. Raises what UNREADABLE names.
    """
    return _FIELDS.decode(memoryview(body))


def write_fields(fields: Fields) -> Pieces:
    """The object with these fields, in one piece; values over LARGE_BYTES are pieces of their own, not copied."""
    values = fields.values()
    if tuple not in map(type, values) and max(sizes_of(values), default=0) <= LARGE_BYTES:
        return (msgspec.json.encode(fields),)
    pieces: list[bytes | memoryview] = []
    for name, value in fields.items():
        pieces += [(b"," if pieces else b"{") + msgspec.json.encode(name) + b":", *pieces_of(value)]
    return (*pieces, b"}")


def sizes_of(values: Iterable[Value]) -> Iterator[int]:
    """How long each of some values is that are no pieces."""
    return map(len, map(_VIEW, values))


def pieces_of(value: Value) -> Pieces:
    """A value's bytes, not copied."""
    return value if isinstance(value, tuple) else (memoryview(value),)


def view_of(value: Value) -> memoryview:
    """A value's bytes in one piece."""
    return memoryview(b"".join(value)) if isinstance(value, tuple) else memoryview(value)


def raw(value: object) -> msgspec.Raw:
    """A field's value as it is written."""
    return msgspec.Raw(msgspec.json.encode(value))


def is_utf8(value: msgspec.Raw) -> bool:
    """Whether all of a field is text; what a decoder skips it does not check."""
    view, begin = memoryview(value), 0
    try:
        while len(view) - begin > PIECE_BYTES:
            begin += utf_8_decode(view[begin : begin + PIECE_BYTES], "strict", False)[1]
        utf_8_decode(view[begin:] if begin else view, "strict", True)
    except UnicodeDecodeError:
        return False
    return True


def takes_long(body: bytes, quick_bytes: int = QUICK_BYTES) -> bool:
    """Whether reading `body` holds up everybody else, so that a thread should do it.

    `quick_bytes`: so much is read quickly, whatever it holds.
    """
    if len(body) <= quick_bytes or len(body) > LARGE_BYTES:
        return len(body) > LARGE_BYTES
    return values_at_most(body) > QUICK_VALUES and has_more_values(body, QUICK_VALUES)


def values_at_most(body: bytes) -> int:
    """How many values `body` costs (has_more_values) if all that looks like one counts, in strings too.

    Ten times as fast, and enough to know that most bodies are quick.
    """
    marks = body.translate(None, _NO_MARKS)
    commas, backslashes, quotes = map(marks.count, (b",", b"\\", b'"'))
    values = quotes // 2 + 1 + len(marks) - commas - backslashes - quotes
    return -(-(_VALUE * values + _COMMA * commas + _BACKSLASH * backslashes) // _VALUE)


def has_more_values(body: bytes, limit: int) -> bool:
    """Whether `body` costs a decoder more than `limit` strings, arrays and objects; names of fields are strings, too.

    A comma, with the number that may stand before it, counts as a quarter of a value, and a backslash in a string as a
    thirty-second. It stops there, so that the work is bounded by the limit, too. Bytes that are no JSON cost something.
    """
    cost, at, is_inside = 0, 0, False  # is_inside: the slice begins inside a string
    while at < len(body):
        end = min(at + SLICE_BYTES, len(body))
        if body[end - 1] == ord("\\"):  # what it escapes belongs to the same slice
            end = min(_BACKSLASHES.match(body, end).end() + 1, len(body))  # type: ignore[union-attr]  # `*` always matches
        plain = body[at:end]
        if b"\\" in plain:
            cost += _BACKSLASH * plain.count(b"\\")
            plain = plain.replace(b"\\\\", b"").replace(b'\\"', b"")
        cost += _VALUE * ((plain.count(b'"') + 1 - is_inside) // 2)
        if cost > _VALUE * limit:
            return True
        parts = plain.split(b'"')
        outside = b" ".join(parts[is_inside::2])
        cost += _VALUE * (outside.count(b"{") + outside.count(b"[")) + _COMMA * outside.count(b",")
        is_inside ^= len(parts) % 2 == 0
        at = end
    return cost > _VALUE * limit


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
