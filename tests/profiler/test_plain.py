"""Values between two processes: what arrives, and that nothing else does."""

import json
import math
from collections import Counter, OrderedDict, namedtuple
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import pytest

from profiler.plain import packed, unpacked

Point = namedtuple("Point", "x y")


class Colour(IntEnum):
    RED = 3


class SaysYes(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


def crossed(value: Any) -> Any:
    """The value after it was packed here, written, read and unpacked there."""
    line = json.dumps(packed(value, lambda held: ["mine", id(held)]))
    return unpacked(json.loads(line), lambda whose, number: (whose, number))


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, 0, -7, 2**63, -(2**64), 2**20_000, 1.5, math.inf, 2 + 3j, "", "café \ud800 中"),
        *(b"\x00\xff", bytearray(b"ab"), Fraction(1, 3), Decimal("1.10")),
        *([], [1, [2, (3, "x")]], (), (1,), {1, 2}, frozenset("ab"), {}, {"a": [1]}, {(1, 2): {3}}),
        *(["mine", 0], ["list", 1], {"dict": "list"}, ["yours", "x"]),
    ],
    ids=lambda value: hex(value)[:20] if isinstance(value, int) else None,
)
def test_a_value_arrives_as_it_was(value: Any) -> None:
    found = crossed(value)

    assert value == found
    assert type(value) is type(found)


def test_no_number_is_still_none() -> None:
    assert math.isnan(crossed(math.nan))


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (Colour.RED, 3),
        (SaysYes(7), 7),
        (Point(1, 2), (1, 2)),
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(a=1), {"a": 1}),
        ([SaysYes(7)], [7]),
    ],
)
def test_a_subclass_arrives_as_the_plain_value(value: Any, arrives: Any) -> None:
    found = crossed(value)

    assert type(arrives) is type(found)
    assert repr(arrives) == repr(found)


def test_what_is_no_value_is_named() -> None:
    there = object()

    assert ["list", ["mine", 7], 1] == packed([there, 1], lambda held: ["mine", 7 if held is there else 8])
    assert [("mine", 7), 1] == unpacked(["list", ["mine", 7], 1], lambda whose, number: (whose, number))


@pytest.mark.parametrize(
    "nonsense",
    [
        [],
        ["int"],
        ["int", "z"],
        ["bytes", "g"],
        ["object", 1.5],
        [1, 2],
        {},
        ["Fraction", "1/0"],
        ["dict", [1]],
    ],
)
def test_what_was_never_packed_is_no_value(nonsense: Any) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        unpacked(nonsense, lambda whose, number: None)
