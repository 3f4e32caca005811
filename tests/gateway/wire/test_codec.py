"""Fields keep their bytes, and hostile bytes raise what UNREADABLE names and nothing else."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire import codec
from gateway.wire.codec import (
    LARGE_BYTES,
    PIECE_BYTES,
    UNREADABLE,
    Fields,
    has_more_values,
    is_utf8,
    raw,
    read_fields,
    takes_long,
    values_at_most,
    write_fields,
)


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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='ab\\"{[\n€', max_size=12),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(alphabet='x\\"[', max_size=4), inner, max_size=4)
    ),
    max_leaves=30,
)


def cost(value: Any, escapes: int) -> int:
    """Thirty-seconds: strings, arrays and objects of a decoded value, commas, and the backslashes in its bytes."""
    if isinstance(value, list):
        return 32 + 8 * max(0, len(value) - 1) + sum(cost(one, 0) for one in value) + escapes
    if isinstance(value, dict):
        return cost([*value, *value.values()], escapes) - 8 * min(len(value), max(0, 2 * len(value) - 1))
    return 32 * isinstance(value, str) + escapes


def bounds_of(body: bytes) -> list[bool]:
    """Whether it has more than one value less than it costs, and than it costs, in whole values."""
    there = cost(json.loads(body), body.count(b"\\"))
    return [has_more_values(body, -(-there // 32) - 1), has_more_values(body, -(-there // 32))]


@settings(max_examples=60)
@given(JSON, st.booleans())
def test_strings_arrays_and_objects_are_counted(value: Any, ascii: bool) -> None:
    body = json.dumps([value], ensure_ascii=ascii).encode()

    assert [True, False] == bounds_of(body)


@settings(max_examples=40)
@given(JSON, st.integers(1, 9))
def test_where_a_slice_ends_does_not_matter(value: Any, slice_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "SLICE_BYTES", slice_bytes)

        assert [True, False] == bounds_of(json.dumps([value]).encode())


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (b'{"url":"data:image/png;base64,' + b"A" * (8 << 20) + b'"}', False),  # an image is one value
        (b'["' + b'if (a[0]) { say(\\"x\\"); } ' * 300_000 + b'"]', False),  # so is code, whatever it holds
        (b"[" + b"1," * 300_000 + b"1]", False),  # numbers are cheap: the tokens of a long text
        (b"[" + b"1," * 600_000 + b"1]", True),  # but not for nothing
        (b'["' + b"\\u4f60" * 1_300_000 + b'"]', False),  # a long text in Chinese
        (b'["' + b"\\n" * 4_000_000 + b'"]', True),
        (b"[" + b"{}," * 200_000 + b"0]", True),
        (b"[" + b'"",' * 200_000 + b"0]", True),
        (b"[" * (8 << 20), True),
        (b'"' * (8 << 20), True),
        (b"\\" * (8 << 20), True),
        (b"", False),
    ],
    ids=[
        "image",
        "code",
        "numbers",
        "more numbers",
        "Chinese",
        "escapes",
        "objects",
        "strings",
        "depth",
        "quotes",
        "backslashes",
        "nothing",
    ],
)
def test_eight_megabytes_are_looked_through(body: bytes, more: bool) -> None:
    assert more == has_more_values(body, 100_000)


@settings(max_examples=60)
@given(JSON, st.booleans())
def test_the_quick_look_never_counts_too_little(value: Any, ascii: bool) -> None:
    body = json.dumps([value], ensure_ascii=ascii).encode()

    assert not has_more_values(body, values_at_most(body))


@pytest.mark.parametrize(
    ("body", "long"),
    [
        (b'{"content":"' + b"x" * 200_000 + b'"}', False),
        (b'{"content":"' + b"x" * 300_000 + b'"}', True),
        (b"[" + b"1," * 7_000 + b"1]", False),
        (b"[" + b"1," * 9_000 + b"1]", True),
        (b"{}" * 20_000, True),
    ],
)
def test_a_thread_reads_what_is_large_or_has_many_values(body: bytes, long: bool) -> None:
    assert long == takes_long(body)


def test_what_is_quick_whatever_it_holds_is_not_looked_at() -> None:
    assert (True, False) == (takes_long(b"{}" * 20_000), takes_long(b"{}" * 20_000, 40_000))
    assert takes_long(b" " * (LARGE_BYTES + 1), 40_000)
