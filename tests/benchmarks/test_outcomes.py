"""Recorded outcomes: what is read, and what is refused by name."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.outcomes import OutcomeError, graded, load_outcomes


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", r"x\.jsonl:2: not an outcome"),
        ('{"query": "q", "task": "t"}', r"x\.jsonl:2: not an outcome"),
        ('{"query": "q", "task": "t", "scores": {"b": 1}}', r"x\.jsonl:2: scores are of b, not of a"),
        ('{"query": "q", "task": "t", "scores": {"a": NaN}}', r"x\.jsonl:2: .*must lie in \[0, 1\]"),
        ('{"query": 1, "task": "t", "scores": {"a": 1}}', r"x\.jsonl:2: .*must be texts"),
    ],
)
def test_broken_outcomes_are_named(tmp_path: Path, line: str, message: str) -> None:
    good = json.dumps({"query": "q", "task": "t", "scores": {"a": 1}})
    (tmp_path / "x.jsonl").write_text(f"{good}\n{line}\n")

    with pytest.raises(OutcomeError, match=message):
        load_outcomes(tmp_path)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutcomeError, match="holds no"):
        load_outcomes(tmp_path)


def test_a_folder_without_an_outcome_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("\n")

    with pytest.raises(OutcomeError, match="hold no outcome"):
        load_outcomes(tmp_path)


def test_a_folder_of_other_models_is_named(tmp_path: Path) -> None:
    """Columns of another pool would be read as if they were of ours."""
    (tmp_path / "x.jsonl").write_text(json.dumps({"query": "q", "task": "t", "scores": {"b": 1}}))

    with pytest.raises(OutcomeError, match=r"x\.jsonl:1: scores are of b, not of a"):
        load_outcomes(tmp_path, ("a",))


def test_shares_of_attempts_count_as_they_are_and_probabilities_as_right_above_0() -> None:
    shares, probabilities = np.array([[0.3, 1.0], [0.0, 0.7]]), np.array([[0.31415, 0.0], [0.0, 0.9]])

    assert shares.tolist() == graded(shares).tolist()
    assert [[1.0, 0.0], [0.0, 1.0]] == graded(probabilities).tolist()
