"""Query sets: what is read, what is refused, which questions a limit takes."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from profiler.answers import Answer
from profiler.queries import as_asked_now, balanced, categories_of, in_order, load_questions, load_training_texts
from profiler.question import QueryError, Question, to_json

GOOD = {"query": "Two plus two?", "task": "maths", "answer": "4", "grade": "number"}
CHOICE = {"query": "Best?", "task": "t", "answer": "B", "grade": "choice", "choices": ["a", "b"]}


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def test_a_file_is_read_line_by_line(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", GOOD, "", CHOICE | {"reference": 0.25})

    questions = load_questions(str(path))

    assert Question("Two plus two?", "maths", "4", "number") == questions[0]
    assert (("a", "b"), 0.25) == (questions[1].choices, questions[1].reference)
    assert questions == load_questions(str(tmp_path))


def test_a_question_survives_being_written(tmp_path: Path) -> None:
    choice = Question("Öl?\u2028", "t", "B", "choice", ("a", "b"), 0.5, "c", "before", ("I am Ada.", "Hello."))
    fields = Question("Who?", "t", '{"fields": {"name": ["Zoë", null]}}', "fields")

    lines = [to_json(choice), to_json(fields)]

    assert [choice, fields] == load_questions(str(write(tmp_path / "q.jsonl", *lines)))
    assert '"answer": {"fields": {"name": ["Zoë", null]}}' in lines[1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{not json", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not a JSON object"),
        ({**GOOD, "query": " "}, '"query" must be a text'),
        ({**GOOD, "task": None}, '"task" must be a text'),
        ({**GOOD, "answer": 4}, '"answer" must be a text'),
        ({**GOOD, "answer": "four"}, '"answer" must be a number'),
        ({**GOOD, "answer": "nan"}, '"answer" must be a number'),
        ({**GOOD, "grade": "vibes"}, '"grade" must be one of choice, number, exact, contains, lines, code'),
        ({**GOOD, "grade": "lines", "answer": "a"}, '"answer" is not as the grade lines wants it: Expected `array`'),
        ({**GOOD, "before": ["I am Ada."]}, '"before" must end with a turn of the assistant'),
        ({**GOOD, "reference": 1.5}, r'"reference" must lie in \[0, 1\]'),
        ({**GOOD, "refrence": 0.5}, "unknown key 'refrence'"),
        ({**CHOICE, "answer": "C"}, "letter of one of them"),
        ({**CHOICE, "choices": ["a"]}, '2 to 26 "choices"'),
        ({**CHOICE, "choices": "ab"}, '"choices" must be a list'),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: object, message: str) -> None:
    path = write(tmp_path / "q.jsonl", GOOD, line)

    with pytest.raises(QueryError, match=rf"{re.escape(str(path))}:2: .*{message}"):
        load_questions(str(path))


def test_a_task_that_got_another_name_is_the_same_question(tmp_path: Path) -> None:
    before, now, other = load_questions(
        str(write(tmp_path / "q.jsonl", GOOD, {**GOOD, "task": "sums", "was": "maths"}, {**GOOD, "task": "sums"}))
    )

    assert before.id == now.id != other.id
    assert ("sums", "maths") == (now.task, now.was)


def test_answers_are_folded_by_the_sets_own_words_for_them() -> None:
    """What was stored under an earlier name of the task, or with an earlier reference, counts as the set says today."""
    now = Question("q", "sums", "4", "number", reference=0.5, was="maths")
    stored = Answer(now.id, "q", "maths", "4", 1.0, 0.1, reference=0.9)
    others = replace(stored, question="of another set")

    assert [replace(stored, task="sums", reference=0.5), others] == as_asked_now([stored, others], [now])


def test_empty_and_missing_sets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="is empty"):
        load_questions(str(write(tmp_path / "q.jsonl")))
    with pytest.raises(QueryError, match="cannot read the query set"):
        load_questions(str(tmp_path / "nowhere.jsonl"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(QueryError, match=r"holds no \*\.jsonl"):
        load_questions(str(tmp_path / "folder"))


def test_training_texts_carry_category_and_mean_score(tmp_path: Path) -> None:
    outcome = {"query": "q", "task": "mmlu", "scores": {"a": 1.0, "b": 0.5}}
    everyday = {"query": "s", "task": "sql", "category": "coding", "source": "y"}
    path = write(tmp_path / "t.jsonl", outcome, {"query": "r", "topic": "law", "subject": "x"}, everyday)

    first, second, third = texts = load_training_texts([path])

    assert ("mmlu", "mmlu", 0.75, "") == (first.task, first.category, first.ability, first.topic)
    assert ("law", "law", None, "law") == (second.task, second.category, second.ability, second.topic)
    assert ("sql", "coding", "") == (third.task, third.category, third.topic)
    assert {"mmlu": "mmlu", "law": "law", "sql": "coding"} == categories_of(texts)


def test_a_task_in_two_categories_is_refused(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.jsonl", *({"query": "q", "task": "sql", "category": name} for name in ("coding", "data"))
    )

    with pytest.raises(QueryError, match="the task sql is in the categories coding and data"):
        categories_of(load_training_texts([path]))


def test_a_broken_training_line_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", {"query": "q", "task": "t", "scores": {"a": "good"}})

    with pytest.raises(QueryError, match=r't\.jsonl:1: "scores" must map'):
        load_training_texts([path])


def test_limits_are_balanced_over_tasks_and_nested() -> None:
    questions = load_questions("builtin")

    seventy = balanced(questions, 70, seed=3)

    assert seventy == balanced(list(reversed(questions)), 90, seed=3)[:70]
    assert {q.task for q in seventy} == {q.task for q in questions}
    assert seventy != balanced(questions, 70, seed=4)
    assert {q.id for q in questions} == {q.id for q in balanced(questions, None, seed=3)}


def of_categories(*names: str, each: int = 4) -> list[Question]:
    return [
        Question(f"{name} {n}?", f"{name} {n % 2}", "x", "exact", category=name) for name in names for n in range(each)
    ]


def test_each_category_is_asked_once_before_any_is_asked_again() -> None:
    order = in_order(of_categories("a", "b", "c"), {})

    assert [{"a", "b", "c"}] * 4 == [{q.category for q in order[at : at + 3]} for at in range(0, 12, 3)]
    assert 2 == len({q.task for q in order[:6] if q.category == "a"}), "tasks take turns"


def test_what_was_asked_is_left_out_and_all_else_comes() -> None:
    questions = load_questions("builtin")
    asked = {question.id: 1.0 for question in questions[::3]}

    order = in_order(questions, asked)

    assert order == in_order(list(reversed(questions)), asked)
    assert {q.id for q in questions} - asked.keys() == {q.id for q in order}
    assert len(questions) - len(asked) == len(order)
    assert [] == in_order([], {}) == in_order(questions[:1], {questions[0].id: 0.0})


def test_the_first_sixty_are_of_every_category() -> None:
    questions = load_questions("builtin")

    assert {q.category for q in questions} == {q.category for q in in_order(questions, {})[:60]}


def test_a_category_that_surprises_is_asked_again_first() -> None:
    """All others are right, so one wrong answer says that this one may differ; and the other way round."""
    questions = of_categories("a", "b", "c", "d", "e")
    for usual in (0.0, 1.0):
        once = in_order(questions, {})[:5]
        asked = {q.id: 1 - usual if q.category == "c" else usual for q in once}

        assert "c" == in_order(questions, asked)[0].category


def test_a_category_is_asked_in_the_ways_that_it_is_made_of() -> None:
    """Two questions of a category with one choice in five: none of the two is the choice; three in five: one is."""
    text = [Question(f"{n}?", "t", "x", "exact") for n in range(10)]
    choices = [Question(f"{n}", "t", "A", "choice", ("a", "b")) for n in range(15)]

    assert ["exact"] * 2 == [q.grade for q in in_order(text + choices[:2], {})[:2]]
    assert ["choice", "exact", "choice"] == [q.grade for q in in_order(text + choices, {})[:3]]


def test_earlier_turns_come_first_and_make_another_question() -> None:
    alone = Question("What is my name?", "t", "Ada", "exact")
    told = replace(alone, before=("I am Ada.", "Hello."))

    assert ["user", "assistant", "user"] == [message["role"] for message in told.messages]
    assert ["I am Ada.", "Hello.", told.prompt] == [message["content"] for message in told.messages]
    assert told.id != alone.id


def test_the_prompt_shows_options_and_says_how_to_answer() -> None:
    question = Question("Best?", "t", "B", "choice", ("red", "blue"))

    assert "Best?\nA. red\nB. blue\n\nAnswer with the letter of the right option only." == question.prompt
