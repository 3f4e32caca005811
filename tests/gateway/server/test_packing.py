"""A compressed body is unpacked within the limit."""

import gzip
import zlib

import pytest

from gateway.server.packing import unpacked
from gateway.wire.errors import InvalidRequest

BODY = b'{"messages":[]}'
RAW = zlib.compressobj(wbits=-zlib.MAX_WBITS)


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        ("", BODY),
        ("identity", BODY),
        ("gzip", gzip.compress(BODY)),
        (" GZIP ", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", RAW.compress(BODY) + RAW.flush()),
    ],
)
def test_a_packed_body_is_read(encoding: str, sent: bytes) -> None:
    assert BODY == unpacked(sent, encoding, 100)


@pytest.mark.parametrize(
    ("encoding", "sent", "status", "says"),
    [
        ("br", b"x", 415, "gzip, deflate"),
        ("gzip, gzip", gzip.compress(BODY), 415, "content-encoding"),
        ("gzip", b"not packed", 400, "is not gzip"),
        ("gzip", gzip.compress(BODY)[:-9], 400, "is not gzip"),
        ("gzip", gzip.compress(b"x" * 101), 413, "100 bytes"),
        ("deflate", zlib.compress(b"x" * (64 << 20)), 413, "100 bytes"),  # a bomb of 64 KB
    ],
)
def test_what_cannot_be_unpacked_is_a_refusal_with_the_remedy(
    encoding: str, sent: bytes, status: int, says: str
) -> None:
    with pytest.raises(InvalidRequest, match=says) as refused:
        unpacked(sent, encoding, 100)

    assert status == refused.value.status
