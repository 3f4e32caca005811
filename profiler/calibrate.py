"""Sets a gate's two thresholds: below which cosine a text is unfamiliar, and below which margin the fast encoder is in
doubt.

Both thresholds need texts that the gate was not fitted to. So the gate is fitted again several times, each time without
a group of whole categories and without a tenth of the texts of the others. Needs the extra `train`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from profiler.qagate import QAGate, margins
from profiler.train import TrainConfig, TrainError, fit, with_fast

Floats = npt.NDArray[np.float32]

GROUPS = 4  # groups of categories, each left out once
HELD_OUT = 0.1  # share of the other categories' texts that is left out of the same fit
FALSE_ALARMS = 0.05  # share of texts of known categories that may be called unfamiliar
DOUBT = 0.5  # share of texts that a cascade hands to the full encoder


def calibrated(
    gate: QAGate,
    categories: Sequence[str],
    embeddings: Sequence[Floats],
    config: TrainConfig,
    seed: int,
) -> QAGate:
    """The gate with both thresholds set, and with how well they work in its `training` record.

    `categories` (n,) and `embeddings` of the same texts: one (n, d) array for each projector of the gate. For each
    projector, `familiar` is the cosine with the nearest prototype that FALSE_ALARMS of the left-out texts of known
    categories fall below. The record holds the share of texts of left-out categories that fall below it ("found"), and
    the AUROC of telling the two kinds apart. `margin` is the DOUBT quantile of the fast projector's margins.
    Raises TrainError with fewer than two categories.
    """
    names = np.asarray(categories)
    known, unknown, doubt = _unseen(gate, names, embeddings, config, seed)
    projectors, record = [], []
    for projector, inside, outside in zip(gate.projectors, known, unknown, strict=True):
        familiar = round(float(np.quantile(inside, FALSE_ALARMS)), 4)
        projectors.append(replace(projector, familiar=familiar))
        found, ranks = float((outside < familiar).mean()), _auroc(inside, outside)
        record.append({"encoder": projector.encoder, "found": round(found, 3), "auroc": round(ranks, 3)})
    margin = round(float(np.quantile(doubt, DOUBT)), 4) if len(doubt) else 0.0
    training = {**gate.training, "unfamiliar": {"false_alarms": FALSE_ALARMS, "by_encoder": record}, "doubt": DOUBT}
    return replace(gate, projectors=tuple(projectors), margin=margin, training=training)


def _unseen(
    gate: QAGate, names: npt.NDArray[Any], embeddings: Sequence[Floats], config: TrainConfig, seed: int
) -> tuple[list[Floats], list[Floats], Floats]:
    """(known, unknown, margins) of left-out texts.

    By projector the cosines with the nearest prototype, of texts of known and of unknown categories; and the margins
    of the fast projector.
    """
    distinct, rng = np.unique(names), np.random.default_rng(seed)
    if len(distinct) < 2:
        raise TrainError("thresholds need texts of two categories or more: one is left out, as the unknown")
    group = dict(zip(rng.permutation(distinct).tolist(), np.arange(len(distinct)) % GROUPS, strict=True))
    groups = np.array([group[name] for name in names.tolist()])
    known: list[list[Floats]] = [[] for _ in embeddings]
    unknown: list[list[Floats]] = [[] for _ in embeddings]
    doubt: list[Floats] = [np.empty(0, np.float32)]
    for left_out in range(min(GROUPS, len(distinct))):
        outside = groups == left_out
        held = ~outside & (rng.random(len(names)) < HELD_OUT)
        seen = ~outside & ~held
        share = replace(config, prototypes=max(len(np.unique(names[seen])), round(config.prototypes * seen.mean())))
        without = fit(embeddings[0][seen], names[seen].tolist(), gate.projectors[0].encoder, share, seed)
        if len(embeddings) > 1:
            fast = gate.projectors[1].encoder
            without = with_fast(without, embeddings[0][seen], embeddings[1][seen], fast, share, seed)
        for i, (projector, rows) in enumerate(zip(without.projectors, embeddings, strict=True)):
            reader = without.read_by(projector.encoder)
            inside = reader.similarity(rows[held])
            known[i].append(inside.max(1))
            unknown[i].append(reader.similarity(rows[outside]).max(1))
            if i:
                doubt.append(margins(inside))
    return [np.concatenate(each) for each in known], [np.concatenate(each) for each in unknown], np.concatenate(doubt)


def _auroc(higher: Floats, lower: Floats) -> float:
    """How often a value of `higher` (n,) is above one of `lower` (m,); 1/2 where they cannot be told apart."""
    both = np.concatenate([higher, lower])
    ranks = np.empty(len(both))
    ranks[np.argsort(both, kind="stable")] = np.arange(1, len(both) + 1)
    return float((ranks[: len(higher)].sum() - len(higher) * (len(higher) + 1) / 2) / (len(higher) * len(lower)))
