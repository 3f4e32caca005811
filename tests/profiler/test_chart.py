"""The picture shows what the report says."""

from pathlib import Path
from typing import Any

import pytest

from profiler.chart import ChartError, draw, picture, prepare


def report(model: str, right: float, reference: float | None) -> dict[str, Any]:
    task = {"questions": 4, "accuracy": right, "standard_error": 0.1, "reference": reference}
    category = {"capability": right / 2, "evidence": 4}
    return {
        "model": model,
        "accuracy": right,
        "questions": 8,
        "tasks": {"law": task, "maths": {**task, "accuracy": 0.5}},
        "categories": {"law": category, "math": category, "other": category},
    }


def test_bars_are_the_reports_numbers_and_marks_the_reference() -> None:
    figure = picture([report("small", 0.25, 0.0), report("large", 0.75, 0.0)])

    asked, vector = figure.axes
    assert [0.25, 0.5, 0.75, 0.5] == [bar.get_width() for bar in asked.patches]
    assert [0.125] * 3 + [0.375] * 3 == [bar.get_width() for bar in vector.patches]
    assert ["law", "maths"] == [label.get_text() for label in asked.get_yticklabels()]
    assert [[0.0, 0.0]] == [list(line.get_xdata()) for line in asked.lines if line.get_label() == "reference engines"]


def test_without_a_reference_there_is_no_mark() -> None:
    asked, _ = picture([report("small", 0.25, None)]).axes

    assert "reference engines" not in {line.get_label() for line in asked.lines}


def test_a_picture_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChartError, match=r"cannot write the picture .*x\.exe"):
        draw([report("small", 0.25, None)], tmp_path / "x.exe")
    with pytest.raises(ChartError, match=r"x\.exe: its name must end in .*\.png"):
        prepare(tmp_path / "x.exe")


def test_the_folder_of_a_picture_is_made_and_the_picture_is_not(tmp_path: Path) -> None:
    prepare(tmp_path / "a" / "b" / "x.png")
    (tmp_path / "old.png").write_bytes(b"a picture")
    prepare(tmp_path / "old.png")

    assert [] == list((tmp_path / "a" / "b").iterdir())
    assert b"a picture" == (tmp_path / "old.png").read_bytes()


def test_a_picture_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()

    for path in (tmp_path / "file" / "x.png", tmp_path / "folder.png"):
        with pytest.raises(ChartError, match="cannot write the picture"):
            prepare(path)
