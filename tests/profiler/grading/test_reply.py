"""A reply as grading reads it."""

import pytest

from profiler.grading.reply import REPLY_LIMIT, code_of, folded, plain, said, versions


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("Here:\n```python\nx = 1\n```\nDone.", "x = 1\n"),
        ("```\nx = 1\n```", "x = 1\n"),
        ("```py\nx = 1", "x = 1"),
        ("x = 1", "x = 1"),
        ("<think>```\nx = 0\n```</think>```python\nx = 1\n```", "x = 1\n"),
    ],
)
def test_code_is_the_first_block(reply: str, code: str) -> None:
    assert code == code_of(reply)


def test_a_reply_above_the_limit_is_unread() -> None:
    assert "x" * REPLY_LIMIT == said("x" * REPLY_LIMIT)
    assert "" == said("x" * (REPLY_LIMIT + 1)) == code_of("x" * (REPLY_LIMIT + 1))


def test_thoughts_and_emphasis_do_not_count() -> None:
    assert "It is Rome" == plain("<think>Paris?</think>**It** is `Rome`")


def test_folding_takes_away_what_does_not_matter() -> None:
    assert "ice cream" == folded(" The ICE\u00a0 cream! ")


@pytest.mark.parametrize(
    "reply",
    [
        "She runs.",
        '"She runs."',
        "Corrected: She runs.",
        "Here it is:\n\nShe runs.",
        "She runs.\n\nOne word changed.",
    ],
)
def test_a_text_is_found_wherever_it_stands(reply: str) -> None:
    assert "She runs" in [version.rstrip(".") for version in versions(reply)]
