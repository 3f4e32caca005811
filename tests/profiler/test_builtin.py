"""The built-in query set: wide, fair, and right as far as a machine can tell."""

import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from profiler.grading.grades import RUNS_CODE, graded
from profiler.grading.programs import Job
from profiler.grading.reply import folded
from profiler.grading.translation import Translation, chrf
from profiler.queries import load_questions
from profiler.question import Question
from profiler.sandbox import passes
from tests.profiler.builtin_answers import COMPUTED, KNOWN, WITHIN

QUESTIONS = load_questions("builtin")
CHOICES = [question for question in QUESTIONS if question.grade == "choice"]
CODE = [question for question in QUESTIONS if question.grade == "code"]
SHORT = [question for question in QUESTIONS if question.grade in ("choice", "number", "exact")]
HERE = Path(__file__).parent
REPLIES = [
    json.loads(line) for line in (HERE / "builtin_replies.jsonl").read_text(encoding="utf-8").split("\n") if line
]
SOLUTIONS = (HERE / "builtin_solutions.py").read_text(encoding="utf-8")


def named(beginning: str) -> Question:
    """The one question that begins so."""
    (question,) = [question for question in QUESTIONS if question.query.startswith(beginning)]
    return question


def option(question: Question, letter: str = "") -> str:
    """The words of an option; of the right one unless said."""
    return question.choices[ord(letter or question.answer) - 65]


def test_it_is_wide_and_has_no_repeats() -> None:
    categories = Counter(question.category for question in QUESTIONS)

    assert len(QUESTIONS) >= 800
    assert len(categories) == 44
    assert len({question.task for question in QUESTIONS}) == 62
    assert min(categories.values()) >= 12
    assert len(QUESTIONS) == len({question.query.casefold() for question in QUESTIONS})
    assert all(4 == len({folded(choice) for choice in question.choices}) for question in CHOICES)


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
    for question in SHORT:
        if question.grade == "choice":
            said = [question.answer, option(question), f"{question.answer}. {option(question)}"]
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


def test_every_other_question_has_a_reply_that_is_right_and_one_that_is_nearly() -> None:
    others = {question.id for question in QUESTIONS} - {question.id for question in SHORT}
    solved = {question.id for question in CODE if name_of(question)}

    assert others == solved | {named(replies["query"]).id for replies in REPLIES}


@pytest.mark.parametrize("replies", REPLIES, ids=lambda replies: replies["query"][:40])
def test_a_right_reply_counts_and_a_nearly_right_one_does_not(
    replies: dict[str, str], request: pytest.FixtureRequest
) -> None:
    question = named(replies["query"])
    if question.grade in RUNS_CODE:
        request.getfixturevalue("programs_wall" if question.grade == "shell" else "wall")

    assert 1.0 == score(question, replies["right"])
    assert 1.0 > score(question, replies["nearly"])
    assert 0.0 == score(question, "I cannot help with that.") == score(question, question.query)


def test_a_translation_is_nearer_to_a_reference_than_any_other_text_is() -> None:
    """Two translations of one sentence agree above the threshold; the request itself and other sentences lie below."""
    wanted = {q.query: json.loads(q.answer) for q in QUESTIONS if q.grade == "translation"}
    for query, answer in wanted.items():
        least = answer.get("least", Translation([]).least)
        first, second, *_ = references = [folded(reference) for reference in answer["references"]]
        others = [folded(text) for asked, other in wanted.items() for text in other["references"] if asked != query]

        assert chrf(first, second) > least > max(chrf(text, ref) for text in [*others, query] for ref in references)


def score(question: Question, reply: str) -> float:
    found = graded(question.grade, reply, question.answer, question.choices, question.query)
    return float(passes(found.code, found.tests, programs=found.programs)) if isinstance(found, Job) else found


def name_of(question: Question) -> str:
    """Of the function that a question for code wants."""
    name = re.search(r"function `(\w+)\(", question.query)
    return name[1] if name else ""


@pytest.mark.parametrize("question", [question for question in CODE if name_of(question)], ids=name_of)
def test_code_questions_accept_a_solution_and_refuse_a_stub(question: Question) -> None:
    assert passes(SOLUTIONS, question.answer)
    assert not passes(f"def {name_of(question)}(*arguments): return None", question.answer)
