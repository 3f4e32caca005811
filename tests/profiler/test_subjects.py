"""Exam questions by their subject: formats are no labels."""

import numpy as np
import pytest

from profiler.queries import TrainingText, categories_of
from profiler.question import QueryError
from profiler.subjects import EXAMS, FORMATS, SUBJECTS, by_subject, without_format

STEM = "Which court hears the case?"


def encode(texts: list[str]) -> np.ndarray:
    """Law is one axis, physics the other."""
    return np.array([[1, 0] if "court" in text else [0, 1] for text in texts], np.float32)


def topical(topic: str, query: str) -> TrainingText:
    return TrainingText(query, topic, topic, None, topic)


@pytest.mark.parametrize(
    ("query", "stem"),
    [
        (f"Question: {STEM}\nA. High\nB. Low\nAnswer:", STEM),
        (f"{STEM}\n(A) High\n(B) Low", STEM),
        (STEM, STEM),
        ("Question:Why so?\nAnswer:", "Why so?"),
        ("变压器温度最高的是\nA. 绕组\nB. 引线\n答案：", "变压器温度最高的是"),
        ("A. High\nB. Low", "A. High\nB. Low"),
    ],
)
def test_a_stem_is_what_stands_before_the_options(query: str, stem: str) -> None:
    assert stem == without_format(query)


def test_an_exam_takes_the_subject_and_is_learnt_with_and_without_options() -> None:
    pytest.importorskip("sklearn", reason="needs the extra `train`")
    asked = f"{STEM}\nA. High\nB. Low\nAnswer:"
    texts = [
        *(topical("law", f"court {number}") for number in range(5)),
        *(topical("physics", f"force {number}") for number in range(5)),
        TrainingText(asked, "mmlu", "mmlu", 0.5),
        TrainingText("How fast?", "arc_challenge", "arc_challenge", 0.25),
    ]

    found = by_subject(texts, encode)

    assert [(asked, "law", "law", 0.5), (STEM, "law", "law", 0.5), ("How fast?", "physics", "science", 0.25)] == [
        (text.query, text.task, text.category, text.ability) for text in found[10:]
    ]
    assert {"law": "law", "physics": "science"} == categories_of(found)


def test_a_format_of_one_subject_is_that_subject_and_other_tasks_stay() -> None:
    texts = [TrainingText("1 + 1?", "gsm8k", "gsm8k", None), TrainingText("Sing", "songs", "music", None)]

    assert [("word problems", "maths"), ("songs", "music")] == [
        (text.task, text.category) for text in by_subject(texts, encode)
    ]


def test_exams_without_a_topic_to_learn_from_are_refused() -> None:
    with pytest.raises(QueryError, match="leave out --by-subject"):
        by_subject([TrainingText(STEM, "mmlu", "mmlu", None)], encode)


def test_no_format_is_a_subject() -> None:
    assert not {*EXAMS, *FORMATS} & {task for task, _ in SUBJECTS.values()}
