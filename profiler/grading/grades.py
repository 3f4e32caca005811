"""The ways to grade: for each grade, what is asked for, what its answer must be, and what makes a reply right. Pure.

The answer of a question is a text: a letter, a number, words; or, where there is more to say, a JSON object, whose keys
are those of the grade's class (`Rules`, `Sql`, ...).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import msgspec

from profiler.grading.choice import choice_letter
from profiler.grading.edits import Edit, is_edited
from profiler.grading.programs import Job, Shell, Sql, python_job, shell_job, sql_job
from profiler.grading.rules import Rules, obeys
from profiler.grading.short import are_lines, contains, is_exact, is_number
from profiler.grading.structured import NO_TOOL, Call, Fields, fields_right, is_call
from profiler.grading.translation import Translation, is_translation

Grade = Literal[
    "choice", "number", "exact", "contains", "lines", "code", "sql", "shell", "call", "fields", "edit", "translation",
    "rules",
]  # fmt: skip
GRADES: tuple[Grade, ...] = get_args(Grade)
RUNS_CODE: frozenset[Grade] = frozenset({"code", "sql", "shell"})  # grading them runs what a model wrote


@dataclass(frozen=True, slots=True)
class _Grader:
    asks: Callable[[Any], str]  # of the answer: what is said behind the question of the form of a reply
    max_tokens: int  # that a reply is worth
    judge: Callable[[str, Any, Sequence[str], str], float | Job]  # of the reply, the answer, the choices, the query
    answer: Any = str  # what the answer is: a text, or the type that its JSON is read as


_GRADERS: Mapping[Grade, _Grader] = {
    "choice": _Grader(
        lambda _: "Answer with the letter of the right option only.",
        64,
        lambda reply, answer, choices, _: choice_letter(reply, choices) == answer,
    ),
    "number": _Grader(
        lambda _: "End your answer with the final number alone on the last line.",
        320,
        lambda reply, answer, *_: is_number(reply, answer),
    ),
    "exact": _Grader(
        lambda _: "Answer with nothing but what is asked for: no explanation, no punctuation around it.",
        64,
        lambda reply, answer, *_: is_exact(reply, answer),
    ),
    "contains": _Grader(
        lambda _: "",
        320,
        lambda reply, answer, *_: contains(reply, answer),
    ),
    "lines": _Grader(
        lambda lines: f"Answer with {len(lines)} lines and nothing else.",
        160,
        lambda reply, lines, *_: are_lines(reply, lines),
        list[str],
    ),
    "code": _Grader(
        lambda _: "Answer with one Python code block and nothing else.",
        400,
        lambda reply, answer, *_: python_job(reply, answer),
    ),
    "sql": _Grader(
        lambda _: "Answer with one code block of SQL for SQLite and nothing else.",
        240,
        lambda reply, wanted, *_: sql_job(reply, wanted),
        Sql,
    ),
    "shell": _Grader(
        lambda _: "Answer with one code block that a Linux shell runs in that folder, and nothing else.",
        240,
        lambda reply, wanted, *_: shell_job(reply, wanted),
        Shell,
    ),
    "call": _Grader(
        lambda call: (
            "You can call these functions:\n"
            + "".join(f"- {tool}\n" for tool in call.tools)
            + 'Answer with one JSON object and nothing else: {"name": ..., "arguments": {...}}. '
            + f'If none of them does what is asked: {{"name": "{NO_TOOL}", "arguments": {{}}}}.'
        ),
        160,
        lambda reply, call, *_: is_call(reply, call),
        Call,
    ),
    "fields": _Grader(
        lambda wanted: f"Answer with one JSON object with the keys {', '.join(wanted.fields)} and nothing else.",
        240,
        lambda reply, wanted, *_: fields_right(reply, wanted),
        Fields,
    ),
    "edit": _Grader(
        lambda _: "Answer with the whole text after the change and nothing else.",
        240,
        lambda reply, edit, *_: is_edited(reply, edit),
        Edit,
    ),
    "translation": _Grader(
        lambda _: "Answer with the translation and nothing else.",
        160,
        lambda reply, wanted, *_: is_translation(reply, wanted),
        Translation,
    ),
    "rules": _Grader(lambda _: "", 480, lambda reply, rules, _, query: obeys(reply, rules, query), Rules),
}


def instruction(grade: Grade, answer: str) -> str:
    """What is said behind the question, of the form that a reply is to have; "" where the question says it itself."""
    return _GRADERS[grade].asks(_read(grade, answer))


def max_tokens(grade: Grade) -> int:
    """How many tokens a reply is worth."""
    return _GRADERS[grade].max_tokens


def is_structured(grade: Grade) -> bool:
    """Whether the answer is JSON."""
    return _GRADERS[grade].answer is not str


def fault_of(grade: Grade, answer: str) -> str:
    """Why this text is no answer of this grade; "" where it is one."""
    if grade == "number" and not re.fullmatch(r"[-+]?(\d[\d,]*)?\.?\d+", answer):
        return "must be a number"
    try:
        _read(grade, answer)
    except msgspec.ValidationError as error:
        return f"is not as the grade {grade} wants it: {error}"
    return ""


def graded(grade: Grade, reply: str, answer: str, choices: Sequence[str] = (), query: str = "") -> float | Job:
    """How right the reply is, in [0, 1]; for a program the job that tells."""
    found = _GRADERS[grade].judge(reply, _read(grade, answer), choices, query)
    return found if isinstance(found, Job) else float(found)


def _read(grade: Grade, answer: str) -> Any:
    kind = _GRADERS[grade].answer
    return answer if kind is str else msgspec.json.decode(answer, type=kind)
