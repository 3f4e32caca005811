"""Fits a QAGate to texts (section V-B), in three steps. Needs the extra `train`; serving never loads it.

`cluster` groups the texts into K prototypes, `soft_target` says how much each text belongs to each of them, and a small
network learns that by its KL divergence.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from profiler.qagate import LAYERS, Projector, QAGate

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

_NEEDS = "training needs torch and scikit-learn: pip install 'ppai[train]'"


class TrainError(ValueError):
    """A gate cannot be trained; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Hyper-parameters of one gate."""

    prototypes: int = 20  # K: docs/results.md#how-the-gates-numbers-were-chosen
    labels: Literal["category", "all"] = "category"  # ward inside each task, or over everything (the paper)
    hidden: int = 256  # width of the MLP's hidden layer
    width: int = 128  # m, width of the prototypes
    temperature: float = 0.1  # of the softmax in Eq. (1); cosines lie in [-1, 1], so at 1 it would be nearly flat
    target_temperature: float = 0.05  # of the soft half of the target
    epochs: int = 20
    batch: int = 256  # texts
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    alpha: float = 4.0  # power of Eq. (3)
    top_p: float = 0.2  # share of prototypes that Eq. (3) keeps
    fast_epochs: int = 10  # of a second encoder's projector, which overfits with more
    ward_rows: int = 4000  # rows that ward clusters, since its memory is quadratic in them; the rest joins after


def require(tasks: Sequence[str], config: TrainConfig) -> None:
    """Checks that `fit` can run on texts of these tasks: call it before the minutes that encoding takes.

    Raises TrainError without torch or scikit-learn, and where texts or tasks do not suit `config.prototypes`.
    """
    missing = [name for name in ("torch", "sklearn") if find_spec(name) is None]
    if missing:
        raise TrainError(f"{_NEEDS} (missing: {', '.join(missing)})")
    _require_room(len(tasks), len(set(tasks)), config)


def fit(
    embeddings: Floats,
    tasks: Sequence[str],
    encoder: str,
    config: TrainConfig,
    seed: int,
    ability: Floats | None = None,
    progress: Callable[[int], None] = lambda epochs: None,
    categories: Mapping[str, str] | None = None,
) -> QAGate:
    """A gate for embeddings (n, d) whose texts belong to these tasks (n,).

    categories: {task: category}; a task that it lacks is its own category.
    ability (n,): mean grade of reference agents on each text, NaN where unknown; by prototype it becomes the gate's
    prior, 0.5 where nothing is known. `progress` is called with the epochs done. Raises TrainError when there are fewer
    texts than prototypes, more tasks than prototypes, or no torch.
    """
    torch = _torch()
    torch.set_num_threads(1)
    names = np.asarray(tasks)
    labels, owners = cluster(embeddings, names, config, seed)
    target = soft_target(embeddings, labels, len(owners), config.target_temperature)
    generator = torch.Generator().manual_seed(seed)
    model = _projector(embeddings.shape[1], len(owners), config, generator)
    loss = _learn(model, embeddings, target, config, config.epochs, generator, progress)

    learned = {name: value.detach().numpy().copy() for name, value in model.items()}
    prototypes = learned.pop("prototypes")
    prototypes /= np.linalg.norm(prototypes, axis=1, keepdims=True)
    record = {"seed": seed, "texts": len(embeddings), "loss": round(loss, 4), **asdict(config)}
    within = categories or {}
    return QAGate(
        (Projector(encoder, **learned),), prototypes, _prior(labels, len(owners), ability),
        tuple(within.get(task, task) for task in owners), tasks=owners,
        alpha=config.alpha, top_p=config.top_p, training=record,
    )  # fmt: skip


def with_fast(gate: QAGate, embeddings: Floats, fast: Floats, encoder: str, config: TrainConfig, seed: int) -> QAGate:
    """The gate with a second projector, for embeddings `fast` (n, e) of a faster encoder of this name.

    `embeddings` (n, d): those of the same texts for the first projector. The prototypes stay. The second projector
    learns to place each text where the first one places it. Raises TrainError without torch.
    """
    torch = _torch()
    torch.set_num_threads(1)
    target = _softmax(gate.similarity(embeddings) / config.temperature)
    generator = torch.Generator().manual_seed(seed)
    model = _projector(fast.shape[1], gate.K, config, generator)
    model["prototypes"] = torch.from_numpy(gate.prototypes.copy())
    _learn(model, fast, target, config, config.fast_epochs, generator)
    learned = {name: model[name].detach().numpy().copy() for name in LAYERS}
    return replace(gate, projectors=(gate.projectors[0], Projector(encoder, **learned)))


def cluster(
    embeddings: Floats, tasks: npt.NDArray[Any], config: TrainConfig, seed: int
) -> tuple[Labels, tuple[str, ...]]:
    """Labels (n,) of prototypes, and each prototype's task (K,).

    "category": K is shared among the tasks by the square root of their size, at least one each. "all": K ward
    clusters over everything, each named after the task that most of its texts are of. Raises TrainError when there
    are fewer texts than prototypes, or more tasks than prototypes.
    """
    names = sorted(set(tasks.tolist()))
    _require_room(len(embeddings), len(names), config)
    rng = np.random.default_rng(seed)
    if config.labels == "all":
        labels = _ward(embeddings, config.prototypes, config.ward_rows, rng)
        majority = [_most_common(tasks[labels == k]) for k in range(config.prototypes)]
        return labels, tuple(majority)
    labels = np.empty(len(embeddings), np.int64)
    owners: list[str] = []
    sizes = [int((tasks == name).sum()) for name in names]
    for name, count in zip(names, _shares(sizes, config.prototypes), strict=True):
        rows = np.flatnonzero(tasks == name)
        labels[rows] = len(owners) + _ward(embeddings[rows], count, config.ward_rows, rng)
        owners += [name] * count
    return labels, tuple(owners)


def soft_target(embeddings: Floats, labels: Labels, K: int, temperature: float) -> Floats:
    """p̂ (n, K), rows sum to 1: half the label itself, half softmax(cosine to the labels' centroids / temperature)."""
    hard = np.eye(K)[labels]  # float64, so that the order in which BLAS threads add does not change the weights
    centroids = hard.T @ embeddings.astype(np.float64)
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    target: Floats = (0.5 * hard + 0.5 * _softmax(embeddings @ centroids.T / temperature)).astype(np.float32)
    return target


def _learn(
    model: dict[str, Any],
    embeddings: Floats,
    target: Floats,
    config: TrainConfig,
    epochs: int,
    generator: Any,
    progress: Callable[[int], None] = lambda epochs: None,
) -> float:
    """Minimise Eq. (1) in place, for the parameters of `model` that require a gradient: the last batch's loss."""
    torch = _torch()
    texts, wanted = torch.from_numpy(np.ascontiguousarray(embeddings, np.float32)), torch.from_numpy(target)
    parameters = [value for value in model.values() if value.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    for epoch in range(epochs):
        for rows in torch.randperm(len(texts), generator=generator).split(config.batch):
            predicted = torch.log_softmax(_cosines(model, texts[rows]) / config.temperature, dim=1)
            loss = torch.nn.functional.kl_div(predicted, wanted[rows], reduction="batchmean")
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        progress(epoch + 1)
    return float(loss.item())


def _require_room(texts: int, tasks: int, config: TrainConfig) -> None:
    if texts < config.prototypes or (tasks > config.prototypes and config.labels == "category"):
        raise TrainError(
            f"{config.prototypes} prototypes need at least as many texts ({texts}) "
            f"and at most as many tasks ({tasks}): name another number with --prototypes"
        )


def _softmax(logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    shares: npt.NDArray[Any] = powers / powers.sum(1, keepdims=True)
    return shares


def _shares(sizes: Sequence[int], total: int) -> list[int]:
    """`total` prototypes shared by the square root of `sizes`: at least 1 each, at most its size."""
    shares = [1] * len(sizes)
    for _ in range(total - len(sizes)):
        open_ = [i for i, size in enumerate(sizes) if shares[i] < size]
        fullest = max(open_, key=lambda i: sizes[i] ** 0.5 / shares[i])
        shares[fullest] += 1
    return shares


def _ward(embeddings: Floats, count: int, limit: int, rng: np.random.Generator) -> Labels:
    """Labels (n,) of `count` ward clusters of a sample of `limit` rows; other rows join the nearest centroid."""
    from sklearn.cluster import AgglomerativeClustering

    if count == 1:
        return np.zeros(len(embeddings), np.int64)
    sample = rng.permutation(len(embeddings))[:limit]
    found = AgglomerativeClustering(count, linkage="ward").fit_predict(embeddings[sample])
    centroids = np.stack([embeddings[sample][found == k].mean(0) for k in range(count)])
    labels: Labels = (embeddings @ centroids.T - (centroids**2).sum(1) / 2).argmax(1)
    labels[sample] = found
    return labels


def _most_common(names: npt.NDArray[Any]) -> str:
    values, counts = np.unique(names, return_counts=True)
    return str(values[counts.argmax()])


def _projector(d: int, K: int, config: TrainConfig, generator: Any) -> dict[str, Any]:
    """New parameters, named as QAGate's fields: uniform in ±1/sqrt(inputs), as torch.nn.Linear has; zero biases."""
    torch = _torch()

    def weight(inputs: int, outputs: int) -> Any:
        return (2 * torch.rand(inputs, outputs, generator=generator) - 1) / inputs**0.5

    model = {
        "hidden_weight": weight(d, config.hidden),
        "hidden_bias": torch.zeros(config.hidden),
        "output_weight": weight(config.hidden, config.width),
        "output_bias": torch.zeros(config.width),
        "prototypes": weight(config.width, K).T.contiguous(),
    }
    return {name: value.requires_grad_() for name, value in model.items()}


def _cosines(model: dict[str, Any], texts: Any) -> Any:
    """Eq. (2), as QAGate.similarity computes it."""
    torch = _torch()
    hidden = torch.relu(texts @ model["hidden_weight"] + model["hidden_bias"])
    projected = hidden @ model["output_weight"] + model["output_bias"]
    normalise = torch.nn.functional.normalize
    return normalise(projected, dim=1) @ normalise(model["prototypes"], dim=1).T


def _prior(labels: Labels, K: int, ability: Floats | None) -> Floats:
    """(K,) mean ability by prototype, shrunk to the overall mean by 10 pseudo-texts."""
    if ability is None or not np.isfinite(ability).any():
        return np.full(K, 0.5, np.float32)
    known = np.isfinite(ability)
    counts = np.bincount(labels[known], minlength=K)
    sums = np.bincount(labels[known], ability[known], minlength=K)
    prior: Floats = ((sums + 10 * ability[known].mean()) / (counts + 10)).astype(np.float32)
    return prior


def _torch() -> Any:
    """torch, untyped whether it is installed or not."""
    try:
        return import_module("torch")
    except ImportError as error:
        raise TrainError(_NEEDS) from error
