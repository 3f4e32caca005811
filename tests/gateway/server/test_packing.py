"""A compressed body is unpacked within the limit, and one in another charset is read."""

import gzip
import zlib

import pytest

from gateway.server.packing import in_utf8, unpacked
from gateway.wire.errors import InvalidRequest

BODY = b'{"messages":[]}'
RAW = zlib.compressobj(wbits=-zlib.MAX_WBITS)


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        ("", BODY),
        ("identity", BODY),
        ("gzip", gzip.compress(BODY, mtime=0)),
        (" GZIP ", gzip.compress(BODY, mtime=0)),
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
        ("gzip, gzip", gzip.compress(BODY, mtime=0), 415, "content-encoding"),
        ("gzip", b"not packed", 400, "is not gzip"),
        ("gzip", gzip.compress(BODY, mtime=0)[:-9], 400, "is not gzip"),
        ("gzip", gzip.compress(b"x" * 101, mtime=0), 413, "100 bytes"),
        ("deflate", zlib.compress(b"x" * (64 << 20)), 413, "100 bytes"),  # a bomb of 64 KB
    ],
)
def test_what_cannot_be_unpacked_is_a_refusal_with_the_remedy(
    encoding: str, sent: bytes, status: int, says: str
) -> None:
    with pytest.raises(InvalidRequest, match=says) as refused:
        unpacked(sent, encoding, 100)

    assert status == refused.value.status


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("text", ['{"messages":["Schön, 工作站"]}', "{}", "[]", "1", ""])
def test_json_is_read_in_every_charset_that_python_reads(charset: str, text: str) -> None:
    """So engines in Python do; a mark before it is no part of it."""
    assert text.encode() == in_utf8(text.encode(charset))


@pytest.mark.parametrize("body", [b"\xff\xfe\x00\xd8", b"{\0\xd8\xd8x", b"\xff\xfe{", b"\xef\xbb\xbf\xff"])
def test_a_body_that_is_not_what_it_begins_as_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="send UTF-8") as refused:
        in_utf8(body)

    assert (400, "bad_encoding") == (refused.value.status, refused.value.code)


def test_other_bytes_are_left_to_the_decoder() -> None:
    for body in (b"\xff", b"\0", b"\x1f\x8b", b"x" * 5):
        assert body == in_utf8(body)
