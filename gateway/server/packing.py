"""Request bodies that a client has compressed, or written in another charset: as plain UTF-8, or refused by name.

Coding agents compress long conversations. A few KB may unpack to gigabytes, so the limit counts what comes out.
PowerShell and .NET write a mark of UTF-8 first, or UTF-16, which engines in Python read.
"""

import json
import zlib

from gateway.wire.errors import InvalidRequest

PACKED, PLAIN = ("gzip", "deflate"), "utf-8"
_EITHER_HEADER = zlib.MAX_WBITS | 32  # of gzip or of zlib, whichever is there
_NO_HEADER = -zlib.MAX_WBITS  # what some clients send as `deflate`


def is_packed(body: bytes, packed_by: str | None) -> bool:
    """Whether it has to be unpacked before it is read, as the header says that is given, or written in UTF-8."""
    return packed_by is not None or charset_of(body) != PLAIN


def charset_of(body: bytes) -> str:
    """What JSON is written in, by its first four bytes: `utf-8`, or Python's name of what is to be read as that."""
    if body.startswith(b'{"') or (body[:1] == b"{" and body[1:2] != b"\0"):  # as nearly every body begins
        return PLAIN
    return json.detect_encoding(body)


def in_utf8(body: bytes) -> bytes:
    """The body in UTF-8, without a mark before it. Raises InvalidRequest (400) where it is not what it begins as."""
    if (charset := charset_of(body)) == PLAIN:
        return body
    try:
        return body.decode(charset).encode()
    except UnicodeError as error:
        raise InvalidRequest(f"the body begins as {charset} and is none; send UTF-8", code="bad_encoding") from error


def unpacked(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """The body as it was before it was packed by `encoding`, the header `content-encoding`.

    Raises InvalidRequest: 415 for another encoding, 400 for what is none, 413 for over `limit_bytes`.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in PACKED:
        raise InvalidRequest(
            f"content-encoding is none that is read here; send {', '.join(PACKED)}, or the body as it is",
            status=415,
            code="encoding_unknown",
        )
    for header in (_EITHER_HEADER, _NO_HEADER):
        unpack = zlib.decompressobj(header)
        try:
            whole = unpack.decompress(body, limit_bytes + 1)
        except zlib.error:
            continue
        if len(whole) > limit_bytes:
            raise InvalidRequest(
                f"the body is over {limit_bytes} bytes unpacked; send less, or raise client.body_limit_bytes",
                status=413,
                code="body_too_large",
            )
        if unpack.eof:
            return whole
    raise InvalidRequest(f"the body is not {name}, as content-encoding says", code="bad_encoding")
