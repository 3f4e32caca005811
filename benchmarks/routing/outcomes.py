"""Recorded outcomes: what each model got right, query by query; splits, format stripping, and the metric on them."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[Any]
ATTEMPTS = 20  # at one question, at most: a finer score is no share of attempts
OPTION = re.compile(r"^\s*[(\[]?[A-J][)\].:]\s", re.MULTILINE)


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
    """All *.jsonl of a folder, {"query", "task", "scores": {model: 0..1}} a line, of these models if they are given.

    Raises OutcomeError; for a broken line its message starts with file:line.
    """
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise OutcomeError(f"{folder} holds no *.jsonl file")
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


def folds(tasks: npt.NDArray[Any], count: int, seed: int) -> npt.NDArray[np.int64]:
    """(n,) fold of each query; every task is spread evenly."""
    rng = np.random.default_rng(seed)
    fold = np.empty(len(tasks), np.int64)
    for task in np.unique(tasks):
        rows = np.flatnonzero(tasks == task)
        fold[rng.permutation(rows)] = np.arange(len(rows)) % count
    return fold


def balanced_rows(tasks: npt.NDArray[Any], count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """At most `count` row numbers, tasks in turn, drawn without replacement."""
    piles = [rng.permutation(np.flatnonzero(tasks == task)) for task in np.unique(tasks)]
    turns = [pile[depth] for depth in range(max(map(len, piles))) for pile in piles if depth < len(pile)]
    return np.array(turns[:count])


def chosen_scores(values: Floats, outcomes: Outcomes) -> Floats:
    """(n,) score of the model with the highest value, values (n, M); among equals their mean."""
    best = values >= values.max(1, keepdims=True) - 1e-9
    found: Floats = (outcomes.scores * best).sum(1) / best.sum(1)
    return found


def task_means(chosen: Floats, tasks: npt.NDArray[Any]) -> dict[str, float]:
    """Mean chosen score by task, as RouterDC reports it."""
    return {str(task): float(chosen[tasks == task].mean()) for task in np.unique(tasks)}


def interval(chosen: Floats, tasks: npt.NDArray[Any], seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """95 % bootstrap interval over questions of the unweighted mean over tasks."""
    rng = np.random.default_rng(seed)
    means = np.zeros(draws)
    names = np.unique(tasks)
    for task in names:
        values = chosen[tasks == task]
        means += values[rng.integers(len(values), size=(draws, len(values)))].mean(1) / len(names)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def without_format(query: str) -> str:
    """A prompt without its options and without the "Answer:" it ends on."""
    stem = re.sub(r"^\s*(Question|问题)\s*[:：]\s*", "", query)
    stem = re.sub(r"\n?\s*(Answer|答案)\s*[:：]\s*$", "", stem)
    found = OPTION.search(stem)
    return stem[: found.start()].strip() or stem if found else stem


def format_features(queries: Sequence[str]) -> Floats:
    """(n, 12) float32 unit rows: what a prompt looks like, not what it says. The control that needs no encoder."""
    features = np.array([_features(query) for query in queries], np.float32)
    unit: Floats = features / np.linalg.norm(features, axis=1, keepdims=True).clip(1e-6)
    return unit


def _features(query: str) -> list[float]:
    characters = max(len(query), 1)
    return [
        float(len(OPTION.findall(query)) >= 2),
        float(query.rstrip().endswith(("Answer:", "答案：", "答案:"))),
        float(query.startswith("Question:")),
        float("def " in query),
        float('"""' in query),
        float("return" in query),
        sum(character > "\u2fff" for character in query) / characters,
        sum(character.isdigit() for character in query) / characters,
        float(query.rstrip().endswith("?")),
        math.log1p(len(query)) / 8,
        math.log1p(query.count("\n")) / 4,
        float("____" in query or "$" in query),
    ]


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
