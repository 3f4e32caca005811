"""`python -m benchmarks.routing.unfamiliar`: a task that the gate has never met: is it noticed, and who should answer?

Each task is left out in turn, of the gate and of every model's profile. Its queries are then routed by topic all the
same, by each model's general ability, and by load alone (any model is as likely): among models that are alike, and
in a network where every second one is small.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.needs import encoder_folder, printed
from benchmarks.outcomes import SAMPLE, load_outcomes
from benchmarks.routing.routers import PPAI, gate_values, profiles
from profiler.calibrate import HELD_OUT
from profiler.encoder import load_encoder
from profiler.queries import load_training_texts
from profiler.scoring import pair_scores
from profiler.train import fit, require

Floats = npt.NDArray[Any]
FALSE_ALARMS = 0.05  # share of texts of known tasks that may be called unfamiliar
CONFIG = replace(PPAI, prototypes=128, top_p=0.1, alpha=8.0)  # the shipped gate's


def main(argv: Sequence[str] | None = None) -> int:
    """Prints one JSON object; returns 0, or 1 where a file is missing or broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing.unfamiliar", description=__doc__)
    parser.add_argument("--train", type=Path, required=True, metavar="DIR", help=f"folder of outcomes, {SAMPLE} say")
    parser.add_argument("--topics", type=Path, metavar="FILE", help="further texts for the gate")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(argv)
    return printed(
        "benchmarks.routing.unfamiliar", lambda: json.dumps(_run(options.train, options.topics, options.seeds))
    )


def _run(train: Path, topics: Path | None, seeds: int) -> dict[str, Any]:
    outcomes = load_outcomes(train)
    texts = load_training_texts([topics]) if topics else []
    require([*outcomes.tasks, *(f"topic:{text.task}" for text in texts)], CONFIG)
    encoder = load_encoder(encoder_folder())
    embeddings = encoder.encode(outcomes.queries)
    further = encoder.encode([text.query for text in texts]), [f"topic:{text.task}" for text in texts]
    pools = {"alike": outcomes.scores, "mixed": _mixed(outcomes.scores)}
    rows: dict[str, dict[str, list[list[float]]]] = {pool: {} for pool in pools}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        for task in np.unique(outcomes.tasks):
            unknown = outcomes.tasks == task
            held = ~unknown & (rng.random(len(unknown)) < HELD_OUT)
            seen = ~unknown & ~held
            labels = [*outcomes.tasks[seen].tolist(), *further[1]]
            gate = fit(np.concatenate([embeddings[seen], further[0]]), labels, encoder.name, CONFIG, seed)
            familiar = np.quantile(gate.similarity(embeddings[held]).max(1), FALSE_ALARMS)
            noticed = gate.similarity(embeddings[unknown]).max(1) < familiar
            asked = embeddings[unknown][noticed]
            for pool, scores in pools.items():
                learnt = replace(outcomes.rows(seen), models=_names(scores), scores=scores[seen])
                vectors = profiles(gate, embeddings[seen], learnt)
                own = scores[unknown][noticed]
                general = np.tile(pair_scores(np.full(gate.K, 1 / gate.K), vectors), (len(own), 1))
                ways = (gate_values(gate, asked, vectors), general, np.zeros_like(own))
                found = [float(_chosen(values, own).mean()) for values in ways]
                rows[pool].setdefault(str(task), []).append([float(noticed.mean()), *found])
    names = ("noticed", "by_topic", "by_general_ability", "by_load_alone")
    result: dict[str, Any] = {"seeds": seeds, "false_alarms": FALSE_ALARMS}
    for pool, by_task in rows.items():
        means = {task: np.mean(runs, axis=0) for task, runs in by_task.items()}
        means["mean"] = np.mean(list(means.values()), axis=0)
        result[pool] = {task: _percent(names, mean) for task, mean in means.items()}
    return result


def _names(scores: Floats) -> tuple[str, ...]:
    return tuple(f"model {number}" for number in range(scores.shape[1]))


def _mixed(scores: Floats) -> Floats:
    """(n, 2M): beside each model a small one, which is right on half of what that one is right on."""
    return np.hstack([scores, scores * (np.random.default_rng(0).random(scores.shape) < 0.5)])


def _chosen(values: Floats, scores: Floats) -> Floats:
    best = values >= values.max(1, keepdims=True) - 1e-9
    found: Floats = (scores * best).sum(1) / best.sum(1)
    return found


def _percent(names: Sequence[str], values: Floats) -> dict[str, float]:
    return {name: round(100 * float(value), 1) for name, value in zip(names, values, strict=True)}


if __name__ == "__main__":
    raise SystemExit(main())
