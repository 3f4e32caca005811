"""Choosing the settings on data held out."""

import numpy as np
import pytest

from benchmarks.outcomes import Outcomes
from benchmarks.routing.choose import judge
from benchmarks.routing.routers import Split


@pytest.mark.slow
def test_choosing_holds_out_folds_tasks_and_clusters() -> None:
    pytest.importorskip("torch", reason="needs the extra `train`")
    rng = np.random.default_rng(0)
    tasks = np.repeat(["maths", "law", "code"], 60)
    embeddings = np.eye(3, 16)[np.repeat(range(3), 60)] + 0.3 * rng.normal(size=(180, 16))
    embeddings = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32)
    scores = np.stack([tasks == "maths", tasks != "maths"], axis=1).astype(float)
    outcomes = Outcomes(tuple(map(str, range(180))), tasks, ("a", "b"), scores)

    rows = judge(Split(outcomes, embeddings, embeddings), 12, [0])

    assert 16 == len(rows)
    assert all(row["folds"] > 95 and row["tasks"] < 70 for row in rows)  # held-out maths finds nobody who knows it
