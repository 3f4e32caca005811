"""Every grade by a reply that is right, one that is nearly right and one that is wrong; and replies of one piece."""

import json
import re
import time
from typing import Any

import pytest

from profiler.grading.grades import GRADES, RUNS_CODE, Grade, fault_of, graded, instruction, is_structured, max_tokens
from profiler.grading.programs import Job
from profiler.grading.reply import REPLY_LIMIT
from profiler.sandbox import passes

CITIES = ("Paris", "Rome", "Lyon", "Bern")
TABLE = "CREATE TABLE pets (name TEXT, age INT); INSERT INTO pets VALUES ('Rex', 4), ('Mia', 9), ('Tom', 4);"
RULES = {"words": [3, 12], "sentences": [1, 2], "has": ["harbour|port"], "starts": "Dear Ada", "lacks": ["sorry"]}
CALL = {
    "tools": ["alarm(time: text, label: text?): set one"],
    "name": "alarm",
    "arguments": {"time": ["07:30", "7:30"]},
}

# grade: answer, a right reply, one that is nearly right and counts as wrong (or for less), a wrong one
EXAMPLES: dict[Grade, tuple[Any, str, str, str]] = {
    "choice": ("B", "B. Rome", "Rome or Lyon", "Paris"),
    "number": ("42", "It is 42.", "42.5", "forty"),
    "exact": ("Iceland", "Iceland.", "Iceland or Norway", "Norway"),
    "contains": ("Iceland|island", "The ferry comes from Iceland, on Fridays.", "An Icelandic ferry", "Norway"),
    "lines": (["red", "blue"], "1. red\n2. blue", "blue\nred", "green"),
    "code": (
        "assert double(2) == 4 and double(0) == 0",
        "```python\ndef double(x):\n    return 2 * x\n```",
        "def double(x):\n    return x + 2",
        "I cannot",
    ),
    "sql": (
        {"setup": TABLE, "rows": [["Mia"], ["Rex"]], "ordered": True},
        "```sql\nSELECT name FROM pets WHERE age > 4 OR name = 'Rex' ORDER BY name;\n```",
        "SELECT name FROM pets WHERE age > 4 OR name = 'Rex' ORDER BY name DESC",
        "DROP TABLE pets",
    ),
    "shell": (
        {"files": {"a.txt": "1\n", "b.txt": "2\n", "c.log": "3\n"}, "output": ["2"]},
        "```sh\nls *.txt | wc -l\n```",
        "ls | wc -l",
        "rm -rf .",
    ),
    "call": (
        CALL,
        '```json\n{"name": "alarm", "arguments": {"time": "7:30"}}\n```',
        '{"name": "alarm", "arguments": {"time": "19:30"}}',
        "I set the alarm.",
    ),
    "fields": (
        {"fields": {"name": ["Ada"], "age": [36]}},
        '{"name": "Ada", "age": "36"}',
        '{"name": "Ada", "age": 63}',
        "Ada, 36",
    ),
    "edit": (
        {"texts": ["She {doesn't|does not} like tea."]},
        "Corrected: She doesn't like tea.",
        "She doesn't really like tea.",
        "She don't like tea.",
    ),
    "translation": (
        {
            "references": ["Where is the nearest pharmacy?", "Where is the closest chemist's?"],
            "words": ["pharmacy|chemist"],
        },
        "Where is the nearest pharmacy, please?",
        "Where is the nearest bakery?",
        "Wo ist die nächste Apotheke?",
    ),
    "rules": (
        RULES,
        "Dear Ada,\nthe ship waits in the port.",
        "Dear Ada,\nthe ship waits. In the port. Come.",
        "I am busy today, and tomorrow as well.",
    ),
}


def text_of(answer: Any) -> str:
    """The answer as a Question holds it."""
    return answer if isinstance(answer, str) else json.dumps(answer)


def score(grade: Grade, reply: str, answer: Any) -> float:
    found = graded(grade, reply, text_of(answer), CITIES, "A letter")
    return float(passes(found.code, found.tests, programs=found.programs)) if isinstance(found, Job) else found


def test_every_grade_has_its_example() -> None:
    assert set(GRADES) == set(EXAMPLES)


@pytest.mark.parametrize("grade", GRADES)
def test_right_nearly_right_and_wrong(grade: Grade, request: pytest.FixtureRequest) -> None:
    if grade in RUNS_CODE:
        request.getfixturevalue("programs_wall" if grade == "shell" else "wall")
    answer, right, nearly, wrong = EXAMPLES[grade]

    assert "" == fault_of(grade, text_of(answer))
    assert 1.0 == score(grade, right, answer)
    assert (0.5 if grade == "fields" else 0.0) == score(grade, nearly, answer)
    assert 0.0 == score(grade, wrong, answer) == score(grade, "", answer)


@pytest.mark.parametrize("grade", GRADES)
def test_every_grade_says_how_to_answer_and_bounds_a_reply(grade: Grade) -> None:
    said = instruction(grade, text_of(EXAMPLES[grade][0]))

    assert (grade in ("rules", "contains")) == (said == "")
    assert 32 <= max_tokens(grade) <= 512


@pytest.mark.parametrize(
    ("grade", "answer", "says"),
    [
        ("number", "four", "must be a number"),
        ("lines", '{"a": 1}', "Expected `array`"),
        ("sql", '{"setup": ""}', "missing required field `rows`"),
        ("rules", '{"wrods": [1, 2]}', "unknown field `wrods`"),
        ("rules", '{"words": 3}', r"`words`|words"),
        ("call", '{"tools": [], "name": "x", "arguments": {"a": 1}}', "Expected `array`"),
    ],
)
def test_a_broken_answer_is_named(grade: Grade, answer: str, says: str) -> None:
    assert re.search(says, fault_of(grade, answer))


BEGINNINGS = ("x", "the answer is", "Answer: la", "1", "####", "\\boxed{")
PIECES = (
    " ",
    "\n",
    "\u00a0 \n",
    "_",
    "-",
    "$ ",
    "1",
    "1,",
    "a ",
    "A. x\n",
    "answer ",
    "the ",
    "{",
    "`",
    "<think>",
    "答案是",
)


@pytest.mark.parametrize("piece", (*PIECES, "a. ", "[a", '"', "(", "- a\n", ".", "a\n\n", "Ab "))
@pytest.mark.parametrize("grade", GRADES)
def test_grading_takes_time_in_proportion_to_the_reply(grade: Grade, piece: str) -> None:
    """A pattern that tries each place of a run anew takes seconds for one of these, and minutes for a whole reply."""
    for beginning in BEGINNINGS:
        reply = beginning + piece * (16_000 // len(piece)) + "x"
        began = time.process_time()

        graded(grade, reply, text_of(EXAMPLES[grade][0]), CITIES, "A letter")

        assert time.process_time() - began < 0.5, repr(beginning)


@pytest.mark.parametrize("grade", [grade for grade in GRADES if not is_structured(grade) and grade not in RUNS_CODE])
def test_a_reply_above_the_limit_is_wrong_unread(grade: Grade) -> None:
    answer = EXAMPLES[grade][0]
    longest = answer + " " * (REPLY_LIMIT - len(answer))

    assert graded(grade, longest, answer, CITIES)
    assert not graded(grade, longest + " ", answer, CITIES)
