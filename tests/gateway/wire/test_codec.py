"""Fields keep their bytes, and hostile bytes raise what UNREADABLE names and nothing else."""

import msgspec
import pytest

from gateway.wire.codec import LARGE_BYTES, PIECE_BYTES, UNREADABLE, Fields, is_utf8, raw, read_fields, write_fields


def written(fields: Fields) -> bytes:
    return b"".join(write_fields(fields))


def test_fields_are_written_with_the_bytes_that_were_read() -> None:
    body = b'{ "a" : [1, 2.50], "b":{"c" : 1e2}, "d":"\\u00e9" }'

    assert b'{"a":[1, 2.50],"b":{"c" : 1e2},"d":"\\u00e9"}' == written(read_fields(body))


def test_of_two_fields_with_one_name_the_last_counts() -> None:
    assert b'{"a":2}' == written(read_fields(b'{"a":1,"a":2}'))
    assert b'{"a":2}' == written(read_fields(b'{"a":1,"\\u0061":2}'))


def test_a_large_value_is_a_piece_of_what_was_read() -> None:
    body = b'{"a":1,"b":"' + b"x" * LARGE_BYTES + b'","c":[2]}'
    fields = read_fields(body)

    pieces = write_fields(fields)

    assert body == b"".join(pieces)
    assert [fields["b"]] == [p.obj for p in pieces if isinstance(p, memoryview) and len(p) > LARGE_BYTES]


def test_no_fields_are_an_empty_object() -> None:
    assert b"{}" == written({})


def test_a_field_may_be_read_like_a_body() -> None:
    inner = read_fields(b'{"a":{"b":1}}')["a"]

    assert b"1" == bytes(read_fields(inner)["b"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"a":tru}',
        b'{"a":"\\q"}',
        b'{"a":"\\ud800"}',
        b'{"\xff":1}',
        b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
    ids=str,
)
def test_hostile_bytes_are_unreadable(body: bytes) -> None:
    with pytest.raises(UNREADABLE):
        read_fields(body)


@pytest.mark.parametrize(
    ("text", "is_text"),
    [
        (b"", True),
        ("grüße".encode() * PIECE_BYTES, True),
        ("日本語".encode() * PIECE_BYTES, True),  # three bytes each: pieces end inside characters
        (b"a" * PIECE_BYTES + b"\xff", False),
        (b"a" * (PIECE_BYTES - 1) + "ü".encode(), True),
        (b"a" * (PIECE_BYTES - 1) + b"\xc3", False),  # cut short at the end of a piece
        (b"\xed\xa0\x80", False),  # a lone surrogate
    ],
    ids=range(7),
)
def test_what_is_no_utf8_is_found_wherever_it_stands(text: bytes, is_text: bool) -> None:
    assert is_text == is_utf8(msgspec.Raw(text))


def test_a_value_is_written_as_json() -> None:
    assert (b'"m"', b"[1,null]") == (bytes(raw("m")), bytes(raw([1, None])))
