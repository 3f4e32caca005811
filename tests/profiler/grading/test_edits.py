"""Corrected texts."""

import pytest

from profiler.grading.edits import Edit, is_edited, spelled_out

PATTERN = "He {doesn't|does not} know {them|those people}."


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ("He doesn't know them.", True),
        ("he does not know those people", True),
        ("He doesn’t know them!", True),
        ('The corrected sentence is: "He does not know them."', True),
        ("He doesn't know them.\n\nI changed the verb.", True),
        ("He don't know them.", False),
        ("He doesn't know them well.", False),
        ("He doesn't know", False),
        ("", False),
    ],
)
def test_words_count_and_nothing_else(reply: str, right: bool) -> None:
    assert right == is_edited(reply, Edit([PATTERN]))


@pytest.mark.parametrize(
    ("reply", "right"),
    [("Well, Ada’s here.", True), ("Well Ada's here.", False), ("well, Ada's here.", False)],
)
def test_marks_and_capitals_count_where_they_are_asked_for(reply: str, right: bool) -> None:
    assert right == is_edited(reply, Edit(["Well, Ada's here."], marks=True))


def test_a_pattern_stands_for_each_of_its_texts() -> None:
    assert ["a b", "a c", "a "] == spelled_out("a {b|c|}")
