"""What is shown of an owner's questions; that they are asked and published is test_cli.py's."""

import io

from rich.console import Console

from profiler.answers import Answer
from profiler.engine import Engine
from profiler.owning import _summary, _table
from profiler.question import Question

QUESTIONS = [Question(f"Room {n}?", "own questions", f"C{n}", "contains") for n in range(2)]


def test_each_question_is_shown_with_both_answers() -> None:
    def answers(*right: float) -> dict[str, Answer]:
        pairs = zip(QUESTIONS, right, strict=True)
        return {one.id: Answer(one.id, one.query, one.task, "", grade, 1.0) for one, grade in pairs}

    out = io.StringIO()
    shown = _table(Engine("", "[red]x"), Engine("", "m"), QUESTIONS, {True: answers(1, 0), False: answers(0, 0)})
    Console(file=out, width=80).print(shown)

    rows = [line.split("│")[1:-1] for line in out.getvalue().splitlines() if "Room" in line]
    assert [["Room 0?", "right", "wrong"], ["Room 1?", "wrong", "wrong"]] == [
        [cell.strip() for cell in row] for row in rows
    ]
    assert "[red]x" in out.getvalue() and "m alone" in out.getvalue()


def test_the_figures_are_said_as_they_are_told_to_others() -> None:
    said = _summary("porter", {"questions": 20, "right": 0.95, "right_without": 0.05, "recall": 0.9})

    assert "porter: of 20 questions, 95 % right are expected of it, and 5 % of its model alone" in said
    assert said.endswith("its topics attract 90 %")
