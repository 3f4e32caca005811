"""What the demo's agents know and are asked (configs/demo): right answers, bounded topics, and queries of their own.

No agent may be tuned on the queries that the demo counts.
"""

import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from discovery.details import TOPIC_CHARS, TOPICS_LIMIT
from gateway.config import data_dir
from profiler.grading.short import contains
from profiler.owned import load_owned

GROUND = data_dir() / "demo"
AGENTS = ("generalist", "librarian", "mathematician")
HANDBOOK = (GROUND / "agents/librarian/docs/handbook.md").read_text("utf-8")


def queries() -> list[tuple[str, str, str]]:
    """(agent, question, answer) of each query that the demo counts."""
    lines = (GROUND / "queries.tsv").read_text("utf-8").splitlines()
    cells = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(agent, question, answer) for agent, question, answer in cells]


def owned(agent: str) -> list[tuple[str, str]]:
    return [(one.query, one.answer) for one in load_owned(GROUND / f"agents/{agent}/questions.tsv")]


def topics(agent: str) -> list[str]:
    path: Path = GROUND / f"agents/{agent}/topics.txt"
    return path.read_text("utf-8").splitlines() if path.exists() else []


def test_each_agent_is_asked_ten_questions_that_are_not_its_owners() -> None:
    assert dict.fromkeys(AGENTS, 10) == Counter(agent for agent, *_ in queries())
    own = {re.sub(r"\W+", " ", question.casefold()) for agent in AGENTS for question, _ in owned(agent)}
    asked = [re.sub(r"\W+", " ", question.casefold()) for _, question, _ in queries()]

    assert 30 == len(set(asked))
    assert set() == own & set(asked)


@pytest.mark.parametrize("agent", AGENTS)
def test_topics_fit_what_is_told_of_an_agent(agent: str) -> None:
    """The generalist has none: it is for whatever is nobody's."""
    assert len(topics(agent)) <= TOPICS_LIMIT and bool(topics(agent)) == (agent != "generalist")
    assert all(line and len(line) <= TOPIC_CHARS for line in topics(agent))


def test_no_query_gives_its_answer_away() -> None:
    assert [] == [question for _, question, answer in queries() if contains(question, answer)]


def test_what_the_librarian_is_asked_stands_in_one_sentence_of_the_handbook() -> None:
    """But for two questions about PPAI, which its own documents answer."""
    sentences = re.split(r"(?<=[.:;])\s+", HANDBOOK)
    asked = [
        *owned("librarian"),
        *((question, answer) for agent, question, answer in queries() if agent == "librarian"),
    ]

    assert [] == [
        question for question, answer in asked
        if "PPAI" not in question and not any(contains(sentence, answer) for sentence in sentences)
    ]  # fmt: skip
    assert 2 == sum("PPAI" in question for question, _ in asked)


FORMS: list[tuple[str, Callable[..., float]]] = [
    (r"What is N plus N\?", lambda a, b: a + b),
    (r"What is N minus N\?", lambda a, b: a - b),
    (r"(?:How much|What) is N times N\?", lambda a, b: a * b),
    (r"Multiply N by N\.", lambda a, b: a * b),
    (r"Divide N by N\.|How much is N divided by N\?", lambda a, b: a / b),
    (r"What is N percent of N\?", lambda a, b: a * b / 100),
    (r"What is the square of N\?", lambda a: a * a),
    (r"What is the cube of N\?", lambda a: a**3),
    (r"What is the square root of N\?", math.sqrt),
    (r"Add N, N and N\.", lambda *a: sum(a)),
    (r"What is N to the power of N\?", lambda a, b: a**b),
    (r"Subtract N from N\.", lambda a, b: b - a),
    (r"What is N times N plus N\?", lambda a, b, c: a * b + c),
    (r"What is N minus N plus N\?", lambda a, b, c: a - b + c),
    (r"Calculate \(N \+ N\) \* N\.", lambda a, b, c: (a + b) * c),
    (r"Calculate \(N - N\) \* N\.", lambda a, b, c: (a - b) * c),
]


def test_what_the_mathematician_is_asked_is_worked_out_here() -> None:
    asked = [*owned("mathematician"), *((q, answer) for agent, q, answer in queries() if agent == "mathematician")]
    for question, answer in asked:
        numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", question)]
        (worked,) = [work for form, work in FORMS if re.fullmatch(form.replace("N", r"\d+(?:\.\d+)?"), question)]

        assert float(answer.split("|")[0]) == worked(*numbers), question
        assert {f"{worked(*numbers):g}", f"{worked(*numbers):,g}"} == {answer.split("|")[0], answer.split("|")[-1]}
