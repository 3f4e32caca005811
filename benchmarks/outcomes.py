"""Recorded outcomes: what each model got right, query by query. `python -m benchmarks.gather` makes such folders."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[Any]
SAMPLE = Path(__file__).parent / "sample"  # the small one that every checkout has; its README says what it is worth
ATTEMPTS = 20  # at one question, at most: a finer score is no share of attempts


class OutcomeError(ValueError):
    """Outcome files cannot be used; the message names file and line."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """n queries and what M models scored on them."""

    queries: tuple[str, ...]
    tasks: npt.NDArray[Any]  # (n,) names
    models: tuple[str, ...]
    scores: Floats  # (n, M) in [0, 1]

    def rows(self, kept: npt.NDArray[Any]) -> "Outcomes":
        """The queries at these indices, or where this mask is true."""
        index = np.arange(len(self.queries))[kept]
        return Outcomes(tuple(self.queries[i] for i in index), self.tasks[index], self.models, self.scores[index])


def load_outcomes(folder: Path, models: tuple[str, ...] | None = None) -> Outcomes:
    """All *.jsonl of a folder, of these models if they are given. benchmarks/gather.py says what a line holds.

    Raises OutcomeError; for a broken line its message starts with file:line.
    """
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise OutcomeError(
            f"{folder} holds no *.jsonl file of recorded outcomes. `python -m benchmarks.gather --help` says how to "
            f"get some; {SAMPLE} holds a few"
        )
    read = [row for file in files for row in _rows(file)]
    if not read:
        raise OutcomeError(f"the *.jsonl files of {folder} hold no outcome")
    models = models or tuple(sorted(read[0][2]))
    for at, _, found, _ in read:
        if set(found) != set(models):
            raise OutcomeError(f"{at}: scores are of {', '.join(sorted(found))}, not of {', '.join(models)}")
    queries, tasks = tuple(row[1] for row in read), np.array([row[3] for row in read])
    scores = np.array([[row[2][m] for m in models] for row in read], np.float64)
    for task in np.unique(tasks):
        scores[tasks == task] = graded(scores[tasks == task])
    return Outcomes(queries, tasks, models, scores)


def graded(scores: Floats) -> Floats:
    """Scores (n, M) of one task as RouterDC counts them.

    Shares of right attempts (k of at most 20) count as they are. Anything else is the probability of the right option,
    0 where another was likelier: it counts as right above 0.
    """
    for attempts in range(1, ATTEMPTS + 1):
        if np.allclose(scores * attempts, np.rint(scores * attempts), atol=1e-6):
            return scores
    return (scores > 0).astype(np.float64)


def _rows(file: Path) -> Iterator[tuple[str, str, dict[str, float], str]]:
    """("file:line", query, scores, task) of each line."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise OutcomeError(f"cannot read the outcomes {file}: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        at = f"{file}:{number}"
        try:
            value = json.loads(line)
            query, task = value["query"], value["task"]
            scores = {str(model): float(score) for model, score in value["scores"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OutcomeError(f"{at}: not an outcome: {error!r}") from error
        if not (isinstance(query, str) and isinstance(task, str) and scores):
            raise OutcomeError(f'{at}: not an outcome: "query" and "task" must be texts and "scores" not empty')
        if not all(0 <= score <= 1 for score in scores.values()):  # which NaN is not either
            raise OutcomeError(f"{at}: not an outcome: scores must lie in [0, 1]")
        yield at, query, scores, task
