"""Training: labels, soft targets, and a gate that tells its categories apart. Torch runs in `make test-all`."""

import numpy as np
import pytest

from profiler.train import TrainConfig, TrainError, cluster, fit, require, soft_target


def test_soft_target_by_hand() -> None:
    """Centroids orthogonal, temperature 1/ln 3: softmax of cosines (1, 0) is (3/4, 1/4); half that, half one-hot."""
    embeddings = np.eye(2, dtype=np.float32)

    target = soft_target(embeddings, np.array([0, 1]), 2, 1 / np.log(3))

    assert np.allclose([[0.875, 0.125], [0.125, 0.875]], target)


def clouds(seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """300 texts of "big" in four tight clouds, 60 of "small" in two, on the unit sphere of 16 dimensions."""
    rng = np.random.default_rng(seed)
    centres = np.eye(16)[:6]
    owner = np.repeat(np.arange(6), [75, 75, 75, 75, 30, 30])
    points = centres[owner] + 0.1 * rng.normal(size=(len(owner), 16))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points.astype(np.float32), ["big" if cloud < 4 else "small" for cloud in owner]


def test_fewer_texts_or_prototypes_than_needed_are_refused() -> None:
    points, names = clouds()

    with pytest.raises(TrainError, match="at least as many texts"):
        cluster(points[:5], np.array(names[:5]), TrainConfig(prototypes=6), 0)
    with pytest.raises(TrainError, match="at most as many tasks"):
        cluster(points, np.array(names), TrainConfig(prototypes=1), 0)


def test_what_training_needs_is_named_before_a_text_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainConfig(prototypes=6)
    monkeypatch.setattr("profiler.train.find_spec", lambda name: object())
    require(clouds()[1], config)
    with pytest.raises(TrainError, match=r"at least as many texts \(5\)"):
        require(["big"] * 5, config)

    monkeypatch.setattr("profiler.train.find_spec", lambda name: None)
    with pytest.raises(TrainError, match=r"pip install 'ppai\[train\]' \(missing: torch, sklearn\)"):
        require(clouds()[1], config)


@pytest.mark.slow
def test_clusters_lie_inside_categories() -> None:
    pytest.importorskip("sklearn", reason="needs the extra `train`")
    points, names = clouds()

    labels, owners = cluster(points, np.array(names), TrainConfig(prototypes=6), 0)

    assert ("big", "big", "big", "big", "small", "small") == owners
    assert names == [owners[label] for label in labels]
    assert 6 == len({(int(label), int(cloud)) for label, cloud in zip(labels, points.argmax(1), strict=True)})


@pytest.mark.slow
def test_rows_beyond_the_sample_join_the_nearest_cluster() -> None:
    pytest.importorskip("sklearn", reason="needs the extra `train`")
    points, names = clouds()

    labels, _ = cluster(points, np.array(names), TrainConfig(prototypes=6, ward_rows=60), 0)

    assert 6 == len({(int(label), int(cloud)) for label, cloud in zip(labels, points.argmax(1), strict=True)})


@pytest.mark.slow
@pytest.mark.parametrize("labels", ["category", "all"])
def test_a_gate_learns_what_it_is_shown(labels: str) -> None:
    pytest.importorskip("torch", reason="needs the extra `train`")
    points, names = clouds()
    unseen, unseen_names = clouds(seed=1)
    ability = np.where(np.array(names) == "small", 0.9, np.nan).astype(np.float32)
    config = TrainConfig(prototypes=6, labels=labels, epochs=60)  # type: ignore[arg-type]

    gate = fit(points, names, "toy", config, 0, ability)

    assert unseen_names == [gate.tasks[k] for k in gate.nearest(unseen)]
    within = fit(points, names, "toy", config, 0, categories={"big": "size"})
    assert {("big", "size"), ("small", "small")} == set(zip(within.tasks, within.categories, strict=True))
    assert np.allclose(0.9, gate.prior)
    assert gate.space == fit(points, names, "toy", config, 0, ability).space
    assert gate.space != fit(points, names, "toy", config, 1, ability).space
