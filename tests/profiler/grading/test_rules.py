"""Rules that a text obeys or breaks, one at a time."""

from typing import Any

import pytest

from profiler.grading.rules import Rules, items_of, obeys, sentences_of, words_of

LIST = "1. a red kite\n2. a blue whale\n3. an old clock"
POEM = "Soft is the sea\nEach wave a light\nA song for me"


@pytest.mark.parametrize(
    ("rule", "obeying", "breaking"),
    [
        ({"words": (2, 3)}, "two words", "these are four words"),
        ({"sentences": (2, 2)}, "Dr. Lee came at 5 p.m. today. She left!", "One sentence only."),
        ({"questions": (1, 1)}, "Why? Tell me.", "Why? When?"),
        ({"lines": (3, 3)}, POEM, "one\ntwo"),
        ({"paragraphs": (2, 2)}, "One.\n\nTwo.", "One.\nTwo."),
        ({"items": (3, 3)}, LIST, "- one\n- two"),
        ({"items_differ": True}, LIST, LIST + "\n4. red kite, a"),
        ({"items_differ": True}, "- The Tea House\n- The Tea Room", "- plant a tree in town\n- plant a tree in a town"),
        ({"items_differ": True}, "- one thing\n- another", "- one thing\n- one thing"),
        ({"item_words": (3, 3)}, LIST, "1. a red kite\n2. whale"),
        ({"item_has": ["red|blue|old"]}, LIST, LIST.replace("blue", "grey")),
        ({"item_starts": "a"}, LIST, LIST.replace("an old", "one old")),
        ({"has": ["harbour|port", "at noon"]}, "The PORT opens at noon.", "The airport opens at noon."),
        ({"lacks": ["very"]}, "Every day.", "Very good."),
        ({"times": {"come back": 2}}, "Come back, oh come back.", "Come back. Come back, come back!"),
        ({"starts": "Dear Ms Okafor|Dear Mrs Okafor"}, "Dear Ms Okafor,\nyes.", "Hello Ms Okafor"),
        ({"ends": "Kind regards, Ana"}, "Yes.\nKind regards, Ana", "Kind regards, Ana Silva"),
        ({"last_mark": "?"}, "Shall we?", "We shall."),
        ({"first_line": "light"}, "A light,\nin me", "A wave,\na light"),
        ({"last_line": "Moral:"}, "A snail.\nMoral: go slow", "Moral: go slow.\nA snail"),
        ({"each_line": "White"}, "White snow\nWhite night", "White snow\nDark night"),
        ({"each_mark": "?"}, "Who?\nWhy?", "Who?\nWhy."),
        ({"distinct_lines": True}, "red\nblue", "red\nRed"),
        ({"line_starts": ["S", "E", "A"]}, POEM, POEM.replace("Each", "Our")),
        ({"line_ends": ["sea", "light", "me"]}, POEM, POEM.replace("light", "night")),
        ({"line_words": [4, 4, 4]}, POEM, POEM + " now"),
        ({"no_letter": "e"}, "A cat sat.", "A cat slept."),
        ({"case": "lower"}, "all small, 3 words", "All small"),
        ({"case": "upper"}, "ALL LARGE", "ALL large"),
        ({"script": "CYRILLIC"}, "Привет, как дела?", "Hello there"),
        ({"script": "HIRAGANA|CJK"}, "土曜日に来てください", "Come on Saturday"),
        ({"script": "HANGUL"}, "안녕하세요", "konnichiwa"),
        ({"from_query": True}, "Ana sold 40 bikes in Lyon.", "Ana sold 41 bikes, said Pedro."),
    ],
)
def test_each_rule(rule: dict[str, Any], obeying: str, breaking: str) -> None:
    query = "Write about Ana, who sold 40 bikes in Lyon."

    assert obeys(obeying, Rules(**rule), query)
    assert not obeys(breaking, Rules(**rule), query)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "<think>A long thought",
        "Dear [Name], thank you for coming.",
        "Dear <recipient>, thank you.",
        "Yours, ____",
        "I'm unable to help with that.",
        "As an AI language model I have no breakfast.",
        "Write something.",
        "the sea the sea the sea " * 10,
    ],
)
def test_what_is_never_right(reply: str) -> None:
    assert not obeys(reply, Rules(), "Write something.")


def test_who_repeats_the_request_does_not_do_it() -> None:
    query = "Write a poem with the words river, stone and moon in it, please."

    assert not obeys(f"{query} {query}", Rules(has=["river", "stone", "moon"]), query)


@pytest.mark.parametrize(
    "reply",
    [
        "Here is your text:\n\nOne two.",
        "# A title\n\nOne two.",
        "**One** two.",
        "**A title**\n\nOne two.",
        "One two.\n\n(Word count: 2)",
        '"One two."',
        "Sure! Here it is:\nOne two.",
    ],
)
def test_what_announces_the_text_is_not_the_text(reply: str) -> None:
    assert obeys(reply, Rules(words=(2, 2), starts="One", ends="two"), "Write.")


def test_counting() -> None:
    assert ["it's", "well-known"] == words_of("It's well-known.")
    assert [2, 1, 0, 2] == [sentences_of(text) for text in ("One. Two", "e.g. this", "", "一。二。")]
    assert ["one", "two"] == items_of("A list:\n- one\n* two\nend")
