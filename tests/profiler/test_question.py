"""One question: what stands in its id and in its prompt."""

from dataclasses import replace

import pytest

from profiler.question import QueryError, Question, parse_question, text_of

ASKED = Question("Best?", "t", "B", "choice", ("red", "blue"))


@pytest.mark.parametrize(
    "changed",
    [{"query": "Worst?"}, {"task": "u"}, {"answer": "A"}, {"choices": ("red", "green")}, {"grade": "exact"}],
)
def test_an_id_changes_with_what_is_asked(changed: dict[str, str]) -> None:
    assert ASKED.id != replace(ASKED, **changed).id


def test_an_id_does_not_change_with_what_is_known_of_the_question() -> None:
    """Else a set whose reference difficulties are measured later would be asked again."""
    assert ASKED.id == replace(ASKED, reference=0.5).id
    assert 16 == len(ASKED.id)


@pytest.mark.parametrize(
    ("grade", "says"),
    [
        ("choice", "the letter of the right option"),
        ("number", "the final number alone"),
        ("exact", "nothing but what is asked for"),
        ("code", "one Python code block"),
    ],
)
def test_each_grade_says_how_to_answer(grade: str, says: str) -> None:
    prompt = replace(ASKED, grade=grade, choices=()).prompt  # type: ignore[arg-type]

    assert prompt.startswith("Best?\n\n")
    assert says in prompt


@pytest.mark.parametrize("answer", ["4", "-4", "+1,000", ".5", "3.25"])
def test_numbers_are_answers_to_number_questions(answer: str) -> None:
    line = {"query": "How many?", "task": "t", "answer": answer, "grade": "number"}

    assert answer == parse_question(line, "here").answer


@pytest.mark.parametrize("value", [{}, {"query": ""}, {"query": "  "}, {"query": 7}, {"query": None}])
def test_a_text_that_is_none_names_its_place(value: dict[str, object]) -> None:
    with pytest.raises(QueryError, match=r'^q\.jsonl:3: "query" must be a text that is not empty$'):
        text_of(value, "query", "q.jsonl:3")
