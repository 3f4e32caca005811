"""How many values JSON bytes hold, told without decoding them (P).

A few megabytes can hold a million tiny values, and a decoder makes an object of each in one go, while everybody else
waits. Reading for what is outside strings costs a fraction of that.
"""

import re

SLICE_BYTES = 1 << 17  # looked at in one go
_BACKSLASHES = re.compile(rb"\\*")


def has_more_values(body: bytes, limit: int) -> bool:
    """Whether `body` holds more than `limit` strings, arrays and objects; names of fields are strings, too.

    It stops there, so that the work is bounded by the limit too. Bytes that are no JSON have some number of values.
    """
    values, at, is_inside = 0, 0, False  # is_inside: the slice begins inside a string
    while at < len(body):
        end = min(at + SLICE_BYTES, len(body))
        if body[end - 1] == ord("\\"):  # what it escapes belongs to the same slice
            end = min(_BACKSLASHES.match(body, end).end() + 1, len(body))  # type: ignore[union-attr]
        plain = body[at:end]
        if b"\\" in plain:
            plain = plain.replace(b"\\\\", b"").replace(b'\\"', b"")
        values += (plain.count(b'"') + 1 - is_inside) // 2
        if values > limit:
            return True
        parts = plain.split(b'"')
        outside = b" ".join(parts[is_inside::2])
        values += outside.count(b"{") + outside.count(b"[")
        is_inside ^= len(parts) % 2 == 0
        at = end
    return values > limit
