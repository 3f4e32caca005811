"""What every decoder of JSON here shares (P): what unreadable bytes raise, and objects whose values stay as they came.

The values of such an object are parts of the bytes that it was read from and never copied: an image may be megabytes
long, and a copy costs as much as reading it.
"""

from codecs import utf_8_decode
from collections.abc import Mapping

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what msgspec raises on hostile bytes
PIECE_BYTES = 1 << 16  # of UTF-8 that is checked at a time: it stays in the processor's cache
LARGE_BYTES = 1 << 18  # more takes milliseconds to read, so that a thread does it, and is sent slice by slice

Pieces = tuple[bytes | memoryview, ...]  # of one body or value, to be sent one after the other
Value = msgspec.Raw | Pieces
Fields = Mapping[str, Value]


def read_fields(body: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """The fields of an object, each with its exact bytes; of two with one name the last counts.

    Nothing is copied: the values are parts of `body`. Raises what UNREADABLE names.
    """
    return _FIELDS.decode(memoryview(body))


def write_fields(fields: Fields) -> Pieces:
    """The object with these fields, in one piece; values over LARGE_BYTES are pieces of their own, not copied."""
    if all(isinstance(value, msgspec.Raw) and len(memoryview(value)) <= LARGE_BYTES for value in fields.values()):
        return (msgspec.json.encode(fields),)
    pieces: list[bytes | memoryview] = []
    for name, value in fields.items():
        pieces += [(b"," if pieces else b"{") + msgspec.json.encode(name) + b":", *pieces_of(value)]
    return (*pieces, b"}")


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


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
