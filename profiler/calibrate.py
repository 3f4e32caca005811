"""Sets a gate's two thresholds: from which familiarity on a text is no noise, and below which margin the fast encoder
is in doubt. Needs the extra `train`.

Both are quantiles over the texts that the gate was fitted to. How well they work is told by a second gate, fitted to
nine tenths of the texts and asked about the others; that goes into the `training` record.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from profiler.qagate import GIBBERISH, Projector, QAGate
from profiler.train import TrainConfig, fit, with_fast

Floats = npt.NDArray[np.float32]

HELD_OUT = 0.1  # share of the texts that the second gate does not see
LOST = 0.001  # share of texts with a topic that may be called unfamiliar: losing one costs more than missing noise
DOUBT = 0.5  # share of texts that a cascade hands to the full encoder


def calibrated(
    gate: QAGate,
    tasks: Sequence[str],
    embeddings: Sequence[Floats],
    config: TrainConfig,
    seed: int,
) -> QAGate:
    """The gate with both thresholds set, and with how well they work in its `training` record.

    `tasks` (n,) and `embeddings` of the same texts: one (n, d) array for each projector of the gate. For each of them,
    `familiar` is the `familiarity` that LOST of the texts with a topic fall below. The record holds, of texts that a
    second gate has not seen, the share of those with a topic that fall below its threshold ("lost"), that of noise
    ("found"), and the AUROC of telling the two apart; null where there are none. `margin` is the DOUBT quantile of the
    fast projector's margins. Raises TrainError.
    """
    names = np.asarray(tasks)
    held = np.random.default_rng(seed).random(len(names)) < HELD_OUT
    for task in np.unique(names):
        held[np.flatnonzero(names == task)[0]] = False  # the second gate knows every task
    seen = ~held
    second = _fitted(gate, names[seen].tolist(), [rows[seen] for rows in embeddings], config, seed)
    second = _thresholds(second, names[seen], [rows[seen] for rows in embeddings])
    record = [_worth(second.read_by(one.encoder), names[held], rows[held]) for one, rows in _pairs(gate, embeddings)]
    training = {**gate.training, "unfamiliar": {"false_alarms": LOST, "by_encoder": record}, "doubt": DOUBT}
    return replace(_thresholds(gate, names, embeddings), training=training)


def _fitted(gate: QAGate, tasks: Sequence[str], embeddings: Sequence[Floats], config: TrainConfig, seed: int) -> QAGate:
    """A gate like this one, fitted to these texts."""
    categories = dict(zip(gate.tasks, gate.categories, strict=True))
    room = replace(config, prototypes=min(config.prototypes, len(tasks)))
    found = fit(embeddings[0], tasks, gate.projectors[0].encoder, room, seed, categories=categories)
    if len(embeddings) > 1:
        found = with_fast(found, embeddings[0], embeddings[1], gate.projectors[1].encoder, room, seed)
    return found


def _thresholds(gate: QAGate, tasks: npt.NDArray[np.str_], embeddings: Sequence[Floats]) -> QAGate:
    topical, projectors, margin = tasks != GIBBERISH, [], 0.0
    for index, (projector, rows) in enumerate(_pairs(gate, embeddings)):
        reader = gate.read_by(projector.encoder)
        similarity = reader.similarity(rows[topical])
        readable = similarity.any(axis=1)  # the fast encoder knows no word of some; the full one reads those
        familiar = round(float(np.quantile(reader.familiarity(similarity[readable]), LOST)), 4)
        projectors.append(replace(projector, familiar=familiar))
        if index:
            margin = round(float(np.quantile(reader.margins(similarity), DOUBT)), 4)
    return replace(gate, projectors=tuple(projectors), margin=margin)


def _pairs(gate: QAGate, embeddings: Sequence[Floats]) -> Iterable[tuple[Projector, Floats]]:
    return zip(gate.projectors, embeddings, strict=True)


def _worth(gate: QAGate, tasks: npt.NDArray[np.str_], rows: Floats) -> dict[str, object]:
    """How well `familiar` tells noise from the rest, of texts (n, d) that the gate was not fitted to."""
    similarity = gate.similarity(rows)
    familiarity, familiar, topical = gate.familiarity(similarity), gate.is_familiar(similarity), tasks != GIBBERISH
    return {
        "encoder": gate.encoder,
        "lost": _share(~familiar[topical]),
        "found": _share(~familiar[~topical]),
        "auroc": auroc(familiarity[topical], familiarity[~topical]),
    }


def _share(mask: npt.NDArray[np.bool_]) -> float | None:
    return round(float(mask.mean()), 4) if len(mask) else None


def auroc(higher: Floats, lower: Floats) -> float | None:
    """How often a value of `higher` (n,) is above one of `lower` (m,), ties counting half: 1/2 if nothing tells them
    apart, None where one of the two is empty.
    """
    if not (len(higher) and len(lower)):
        return None
    ordered = np.sort(lower)
    above = np.searchsorted(ordered, higher, "left") + np.searchsorted(ordered, higher, "right")
    return round(float(above.mean() / 2 / len(lower)), 4)
