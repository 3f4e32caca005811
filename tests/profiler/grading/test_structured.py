"""Calls and fields, as engines write JSON."""

from typing import Any

import pytest

from profiler.grading.structured import NO_TOOL, Call, Fields, fields_right, is_call, object_in

TOOLS = ["book(city: text, nights: integer, pets: boolean?): books a room"]
BOOK = Call(TOOLS, "book", {"city": ["Lyon", "Lyon, France"], "nights": [3], "pets": [None, False]})


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ('{"name": "book", "arguments": {"city": "Lyon", "nights": 3}}', True),
        ('```json\n{"name": "book", "arguments": {"city": "lyon, france", "nights": "3", "pets": false}}\n```', True),
        ('Sure: {"name": "book", "arguments": {"city": "Lyon", "nights": 3.0, "pets": null}} Done.', True),
        ('<think>{"name": "x"}</think>{"name": "book", "arguments": {"city": "Lyon", "nights": 3}}', True),
        ('{"name": "book", "arguments": {"city": "Lyon", "nights": 3, "pets": true}}', False),
        ('{"name": "book", "arguments": {"city": "Lyon", "nights": 3, "breakfast": true}}', False),
        ('{"name": "book", "arguments": {"city": "Lyon"}}', False),
        ('{"name": "book", "arguments": {"city": "Lyon", "nights": true}}', False),
        ('{"name": "cancel", "arguments": {"city": "Lyon", "nights": 3}}', False),
        ('{"name": "book"}', False),
        ('[{"name": "book"}]', False),
        ("book(city='Lyon', nights=3)", False),
        ("{" * 100_000, False),
    ],
)
def test_call(reply: str, right: bool) -> None:
    assert right == is_call(reply, BOOK)


def test_a_star_is_any_text_and_nothing_else() -> None:
    call = Call(TOOLS, "cancel", {"reason": [None, "*"]})

    assert is_call('{"name": "cancel", "arguments": {"reason": "no time"}}', call)
    assert is_call('{"name": "cancel", "arguments": {}}', call)
    assert not is_call('{"name": "cancel", "arguments": {"reason": 3}}', call)


def test_where_no_tool_fits_whatever_arguments_are_right() -> None:
    assert is_call('{"name": "none", "arguments": {}}', Call(TOOLS, NO_TOOL))
    assert is_call('{"name": "none"}', Call(TOOLS, NO_TOOL))
    assert not is_call('{"name": "book", "arguments": {}}', Call(TOOLS, NO_TOOL))


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ('{"name": "Ada", "born": 1815, "tags": ["a", "b"], "died": null}', 1.0),
        ('{"name": "Ada", "born": 1815, "tags": ["b", "a"], "died": null}', 0.75),
        ('{"name": "Ada", "born": 1815}', 2 * 2 / 6),
        ('{"name": "Ada", "born": 1815, "tags": ["a", "b"], "died": null, "x": 1, "y": 2, "z": 3, "w": 4}', 2 * 4 / 12),
        ("{}", 0.0),
        ("Ada, 1815", 0.0),
    ],
)
def test_fields_count_one_by_one(reply: str, right: float) -> None:
    fields: dict[str, list[Any]] = {"name": ["Ada"], "born": [1815], "tags": [["a", "b"]], "died": [None]}

    assert right == pytest.approx(fields_right(reply, Fields(fields)))


def test_the_first_object_is_read() -> None:
    assert {"a": 1} == object_in('So {x} is not it, but {"a": 1} is, and {"b": 2} is not read.')
    assert object_in("[1, 2]") is None
