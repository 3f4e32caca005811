"""One question with a checkable answer: what an engine reads, which answer is right, and how a query file says so."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

from profiler.grading.grades import GRADES, Grade, fault_of, instruction, is_structured


class QueryError(ValueError):
    """A query set cannot be used; the message names file and line, or the remedy."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and the answer that is right."""

    query: str  # the question without options or instructions; relevance is read from it
    task: str
    answer: str  # a choice's letter, a number, the exact words, assertions; JSON where the grade wants more (grades.py)
    grade: Grade
    choices: tuple[str, ...] = ()
    reference: float | None = None  # how often reference engines are right, in [0, 1]
    category: str = ""  # what the task is part of; "" where the file does not say
    was: str = ""  # the task's name when the question was first published; "" where it is still that
    before: tuple[str, ...] = ()  # earlier turns of the conversation: the user's, the assistant's, the user's, ...

    @property
    def id(self) -> str:
        """16 hex digits of its content: the same question in another file or place has the same id.

        A task that got another name keeps the old one here, so that answers stored under it are still known.
        """
        content = [self.query, self.was or self.task, self.answer, self.grade, list(self.choices)]
        content += [list(self.before)] if self.before else []
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    @property
    def prompt(self) -> str:
        """What the engine reads last: question, options and an instruction for the form of the answer."""
        options = "".join(f"\n{chr(65 + i)}. {choice}" for i, choice in enumerate(self.choices))
        return f"{self.query}{options}\n\n{instruction(self.grade, self.answer)}".rstrip()

    @property
    def messages(self) -> list[dict[str, str]]:
        """The chat that the engine is asked to go on with."""
        turns = [*self.before, self.prompt]
        return [{"role": ("user", "assistant")[at % 2], "content": turn} for at, turn in enumerate(turns)]


def parse_question(value: Mapping[str, Any], at: str) -> Question:
    """The question in a line of a query file. Raises QueryError that names the place `at`."""
    unknown = value.keys() - {field.name for field in fields(Question)}
    if unknown:
        raise QueryError(f"{at}: unknown key {sorted(unknown)[0]!r}")
    grade = value.get("grade")
    if grade not in GRADES:
        raise QueryError(f'{at}: "grade" must be one of {", ".join(GRADES)}')
    choices, before = (_texts(value, key, at) for key in ("choices", "before"))
    answer, reference = _answer(value, cast(Grade, grade), at), value.get("reference")
    if grade == "choice" and not (2 <= len(choices) <= 26 and answer in [chr(65 + i) for i in range(len(choices))]):
        raise QueryError(f'{at}: a choice needs 2 to 26 "choices" and the letter of one of them as "answer"')
    if len(before) % 2:
        raise QueryError(f'{at}: "before" must end with a turn of the assistant')
    if reference is not None and not (isinstance(reference, int | float) and 0 <= reference <= 1):
        raise QueryError(f'{at}: "reference" must lie in [0, 1]')
    query, task = text_of(value, "query", at), text_of(value, "task", at)
    category, was = (text_of(value, key, at) if key in value else "" for key in ("category", "was"))
    return Question(query, task, answer, cast(Grade, grade), choices, reference, category, was, before)


def to_json(question: Question) -> str:
    """One line of a query file."""
    kept = {key: value for key, value in asdict(question).items() if value not in ((), "", None)}
    if is_structured(question.grade):
        kept["answer"] = json.loads(question.answer)
    return json.dumps(kept, ensure_ascii=False)


def text_of(value: Mapping[str, Any], key: str, at: str) -> str:
    """The text under this key. Raises QueryError where it is missing or empty."""
    found = value.get(key)
    if not isinstance(found, str) or not found.strip():
        raise QueryError(f'{at}: "{key}" must be a text that is not empty')
    return found


def _answer(value: Mapping[str, Any], grade: Grade, at: str) -> str:
    written = value.get("answer")
    answer = json.dumps(written, ensure_ascii=False) if is_structured(grade) else text_of(value, "answer", at)
    if fault := fault_of(grade, answer):
        raise QueryError(f'{at}: "answer" {fault}')
    return answer


def _texts(value: Mapping[str, Any], key: str, at: str) -> tuple[str, ...]:
    found = value.get(key, [])
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise QueryError(f'{at}: "{key}" must be a list of texts')
    return tuple(found)
