"""One question with a checkable answer: what an engine reads, which answer is right, and how a query file says so."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, cast, get_args

Grade = Literal["choice", "number", "exact", "code"]

_INSTRUCTIONS: Mapping[str, str] = {
    "choice": "Answer with the letter of the right option only.",
    "number": "End your answer with the final number alone on the last line.",
    "exact": "Answer with nothing but what is asked for: no explanation, no punctuation around it.",
    "code": "Answer with one Python code block and nothing else.",
}


class QueryError(ValueError):
    """A query set cannot be used; the message names file and line, or the remedy."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and the answer that is right."""

    query: str  # the question without options or instructions; relevance is read from it
    task: str
    answer: str  # a choice's letter, a number, the exact words, or for code the assertions that must hold
    grade: Grade
    choices: tuple[str, ...] = ()
    reference: float | None = None  # how often reference engines are right, in [0, 1]
    category: str = ""  # what the task is part of; "" where the file does not say
    was: str = ""  # the task's name when the question was first published; "" where it is still that

    @property
    def id(self) -> str:
        """16 hex digits of its content: the same question in another file or place has the same id.

        A task that got another name keeps the old one here, so that answers stored under it are still known.
        """
        content = [self.query, self.was or self.task, self.answer, self.grade, list(self.choices)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    @property
    def prompt(self) -> str:
        """What the engine reads: question, options and an instruction for the form of the answer."""
        options = "".join(f"\n{chr(65 + i)}. {choice}" for i, choice in enumerate(self.choices))
        return f"{self.query}{options}\n\n{_INSTRUCTIONS[self.grade]}"


def parse_question(value: Mapping[str, Any], at: str) -> Question:
    """The question in a line of a query file. Raises QueryError that names the place `at`."""
    unknown = value.keys() - {field.name for field in fields(Question)}
    if unknown:
        raise QueryError(f"{at}: unknown key {sorted(unknown)[0]!r}")
    grade = value.get("grade")
    if grade not in get_args(Grade):
        raise QueryError(f'{at}: "grade" must be one of {", ".join(get_args(Grade))}')
    choices, answer, reference = value.get("choices", []), text_of(value, "answer", at), value.get("reference")
    if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
        raise QueryError(f'{at}: "choices" must be a list of texts')
    if grade == "choice" and not (2 <= len(choices) <= 26 and answer in [chr(65 + i) for i in range(len(choices))]):
        raise QueryError(f'{at}: a choice needs 2 to 26 "choices" and the letter of one of them as "answer"')
    if grade == "number" and not re.fullmatch(r"[-+]?(\d[\d,]*)?\.?\d+", answer):
        raise QueryError(f'{at}: "answer" must be a number')
    if reference is not None and not (isinstance(reference, int | float) and 0 <= reference <= 1):
        raise QueryError(f'{at}: "reference" must lie in [0, 1]')
    query, task = text_of(value, "query", at), text_of(value, "task", at)
    category, was = (text_of(value, key, at) if key in value else "" for key in ("category", "was"))
    return Question(query, task, answer, cast(Grade, grade), tuple(choices), reference, category, was)


def to_json(question: Question) -> str:
    """One line of a query file."""
    kept = {key: value for key, value in asdict(question).items() if value not in ((), "", None)}
    return json.dumps(kept, ensure_ascii=False)


def text_of(value: Mapping[str, Any], key: str, at: str) -> str:
    """The text under this key. Raises QueryError where it is missing or empty."""
    found = value.get(key)
    if not isinstance(found, str) or not found.strip():
        raise QueryError(f'{at}: "{key}" must be a text that is not empty')
    return found
