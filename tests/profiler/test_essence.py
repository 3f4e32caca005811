"""What of a turn is read: the question, whatever stands around it."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from profiler.essence import _STOP, READ_CHARS, _without_end, ends, essence

QUESTIONS = (
    "how do I boil an egg?",
    "Write a Python function that merges two sorted lists",
    "who was the first person on the moon",
    "Translate 'good morning' into French.",
    "巴黎在哪里？",
)


@pytest.mark.parametrize(
    "frame",
    [
        "{}", "  \n\t{}\n\n ", "Hi! {}", "Hello, {}", "hey there {}", "Good morning. {}", "Question: {}", "Q: {}",
        "{} Thanks!", "{}\nThank you so much in advance :)", "{}\n\nthx", "Hi, I hope you are well. {} Many thanks.",
        "Could you please {}", "Hello ChatGPT! I have a quick question: {} Please and thank you.",
        "Question: {}\nAnswer:", "Hola, {}", "你好，{}\n谢谢", "Привет! {}", "Danke! {}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_said_around_a_question_is_not_read(question: str, frame: str) -> None:
    assert question == essence(frame.format(question))


@pytest.mark.parametrize(
    "text",
    [
        "Hi", "Thanks!", "please", "thank you",  # nothing else is there
        "hello world in Python", "hi-fi speakers under $500", "Hey Jude chords", "yo mama jokes",
        "how do you say thank you", "Write a thank you note to my boss", "ty cobb batting average",
        "Finish the mail with kind regards", "question everything", "dear John letter, what is it",
    ],
)  # fmt: skip
def test_words_of_the_question_itself_stay(text: str) -> None:
    assert text == essence(text)


def test_of_a_long_text_the_two_ends_are_read() -> None:
    text = "a" * 300 + "b" * 300 + "c" * 300

    assert "a" * 250 + "\n" + "c" * 250 == essence(text)
    assert essence(text) == essence(f"Hello! {text} Thanks!")
    assert "ab\ncd" == ends("abxcd", 4)
    assert "abcd" == ends("abcd", 4)


@pytest.mark.parametrize("text", ["hi " * 9, "Thanks. " * 9, "Question: Question: Q: Q: why?", *QUESTIONS])
def test_reading_twice_is_reading_once(text: str) -> None:
    assert essence(text) == essence(essence(text))


@pytest.mark.parametrize(
    "piece", ["hi ", "hi, ", "thanks ", " ", "please ", "\n", "?", "a ", "question ", "i hope you"]
)
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()

    assert len(essence(piece * 100_000)) <= READ_CHARS + 1
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "end",
    [
        "Thanks",
        "thank you",
        "thx",
        "tysm",
        "ty",
        "Cheers",
        "much appreciated",
        "I appreciate your help",
        "Danke schoen",
        "vielen Dank",
        "MERCI beaucoup",
        "Muchas gracias",
        "grazie mille",
        "Obrigado",
        "спасибо большое",
        "TEŞEKKÜRLER",
        "谢谢您",
        "多谢",
        "ありがとう",
        "감사합니다",
        "please",
        "Kind regards",
        "Answer:",
        "A:",
    ],
)
def test_each_end_is_known_by_its_cue(end: str) -> None:
    assert "Boil an egg." == essence(f"Boil an egg. {end}")


PIECES = (
    *(
        "thanks",
        "thank you",
        "many ",
        "much ",
        "please",
        "please and ",
        "i ",
        "appreciated",
        "best ",
        "regards",
        "answer",
    ),
    *(
        ":",
        "a",
        "muchas ",
        "gracias",
        "ty",
        "city",
        ", ",
        "; ",
        " ",
        "\u3000",
        "\n",
        ".",
        "?",
        '"',
        "in advance",
        "İ",
        "ß",
    ),
)


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
@example("x, many muchas gracias")
@example("x answer      :")
def test_an_end_is_found_from_its_first_cue_on_as_by_a_search_through_all_of_it(text: str) -> None:
    found = _STOP.search(text)

    assert (text[: found.start()] if found else text) == _without_end(text)
