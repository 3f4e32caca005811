"""A follow-up keeps its conversation's topic, a new question brings its own."""

import numpy as np
import pytest

from gateway.topics.conversation import follow, turn_share
from gateway.topics.domains import Drawn

CODE, LAW = np.array([1, 0], np.float32), np.array([0, 1], np.float32)
QUESTION = "Which of these rules of contract law applies when a minor signs for necessary goods?"


def about(*turns: tuple[str, np.ndarray, float]) -> np.ndarray:
    """f̃ after these turns: text, relevance, cosine with the nearest prototype."""
    thread = None
    for text, relevance, nearest in turns:
        thread = follow(thread, relevance, turn_share(text, nearest))
    assert thread
    return thread.relevance


def test_a_whole_question_stands_for_itself() -> None:
    assert 1.0 == turn_share(QUESTION, nearest=0.3)


def test_a_few_words_stand_for_themselves_as_far_as_the_gate_knows_them() -> None:
    assert turn_share("commit it", nearest=0.3) < 0.02
    assert turn_share("What does TCP do?", nearest=0.8) == 1.0
    assert 0.4 < turn_share("What is mitosis?", nearest=0.55) < 0.6


def test_bytes_count_so_that_chinese_needs_fewer_characters() -> None:
    assert 1.0 == turn_share("变压器温度最高的部分是什么？绕组还是变压器油还是引线", nearest=0.3)


def test_follow_ups_keep_the_topic() -> None:
    found = about((QUESTION, CODE, 0.6), ("commit it", LAW, 0.3), ("and push it", LAW, 0.3), ("why?", LAW, 0.4))

    assert found[0] > 0.9


def test_a_new_question_switches_at_once() -> None:
    found = about((QUESTION, CODE, 0.6), ("commit it", LAW, 0.3), (QUESTION, LAW, 0.6))

    assert [0.0, 1.0] == found.tolist()


def test_a_greeting_does_not_outweigh_the_question_after_it() -> None:
    assert about(("hi", LAW, 0.3), ("Sort my list in Python, please", CODE, 0.55))[0] > 0.9


@pytest.mark.parametrize("nearest", [-1.0, 0.0, 0.5, 1.0])
def test_relevance_always_sums_to_one(nearest: float) -> None:
    assert 1.0 == pytest.approx(float(about(("", CODE, nearest), ("x" * 30, LAW, nearest), ("", CODE, 0.0)).sum()))


def test_what_follows_up_is_never_well_known() -> None:
    """ "are you sure?" lies near small talk, and is about what was said before; long small talk has a topic."""
    assert 1.0 == turn_share("sql?", 0.9, "sql")
    assert turn_share("sure?", 0.9, "small talk") == turn_share("sure?", 0.0, "small talk") < 0.01
    assert 1.0 == turn_share("tell me of your day, " * 5, 0.9, "small talk")


# --- how it is drawn to agents' topics ---

KEELS, ARCHIVE = ("Keel bolts",), ("Shelf marks",)


def drawn(*turns: tuple[str, float]) -> float:
    """The tail of the conversation for KEELS after these turns: text, tail of it alone (1: it is drawn to nobody)."""
    thread, last = None, {}
    for text, tail in turns:
        last = {KEELS: Drawn(tail, text)} if tail < 1 else {}
        thread = follow(thread, LAW, turn_share(text, 0.3), last)
    assert thread
    return thread.drawn(last)[KEELS].tail


def test_a_follow_up_is_drawn_where_its_conversation_is_and_a_new_question_by_itself() -> None:
    assert drawn((QUESTION, 0.001)) == pytest.approx(0.001)
    assert drawn((QUESTION, 0.001), ("and on Fridays?", 0.6)) < 0.002
    assert drawn((QUESTION, 0.001), ("and on Fridays?", 1.0)) < 0.002
    assert drawn((QUESTION, 0.001), (QUESTION, 0.6)) == pytest.approx(0.6)
    assert drawn((QUESTION, 0.001), (QUESTION, 1.0)) == pytest.approx(1.0)


def test_a_few_words_that_are_drawn_by_themselves_need_no_conversation() -> None:
    assert drawn((QUESTION, 0.6), ("keel bolts?", 0.001)) == pytest.approx(0.001)


def test_topics_that_were_told_in_between_are_drawn_by_the_turns_since() -> None:
    thread = follow(follow(None, LAW, 1.0, {}), LAW, 0.5, {ARCHIVE: Drawn(0.01, "Shelf marks")})
    assert thread.drawn({ARCHIVE: Drawn(0.5, "Shelf marks")})[ARCHIVE].tail == pytest.approx(0.1)
