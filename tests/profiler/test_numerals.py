"""Numerals and their readings; replies with numbers in them are in grading/test_short.py."""

from fractions import Fraction

import pytest

from profiler.numerals import final_number, readings


@pytest.mark.parametrize(
    ("numeral", "values"),
    [
        ("42", {42}),
        ("-7", {-7}),
        (".5", {Fraction(1, 2)}),
        ("1,234", {1234, Fraction("1.234")}),
        ("1.234", {1234, Fraction("1.234")}),
        ("1,234.5", {Fraction("1234.5")}),
        ("1.234,5", {Fraction("1234.5")}),
        ("1,23", {Fraction("1.23")}),
        ("1,234,567", {1234567}),
        ("1 234", {1234, 234}),
        ("1'234", {1234}),
        ("-2 1/2", {Fraction(-5, 2)}),
        ("1/0", set()),
        ("6e3", {6000}),
        ("2^10", {1024}),
        ("1e999999999", set()),
        ("9^999999999", set()),
        ("9" * 41, set()),
    ],
)
def test_readings(numeral: str, values: set[Fraction]) -> None:
    assert values == readings(numeral)


@pytest.mark.parametrize("text", ["", "none", "1e999999999", "9" * 100_000, "1/0"])
def test_what_is_no_number_has_no_reading(text: str) -> None:
    assert frozenset() == final_number(text)


def test_long_texts_are_read_fast() -> None:
    """Replies are cut only when they are stored: no pattern may take the square of their length."""
    for piece in ("1 ", "1,", "answer ", "1 000 ", "10^", "\\frac{1}{", "x 10"):
        final_number(piece * 20_000)
