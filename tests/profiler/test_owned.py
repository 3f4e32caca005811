"""The owner's questions: what a TSV may hold, and that each fault names its line and a remedy."""

from pathlib import Path

import pytest

from profiler.owned import LEAST, OWNED, load_owned
from profiler.question import QueryError

LINES = [f"What is the code of room {n}?\tC{n}" for n in range(LEAST)]


def written(folder: Path, *lines: str | bytes) -> Path:
    path = folder / "questions.tsv"
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines))
    return path


def test_a_line_is_a_question_and_its_answer(tmp_path: Path) -> None:
    found = load_owned(written(tmp_path, "# mine", "", *LINES, "What is 2 + 2?\t4\tnumber", "Who leads?\tAnn|Ben\t"))

    assert [("C0", "contains"), ("4", "number"), ("Ann|Ben", "contains")] == [
        (question.answer, question.grade) for question in (found[0], *found[-2:])
    ]
    assert {OWNED} == {question.task for question in found}


def test_the_same_line_twice_is_one_question(tmp_path: Path) -> None:
    assert LEAST == len(load_owned(written(tmp_path, *LINES, *LINES)))


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (LINES[:-1], f"holds 14 questions; fewer than {LEAST}"),
        ([*LINES, "no tab here"], ":16: expected a question, a tab and its answer"),
        ([*LINES, "What?\t"], ":16: expected a question, a tab and its answer"),
        ([*LINES, "What?\t1\tnumber\tmore"], ":16: expected a question"),
        ([*LINES, "What?\tprint(1)\tcode"], "the grade of an answer is contains, exact, number, not code"),
        ([*LINES, "How many?\tfour\tnumber"], ':16: "answer" must be a number'),
        ([*LINES, "Is it red or blue?\tblue"], ":16: the answer stands in its question"),
        ([*LINES, b"\xff\xfe?\tx"], "is no text in UTF-8, from byte"),
        ([f"{line} {n}" for n in range(70) for line in LINES], "more than 1000 questions"),
        ([*LINES, "x" * 2**20], "more than 1000 questions, or than 1 MiB"),
    ],
)
def test_what_cannot_be_asked_is_said_with_its_place(tmp_path: Path, lines: list[str | bytes], says: str) -> None:
    with pytest.raises(QueryError) as told:
        load_owned(written(tmp_path, *lines))

    assert says in str(told.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"cannot read the questions in .*gone\.tsv: No such file"):
        load_owned(tmp_path / "gone.tsv")
