"""What each encoder is worth to routing: points on recorded outcomes, and on telling topics apart from bare stems.

Labels are drawn anew in every run, since which clusters come out decides more than the encoder does: a run has its own
seed, its own four fifths of every task for gate and profiles, and the rest as test. Percent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.outcomes import Outcomes, load_outcomes
from benchmarks.routing.metric import chosen_scores, folds, task_means
from benchmarks.routing.routers import PPAI, profiles
from profiler.calibrate import DOUBT, HELD_OUT
from profiler.encoder import Encoder
from profiler.qagate import QAGate
from profiler.queries import load_training_texts
from profiler.relevance import margins
from profiler.train import TrainConfig, fit, with_fast

Floats = npt.NDArray[Any]
OUTCOMES = replace(PPAI, prototypes=64, top_p=0.1)  # as the shipped gate had it when docs/results.md was measured
TOPICS = replace(PPAI, prototypes=34)
SAME = {"torch"}  # the float32 graph gives the same vectors (cosine 1.0000), ten times sooner


def measure(
    train: Path,
    topics: Path,
    rungs: Mapping[str, Callable[[], Encoder]],
    redraws: int,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """{"outcomes" | "nearest" | "logistic": {rung: {"mean", "sd", "minus_int8": [mean, sd]}}, "handed_on": share}.

    "static" and "cascade" share the prototypes of "int8", and vectors profiled through it; other rungs have a gate and
    vectors of their own.
    """
    outcomes, stems = load_outcomes(train), load_training_texts([topics])
    names = np.array([stem.task for stem in stems])
    vectors = {}
    for rung, load in rungs.items():
        if rung not in SAME:
            say(f"encoding {len(outcomes.queries) + len(stems)} texts: {rung}")
            encoder = load()
            vectors[rung] = encoder.encode(outcomes.queries), encoder.encode([stem.query for stem in stems])
    runs: dict[str, dict[str, list[float]]] = {"outcomes": {}, "nearest": {}, "logistic": {}}
    handed: list[float] = []
    for seed in range(redraws):
        say(f"draw {seed + 1} of {redraws}")
        test = folds(outcomes.tasks, 5, seed) == 0
        for rung, (rows, _) in vectors.items():
            if rung != "static":
                gate = fit(rows[~test], outcomes.tasks[~test].tolist(), rung, OUTCOMES, seed)
                read = gate.relevance(rows[test])
                runs["outcomes"].setdefault(rung, []).append(_points(gate, rows, read, outcomes, test))
        full, fast = vectors["int8"][0], vectors["static"][0]
        gate, doubtful, _ = _cascade(full, fast, outcomes.tasks, ~test, test, OUTCOMES, seed)
        quick = gate.read_by("static").relevance(fast[test])
        both = np.where(doubtful[:, None], gate.relevance(full[test]), quick)
        for rung, read in (("static", quick), ("cascade", both)):
            runs["outcomes"].setdefault(rung, []).append(_points(gate, full, read, outcomes, test))

        seen = folds(names, 2, seed) == 0
        for rung, (_, rows) in vectors.items():
            runs["logistic"].setdefault(rung, []).append(_logistic(rows, names, seen))
            if rung != "static":
                gate = fit(rows[seen], names[seen].tolist(), rung, TOPICS, seed)
                right = np.array(gate.categories)[gate.nearest(rows[~seen])] == names[~seen]
                runs["nearest"].setdefault(rung, []).append(float(right.mean()))
        gate, doubtful, right = _cascade(vectors["int8"][1], vectors["static"][1], names, seen, ~seen, TOPICS, seed)
        handed.append(float(doubtful.mean()))
        runs["nearest"].setdefault("static", []).append(float(right["static"].mean()))
        runs["nearest"].setdefault("cascade", []).append(
            float(np.where(doubtful, right["int8"], right["static"]).mean())
        )
    table = {kind: {rung: _summary(values, by["int8"]) for rung, values in by.items()} for kind, by in runs.items()}
    return {**table, "redraws": redraws, "handed_on": round(float(np.mean(handed)), 3)}


def _points(gate: QAGate, rows: Floats, read: Floats, outcomes: Outcomes, test: Floats) -> float:
    """Mean over tasks of the chosen models' scores, test queries being read as `read`; profiled on the rest."""
    values = read @ profiles(gate, rows[~test], outcomes.rows(~test)).T
    chosen = chosen_scores(values, outcomes.rows(test))
    return float(np.mean(list(task_means(chosen, outcomes.tasks[test]).values())))


def _cascade(
    full: Floats,
    fast: Floats,
    names: Floats,
    seen: Floats,
    unseen: Floats,
    config: TrainConfig,
    seed: int,
) -> tuple[QAGate, Floats, dict[str, Floats]]:
    """Gate for both encoders; which unseen texts the fast one doubts; where each finds the right category.

    The margin is frozen on a tenth of the seen texts, which a first gate is fitted without.
    """
    held = seen & (np.random.default_rng(seed).random(len(names)) < HELD_OUT)
    first, gate = (
        with_fast(
            fit(full[rows], names[rows].tolist(), "int8", config, seed), full[rows], fast[rows], "static", config, seed
        )
        for rows in (seen & ~held, seen)
    )
    margin = np.quantile(margins(first.read_by("static").similarity(fast[held])), DOUBT)
    quick = gate.read_by("static")
    doubtful = margins(quick.similarity(fast[unseen])) < margin
    owners = np.array(gate.categories)
    right = {
        "int8": owners[gate.nearest(full[unseen])] == names[unseen],
        "static": owners[quick.nearest(fast[unseen])] == names[unseen],
    }
    return gate, doubtful, right


def _logistic(rows: Floats, names: Floats, seen: Floats) -> float:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10.0, max_iter=300).fit(rows[seen], names[seen])
    return float((model.predict(rows[~seen]) == names[~seen]).mean())


def _summary(values: Sequence[float], reference: Sequence[float]) -> dict[str, Any]:
    """Percent; sd over draws. Differences are paired: both had the same draw."""
    difference = 100 * (np.array(values) - np.array(reference))
    return {
        "mean": round(100 * float(np.mean(values)), 2),
        "sd": round(100 * float(np.std(values)), 2),
        "minus_int8": [round(float(difference.mean()), 2), round(float(difference.std()), 2)],
    }
