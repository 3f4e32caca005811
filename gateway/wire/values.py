"""How much work JSON bytes are for a decoder, told without decoding them (P).

A few megabytes can hold a million tiny values, and a decoder makes an object of each in one go, while everybody else
waits. Reading for what is outside strings costs a fraction of that.
"""

import re

from gateway.wire.codec import LARGE_BYTES

QUICK_BYTES, QUICK_VALUES = 1 << 14, 2000  # so much is read in a few milliseconds whatever it holds
SLICE_BYTES = 1 << 17  # looked at in one go
_BACKSLASHES = re.compile(rb"\\*")
_VALUE, _COMMA, _BACKSLASH = 32, 8, 1  # what each costs, as measured, in units of the cheapest


def takes_long(body: bytes) -> bool:
    """Whether reading `body` holds up everybody else, so that a thread should do it."""
    return len(body) > LARGE_BYTES or (len(body) > QUICK_BYTES and has_more_values(body, QUICK_VALUES))


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
