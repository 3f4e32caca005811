"""Recorded outcomes as the truth of who answers right: real models, query by query, and what the production gate makes
of each query. Split in disjoint halves by seed: vectors, routers and choices come from one, questions from the other.
"""

import hashlib
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.needs import encoder_folder
from benchmarks.outcomes import OutcomeError, load_outcomes
from benchmarks.progress import say
from discovery.records import Profile
from profiler.encoder import load_encoder
from profiler.qagate import QAGate, shipped_gate
from profiler.scoring import capability, difficulty, quantise

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """n queries at M models."""

    models: tuple[str, ...]
    tasks: NDArray[np.str_]  # (n,)
    grades: Floats  # (n, M) in [0, 1]
    prompt_tokens: NDArray[np.int64]  # (n,) characters / 4, as gateway/wire/request.py estimates
    embeddings: NDArray[np.float32]  # (n, d) unit rows
    relevance: NDArray[np.float32]  # (n, K)
    category: NDArray[np.str_]  # (n,) of the nearest prototype
    gate: QAGate

    def halves(self, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(for learning, for asking): each task's queries in two random halves."""
        rng = np.random.default_rng([seed, 3])
        learn, ask = [], []
        for task in np.unique(self.tasks):
            rows = rng.permutation(np.flatnonzero(self.tasks == task))
            learn.append(rows[: len(rows) // 2])
            ask.append(rows[len(rows) // 2 :])
        return np.concatenate(learn), np.concatenate(ask)

    def mean_by_task(self, rows: NDArray[np.intp]) -> dict[str, Floats]:
        """task -> (M,) accuracy of each model on these rows."""
        return {str(task): self.grades[rows[self.tasks[rows] == task]].mean(axis=0) for task in np.unique(self.tasks)}

    def best_single(self, rows: NDArray[np.intp]) -> int:
        """The model of the best mean over tasks."""
        return int(np.argmax(np.mean(list(self.mean_by_task(rows).values()), axis=0)))

    def profile(self, model: int, rows: NDArray[np.intp]) -> Profile:
        """p_j as ppai-profile would publish it: Eq. (4) from these graded questions, against the models' mean."""
        weights = self.relevance.astype(np.float64)
        reference = self.grades.mean(axis=1)
        measured = capability(
            weights[rows],
            self.grades[rows, model],
            self.gate.category_index,
            reference[rows],
            difficulty(weights[rows], reference[rows], self.gate.category_index),
        )
        return Profile(quantise(measured.values), tuple(int(count) for count in measured.evidence))

    def nearest(self, queries: NDArray[np.intp], known: NDArray[np.intp], k: int) -> Floats:
        """(len(queries), M) mean grade of the k most similar known queries: the kNN router."""
        predicted = np.empty((len(queries), len(self.models)))
        for start in range(0, len(queries), 512):
            rows = queries[start : start + 512]
            similarity = self.embeddings[rows] @ self.embeddings[known].T
            closest = np.argpartition(-similarity, k, axis=1)[:, :k]
            predicted[start : start + 512] = self.grades[known[closest]].mean(axis=1)
        return predicted


def load(folder: Path, tasks: Collection[str]) -> Recorded:
    """Every *.jsonl of the folder, which must hold these tasks. Embeddings are kept in the user's cache folder.

    Raises OutcomeError, and WeightsMissing without the pulled encoder.
    """
    outcomes = load_outcomes(folder)
    if set(tasks) != set(outcomes.tasks):
        raise OutcomeError(
            f"{folder} holds the tasks {_listed(outcomes.tasks)}, and `workload.lengths` of the settings says how long "
            f"answers of {_listed(tasks)} are: give settings for these tasks with --config FILE"
        )
    gate = QAGate.load(shipped_gate())
    embeddings = _embedded(outcomes.queries, hashlib.sha256("\n".join(outcomes.queries).encode()).hexdigest()[:16])
    return Recorded(
        models=outcomes.models,
        tasks=outcomes.tasks,
        grades=outcomes.scores,
        prompt_tokens=np.array([max(1, len(query) // 4) for query in outcomes.queries]),
        embeddings=embeddings,
        relevance=gate.relevance(embeddings),
        category=np.array(gate.categories)[gate.nearest(embeddings)],
        gate=gate,
    )


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(set(names)))


def _embedded(texts: Sequence[str], key: str) -> NDArray[np.float32]:
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "ppai" / f"embeddings-{key}.npy"
    if cache.exists():
        stored: NDArray[np.float32] = np.load(cache)
        return stored
    say(f"embedding {len(texts)} queries; kept in {cache}")
    encoder = load_encoder(encoder_folder())
    parts = []
    for start in range(0, len(texts), 500):
        parts.append(encoder.encode(texts[start : start + 500]))
        say(f"  {start + len(parts[-1])} of {len(texts)}")
    embeddings = np.concatenate(parts)
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.save(cache, embeddings)
    return embeddings
