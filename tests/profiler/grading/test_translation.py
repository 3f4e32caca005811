"""chrF by hand, and translations that are near enough or not."""

import pytest

from profiler.grading.translation import Translation, chrf, is_translation, scripts

ARRIVES = Translation(["Der Zug kommt um acht Uhr an.", "Der Zug trifft um acht Uhr ein."], ["acht|8", "Zug"])


def test_chrf_is_1_for_the_same_and_0_for_nothing_in_common() -> None:
    assert 1.0 == pytest.approx(chrf("abc d", "abcd"))
    assert 0.0 == chrf("abc", "xyz") == chrf("", "xyz")


def test_chrf_as_its_formula_says() -> None:
    """abcd against abce: three of four letters, two of three pairs, one of two triples, no four in common."""
    expected = (3 / 4 + 2 / 3 + 1 / 2 + 0) / 4

    assert expected == pytest.approx(chrf("abcd", "abce"))


def test_recall_counts_more_than_precision() -> None:
    assert chrf("abcdefgh", "abcd") > chrf("abcd", "abcdefgh")


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ("Der Zug kommt um acht Uhr an.", True),
        ("Der Zug kommt um 8 Uhr an.", True),
        ("**Der Zug wird um acht Uhr ankommen.**", True),
        ("Here is the translation:\n\nDer Zug kommt um acht Uhr an.", True),
        ("Der Zug kommt um neun Uhr an.", False),
        ("Der Bus kommt um acht Uhr an.", False),
        ("The train arrives at eight.", False),
        ("Поезд прибывает в восемь.", False),
        ("Zug acht", False),
        ("", False),
    ],
)
def test_translation(reply: str, right: bool) -> None:
    assert right == is_translation(reply, ARRIVES)


def test_letters_are_counted_by_script() -> None:
    assert {"LATIN": 2, "CYRILLIC": 1, "CJK": 1, "HIRAGANA": 1} == scripts("ab, я 山の 1")
