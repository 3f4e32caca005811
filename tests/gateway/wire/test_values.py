"""Values are counted as a decoder would find them, without decoding."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire import values
from gateway.wire.values import has_more_values

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='ab\\"{[\n€', max_size=12),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(alphabet='x\\"[', max_size=4), inner, max_size=4)
    ),
    max_leaves=30,
)


def count(value: Any) -> int:
    """Strings, arrays and objects in a decoded value."""
    if isinstance(value, str):
        return 1
    if isinstance(value, list):
        return 1 + sum(map(count, value))
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(count, value.values()))
    return 0


@settings(max_examples=60)
@given(JSON, st.booleans())
def test_strings_arrays_and_objects_are_counted(value: Any, ascii: bool) -> None:
    body, there = json.dumps(value, ensure_ascii=ascii).encode(), count(value)

    assert [True, False] == [has_more_values(body, there - 1), has_more_values(body, there)]


@settings(max_examples=40)
@given(JSON, st.integers(1, 9))
def test_where_a_slice_ends_does_not_matter(value: Any, slice_bytes: int) -> None:
    body, there = json.dumps(value).encode(), count(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values, "SLICE_BYTES", slice_bytes)

        assert [True, False] == [has_more_values(body, there - 1), has_more_values(body, there)]


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (b'{"url":"data:image/png;base64,' + b"A" * (8 << 20) + b'"}', False),  # an image is one value
        (b'["' + b'if (a[0]) { say(\\"x\\"); } ' * 300_000 + b'"]', False),  # so is code, whatever it holds
        (b"[" + b"1," * (4 << 20) + b"1]", False),  # numbers are cheap
        (b"[" + b"{}," * 200_000 + b"0]", True),
        (b"[" + b'"",' * 200_000 + b"0]", True),
        (b"[" * (8 << 20), True),
        (b'"' * (8 << 20), True),
        (b"\\" * (8 << 20), False),
        (b"", False),
    ],
    ids=["image", "code", "numbers", "objects", "strings", "depth", "quotes", "backslashes", "nothing"],
)
def test_eight_megabytes_are_looked_through(body: bytes, more: bool) -> None:
    assert more == has_more_values(body, 100_000)
