"""The built-in query set: wide, fair, and right as far as a machine can tell."""

import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from profiler.grading.grades import graded
from profiler.queries import load_questions
from profiler.question import Question
from profiler.sandbox import passes
from tests.profiler.builtin_answers import COMPUTED, KNOWN, WITHIN

QUESTIONS = load_questions("builtin")
CHOICES = [question for question in QUESTIONS if question.grade == "choice"]
CODE = [question for question in QUESTIONS if question.grade == "code"]
SOLUTIONS = Path(__file__).with_name("builtin_solutions.py").read_text(encoding="utf-8")


def named(beginning: str) -> Question:
    """The one question that begins so."""
    (question,) = [question for question in QUESTIONS if question.query.startswith(beginning)]
    return question


def option(question: Question, letter: str = "") -> str:
    """The words of an option; of the right one unless said."""
    return question.choices[ord(letter or question.answer) - 65]


def test_it_is_wide_and_has_no_repeats() -> None:
    categories = Counter(question.category for question in QUESTIONS)

    assert len(QUESTIONS) >= 400
    assert len(categories) >= 20
    assert min(categories.values()) >= 2
    assert len(QUESTIONS) == len({question.query.casefold() for question in QUESTIONS})
    assert all(4 == len(set(question.choices)) for question in CHOICES)


def test_a_task_is_part_of_one_category() -> None:
    assert len({question.task for question in QUESTIONS}) == len({(q.task, q.category) for q in QUESTIONS})
    assert "" not in {question.category for question in QUESTIONS}


def test_no_answer_stored_under_an_earlier_release_is_asked_again() -> None:
    """The 502 questions of 0.1.0 have the ids that they had then, although most of their tasks got other names."""
    first = sorted(question.id for question in QUESTIONS[:502])

    assert "422fe17b57ebcdcf" == hashlib.sha256(json.dumps(first).encode()).hexdigest()[:16]


@pytest.mark.parametrize("letter", "ABCD")
def test_a_parrot_of_one_letter_gains_nothing(letter: str) -> None:
    assert abs(sum(question.answer == letter for question in CHOICES) / len(CHOICES) - 0.25) < 0.01


@pytest.mark.parametrize("pick", [max, min])
def test_the_length_of_an_option_tells_nothing(pick: object) -> None:
    """Who always takes the longest option, or the shortest, is right about as often as by lot."""
    assert callable(pick)
    lengths = [[len(choice) for choice in question.choices] for question in CHOICES]
    alone = [
        len(option(question)) == pick(each) and each.count(pick(each)) == 1
        for question, each in zip(CHOICES, lengths, strict=True)
    ]

    assert sum(alone) / len(alone) < 0.35


@pytest.mark.parametrize("beginning", COMPUTED)
def test_computed_answers_agree(beginning: str) -> None:
    question, answer = named(beginning), str(COMPUTED[beginning])

    if question.grade == "choice":
        assert answer == option(question)
    else:
        assert graded(question.grade, answer, question.answer)


@pytest.mark.parametrize("beginning", WITHIN)
def test_what_is_to_be_found_is_there(beginning: str) -> None:
    question = named(beginning)

    assert any(answer in question.query for answer in question.answer.split("|"))


def test_every_number_is_computed_or_known() -> None:
    tables = [{named(beginning).id for beginning in table} for table in (COMPUTED, WITHIN, KNOWN)]
    numbers = {question.id for question in QUESTIONS if question.grade == "number"}

    assert numbers <= set().union(*tables)
    assert len(set().union(*tables)) == sum(map(len, tables))


@pytest.mark.parametrize(
    "phrase", ["{}", "{}.", "**{}**", "The answer is {}.", "Answer: {}", "So it must be:\n\n{}", "<think>Hm.</think>{}"]
)
def test_the_right_answer_is_graded_right_however_it_is_put(phrase: str) -> None:
    for question in QUESTIONS:
        if question.grade == "choice":
            said = [question.answer, option(question), f"{question.answer}. {option(question)}"]
        elif question.grade == "code":
            continue
        else:
            said = question.answer.split("|")
        for words in said:
            reply = phrase.format(words)

            assert graded(question.grade, reply, question.answer, question.choices), reply


def test_every_other_option_is_graded_wrong() -> None:
    for question in CHOICES:
        for letter in set("ABCD") - {question.answer}:
            for reply in (letter, option(question, letter), f"{letter}. {option(question, letter)}"):
                assert not graded("choice", reply, question.answer, question.choices), reply


@pytest.mark.parametrize("question", CODE, ids=lambda question: question.id)
def test_code_questions_accept_a_solution_and_refuse_a_stub(question: Question) -> None:
    name = re.search(r"function `(\w+)\(", question.query)
    assert name

    assert passes(SOLUTIONS, question.answer)
    assert not passes(f"def {name[1]}(*arguments): return None", question.answer)
