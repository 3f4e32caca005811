"""Reads the questions that an owner asks his own agent: a TSV file, which stays at home.

A line is `question TAB answer`, or `question TAB answer TAB grade`. Without a grade it is `contains`: the answer, or
one of several separated by `|`, stands somewhere in the reply. Empty lines, and those that begin with #, are passed
over.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from profiler.answers import Answer
from profiler.grading.short import contains
from profiler.question import QueryError, Question, parse_question

OWNED = "own questions"  # the task of all of them
LEAST = 15  # questions: fewer say too little of an agent
MOST = 1000

_GRADES = ("contains", "exact", "number")
_SIZE_LIMIT = 2**20  # bytes of a file


def load_owned(path: Path) -> tuple[Question, ...]:
    """The questions of the file, each once. Raises QueryError, whose message names file and line, and the remedy."""
    too_many = f"{path} holds more than {MOST} questions, or than {_SIZE_LIMIT >> 20} MiB: leave some out"
    try:
        with path.open("rb") as file:
            content = file.read(_SIZE_LIMIT + 1)
        if len(content) > _SIZE_LIMIT:
            raise QueryError(too_many)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise QueryError(f"cannot read the questions in {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise QueryError(f"{path} is no text in UTF-8, from byte {error.start} on: save it as that") from error
    questions = {question.id: question for question in _parsed(text, path)}
    if len(questions) > MOST:
        raise QueryError(too_many)
    if len(questions) < LEAST:
        raise QueryError(f"{path} holds {len(questions)} questions; fewer than {LEAST} say too little: write some more")
    return tuple(questions.values())


def not_owned(answers: Iterable[Answer]) -> list[Answer]:
    """The answers that a capability vector is folded from: an owner's questions are of what no prototype knows."""
    return [answer for answer in answers if answer.task != OWNED]


def _parsed(text: str, path: Path) -> Iterator[Question]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield _question(line, f"{path}:{number}")


def _question(line: str, at: str) -> Question:
    query, answer, grade, *more = [*(cell.strip() for cell in line.split("\t")), "", ""]
    if not query or not answer or any(more):
        raise QueryError(f"{at}: expected a question, a tab and its answer, and perhaps a tab and its grade")
    grade = grade or "contains"
    if grade not in _GRADES:
        raise QueryError(f"{at}: the grade of an answer is {', '.join(_GRADES)}, not {grade[:40]}")
    if grade == "contains" and contains(query, answer):
        raise QueryError(f"{at}: the answer stands in its question, so that repeating it would be right: word it anew")
    return parse_question({"query": query, "answer": answer, "grade": grade, "task": OWNED}, at)
