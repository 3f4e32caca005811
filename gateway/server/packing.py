"""Request bodies that a client has compressed: unpacked within the limit of a body, or refused by name.

Coding agents compress long conversations. A few KB may unpack to gigabytes, so the limit counts what comes out.
"""

import zlib

from gateway.wire.errors import InvalidRequest

PACKED = ("gzip", "deflate")
_EITHER_HEADER = zlib.MAX_WBITS | 32  # of gzip or of zlib, whichever is there
_NO_HEADER = -zlib.MAX_WBITS  # what some clients send as `deflate`


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
