"""A reworded question asks the same: the right answer is still graded right, and no other."""

import random

import pytest

from gateway.trust.wording import reworded
from profiler.grading.grades import RUNS_CODE, graded
from profiler.grading.programs import Job
from profiler.queries import load_questions
from profiler.question import Question

QUESTIONS = [one for one in load_questions("builtin") if one.grade not in RUNS_CODE]
CHOICE = Question("What colour is snow?", "t", "B", "choice", ("black", "white", "green", "blue"))


@pytest.mark.parametrize("seed", range(20))
def test_the_right_option_stays_right_wherever_it_stands(seed: int) -> None:
    question, messages = reworded(CHOICE, random.Random(seed))

    assert "white" == question.choices[ord(question.answer) - 65]
    assert f"{question.answer}. white" in messages[-1]["content"]
    assert 1.0 == graded("choice", question.answer, question.answer, question.choices, question.query)


def test_every_question_says_what_it_said_and_few_keep_their_text() -> None:
    rng, same = random.Random(3), 0
    for question in QUESTIONS:
        changed, messages = reworded(question, rng)
        text = messages[-1]["content"]
        assert question.query in text
        assert all(choice in text for choice in question.choices)
        assert messages[:-1] == question.messages[:-1]
        assert not isinstance(graded(changed.grade, "x", changed.answer, changed.choices, changed.query), Job)
        same += text == question.prompt

    assert same < 0.25 * len(QUESTIONS)
