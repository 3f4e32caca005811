"""Thresholds of a gate: what is noise, and what its fast encoder doubts. Fits run in `make test-all`."""

import numpy as np
import pytest

from profiler.calibrate import auroc, calibrated
from profiler.qagate import GIBBERISH
from profiler.train import TrainConfig, fit, with_fast

CONFIG = TrainConfig(prototypes=6, epochs=40, fast_epochs=40, top_p=0.3)


@pytest.mark.parametrize(
    ("higher", "lower", "expected"),
    [([3, 4], [1, 2], 1.0), ([1, 2], [3, 4], 0.0), ([1, 4], [2, 3], 0.5), ([2, 4], [1, 3], 0.75), ([1], [1], 0.5)],
)
def test_auroc_by_hand(higher: list[float], lower: list[float], expected: float) -> None:
    """The share of pairs in which the first is higher."""
    assert expected == auroc(np.array(higher, np.float32), np.array(lower, np.float32))
    assert None is auroc(np.array(higher, np.float32), np.empty(0, np.float32))


def clouds(seed: int, each: int = 120) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Six tight clouds, a category each, as two encoders see them: 16 and 8 dimensions, unrelated axes."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(6), each)
    full, fast = np.eye(16)[owner], np.random.default_rng(1).normal(size=(6, 8))[owner]
    rows = [seen + 0.15 * rng.normal(size=seen.shape) for seen in (full, fast)]
    full, fast = ((row / np.linalg.norm(row, axis=1, keepdims=True)).astype(np.float32) for row in rows)
    return full, fast, [f"cloud {number}" for number in owner]


@pytest.mark.slow
def test_a_second_encoder_finds_the_same_prototypes() -> None:
    pytest.importorskip("torch", reason="needs the extra `train`")
    full, fast, names = clouds(seed=0)
    unseen_full, unseen_fast, _ = clouds(seed=2)

    gate = with_fast(fit(full, names, "full", CONFIG, 0), full, fast, "fast", CONFIG, 0)

    same = gate.nearest(unseen_full) == gate.read_by("fast").nearest(unseen_fast)
    assert same.mean() > 0.95
    assert gate.space == gate.read_by("fast").space


@pytest.mark.slow
def test_noise_is_told_from_texts_with_a_topic() -> None:
    """The sixth cloud is noise; of the gate's own texts hardly any is lost."""
    pytest.importorskip("torch", reason="needs the extra `train`")
    full, fast, names = clouds(seed=0)
    names = [GIBBERISH if name == "cloud 5" else name for name in names]
    gate = with_fast(fit(full, names, "full", CONFIG, 0), full, fast, "fast", CONFIG, 0)

    found = calibrated(gate, names, (full, fast), CONFIG, 0)

    unseen_full, unseen_fast, _ = clouds(seed=2)
    topical = np.array(names) != GIBBERISH
    for encoder, rows in (("full", unseen_full), ("fast", unseen_fast)):
        reader = found.read_by(encoder)
        familiar = reader.is_familiar(reader.similarity(rows))
        assert familiar[topical].mean() > 0.95
        assert familiar[~topical].mean() < 0.05
    worth = found.training["unfamiliar"]["by_encoder"]
    assert ["full", "fast"] == [row["encoder"] for row in worth]
    assert worth[0]["auroc"] > 0.99
    assert worth[0]["lost"] <= 0.05 <= worth[0]["found"]
    assert found.margin > 0


@pytest.mark.slow
def test_without_noise_every_text_that_was_learnt_is_familiar() -> None:
    pytest.importorskip("torch", reason="needs the extra `train`")
    full, _, names = clouds(seed=0)

    found = calibrated(fit(full, names, "full", CONFIG, 0), names, (full,), CONFIG, 0)

    assert found.is_familiar(found.similarity(full)).mean() > 0.99
    assert None is found.training["unfamiliar"]["by_encoder"][0]["found"]
