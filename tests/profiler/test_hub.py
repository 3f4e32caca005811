"""Hugging Face datasets in the columns that the hub has them in, from local folders."""

import json
from pathlib import Path
from typing import Any

import pytest

from profiler.hub import READERS
from profiler.queries import load_questions
from profiler.question import QueryError, Question, parse_question

ROWS: dict[str, tuple[dict[str, Any], Question]] = {
    "mmlu": (
        {"question": "Best?", "subject": "anatomy", "choices": ["a", "b", "c", "d"], "answer": 2},
        Question("Best?", "anatomy", "C", "choice", ("a", "b", "c", "d")),
    ),
    "gsm8k": (
        {"question": "How many?", "answer": "1,000 + 234 = 1,234\n#### 1,234"},
        Question("How many?", "gsm8k", "1234", "number"),
    ),
    "ai2_arc": (
        {"id": "x", "question": "Best?", "choices": {"text": ["a", "b"], "label": ["1", "2"]}, "answerKey": "2"},
        Question("Best?", "ai2_arc", "B", "choice", ("a", "b")),
    ),
    "medqa": (
        {"question": "Best?", "answer": "b", "options": {"A": "a", "B": "b"}, "meta_info": "s", "answer_idx": "B"},
        Question("Best?", "medqa", "B", "choice", ("a", "b")),
    ),
    "agieval-x": (
        {"query": "Q: Best? Answer Choices: (A)a (B)b\nA:", "choices": ["(A)a", "(B)b"], "gold": [1]},
        Question("Best?", "agieval-x", "B", "choice", ("a", "b")),
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_each_shape_of_columns_is_read(name: str) -> None:
    row, expected = ROWS[name]

    read = next(read for columns, read in READERS.items() if columns <= row.keys())

    assert expected == parse_question(read(row, name), "row 1")


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_a_local_folder_in_the_hubs_layout(tmp_path: Path, name: str) -> None:
    pytest.importorskip("datasets", reason="needs the extra `train`")
    row, expected = ROWS[name]
    folder = tmp_path / name
    folder.mkdir()
    (folder / "test.jsonl").write_text(json.dumps(row) + "\n")

    assert [expected] == load_questions(f"hf:{folder}")


@pytest.mark.slow
def test_a_row_that_is_not_as_its_columns_promise_is_named(tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="needs the extra `train`")
    good, _ = ROWS["ai2_arc"]
    for broken, message in (
        ({**good, "answerKey": "9"}, "row 2 is not as"),
        ({**good, "question": ""}, 'row 2: "query"'),
    ):
        (tmp_path / "test.jsonl").write_text(json.dumps(good) + "\n" + json.dumps(broken) + "\n")

        with pytest.raises(QueryError, match=message):
            load_questions(f"hf:{tmp_path}")


@pytest.mark.slow
def test_unknown_columns_and_names_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="needs the extra `train`")
    (tmp_path / "test.jsonl").write_text('{"text": "x"}\n')

    with pytest.raises(QueryError, match="has columns"):
        load_questions(f"hf:{tmp_path}")
    with pytest.raises(QueryError, match="cannot load hf:"):
        load_questions(f"hf:{tmp_path / 'nowhere'}")
