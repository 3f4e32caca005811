"""QAGate: embedding -> relevance over K prototypes (section V-B, Eq. 2-3). Numpy only; knows nothing of text or agents.

The artefact is a folder of gate.safetensors and config.json; the hash of both is the `space` in which capability
vectors are comparable.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

Floats = npt.NDArray[np.float32]

FORMAT = 1
TENSORS = ("hidden_weight", "hidden_bias", "output_weight", "output_bias", "prototypes", "prior")


class GateError(ValueError):
    """The gate cannot be used; the message says which file, what is wrong with it and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class QAGate:
    """A trained gate: two-layer ReLU MLP projector h and K prototypes c_k."""

    encoder: str  # name of the encoder whose embeddings it reads
    hidden_weight: Floats  # (d, hidden)
    hidden_bias: Floats  # (hidden,)
    output_weight: Floats  # (hidden, m)
    output_bias: Floats  # (m,)
    prototypes: Floats  # (K, m) unit rows: c_k
    prior: Floats  # (K,) mean capability of the agents known at training, in [0, 1]
    categories: tuple[str, ...]  # (K,) the task category of each prototype
    alpha: float = 4.0  # power of Eq. (3): amplifies dominant affinities
    top_p: float = 0.2  # fraction of prototypes kept by Eq. (3)
    training: Mapping[str, Any] = field(default_factory=dict)  # how it came to be: command, seed, settings, data
    space: str = field(init=False)  # 16 hex digits: vectors of one space, and of no other, are comparable

    def __post_init__(self) -> None:
        d, hidden = self.hidden_weight.shape
        K, m = self.prototypes.shape
        expected = {
            "hidden_weight": (d, hidden),
            "hidden_bias": (hidden,),
            "output_weight": (hidden, m),
            "output_bias": (m,),
            "prototypes": (K, m),
            "prior": (K,),
        }
        for name, shape in expected.items():
            array = getattr(self, name)
            if array.shape != shape:
                raise GateError(f"gate tensor {name} has shape {array.shape}, expected {shape}")
            if not np.isfinite(array).all():
                raise GateError(f"gate tensor {name} is not finite")
        if len(self.categories) != K:
            raise GateError(f"gate names {len(self.categories)} categories for {K} prototypes")
        if not (self.alpha > 0 and 0 < self.top_p <= 1):
            raise GateError(f"gate has alpha {self.alpha} and top_p {self.top_p}: need alpha > 0 and 0 < top_p <= 1")
        object.__setattr__(self, "space", self._hash())

    @property
    def K(self) -> int:  # noqa: N802
        """Number of prototypes."""
        return len(self.prototypes)

    @property
    def dim(self) -> int:
        """d, the width of the embeddings it reads."""
        return len(self.hidden_weight)

    @property
    def category_index(self) -> npt.NDArray[np.int64]:
        """(K,) index of each prototype's category in sorted order, as `scoring.capability` takes it."""
        names = sorted(set(self.categories))
        return np.array([names.index(category) for category in self.categories], np.int64)

    def similarity(self, embeddings: Floats) -> Floats:
        """f(q; θ), Eq. (2): (n, d) embeddings -> (n, K) cosines of the projection with each prototype."""
        hidden = np.maximum(embeddings @ self.hidden_weight + self.hidden_bias, 0)
        projected = hidden @ self.output_weight + self.output_bias
        norm = np.linalg.norm(projected, axis=1, keepdims=True)
        cosines: Floats = np.divide(projected, norm, out=np.zeros_like(projected), where=norm > 0) @ self.prototypes.T
        return cosines

    def relevance(self, embeddings: Floats) -> Floats:
        """f̃(q), Eq. (3): (n, d) embeddings -> (n, K) float32, rows sum to 1, at most top_p·K entries above 0."""
        return sharpen(self.similarity(embeddings), self.alpha, self.top_p)

    def nearest(self, embeddings: Floats) -> npt.NDArray[np.intp]:
        """(n,) index of the prototype nearest to each embedding (n, d)."""
        nearest: npt.NDArray[np.intp] = self.similarity(embeddings).argmax(axis=1)
        return nearest

    def save(self, folder: Path) -> None:
        """Writes config.json and gate.safetensors."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: np.ascontiguousarray(getattr(self, name), np.float32) for name in TENSORS}
        (folder / "gate.safetensors").write_bytes(save(tensors))
        config = json.loads(self._config()) | {"space": self.space, "training": dict(self.training)}
        (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, encoder: str | None = None) -> "QAGate":
        """The gate in this folder.

        Raises GateError when it is missing, damaged or changed, or was trained for another encoder than the one named.
        """
        config = _read_config(folder / "config.json")
        tensors = _read_tensors(folder / "gate.safetensors")
        if encoder is not None and encoder != config["encoder"]:
            raise GateError(
                f"the gate in {folder} reads embeddings of {config['encoder']}, not of {encoder}. "
                f"Use that encoder, or train a gate: ppai-profile train --encoder {encoder} ..."
            )
        gate = cls(
            encoder=config["encoder"],
            categories=tuple(config["categories"]),
            alpha=config["alpha"],
            top_p=config["top_p"],
            training=config["training"],
            **tensors,
        )
        for name, found in (("dim", gate.dim), ("K", gate.K), ("space", gate.space)):
            if config[name] != found:
                raise GateError(
                    f"the gate in {folder} is not what its config.json says: {name} is {found}, not {config[name]}. "
                    "Restore both files from one source, or train a new gate: ppai-profile train"
                )
        return gate

    def _hash(self) -> str:
        digest = hashlib.sha256(self._config())
        for name in TENSORS:
            digest.update(np.ascontiguousarray(getattr(self, name), "<f4").tobytes())
        return digest.hexdigest()[:16]

    def _config(self) -> bytes:
        """What is hashed beside the tensors: all that changes a relevance or the meaning of a vector."""
        config = {
            "format": FORMAT,
            "encoder": self.encoder,
            "dim": self.dim,
            "K": self.K,
            "alpha": self.alpha,
            "top_p": self.top_p,
            "categories": self.categories,
        }
        return json.dumps(config, ensure_ascii=False).encode()


def shipped_gate() -> Path:
    """The folder of the gate, and of the built-in query set, that come with PPAI."""
    room = Path(__file__).parent
    packed = room / "_data" / "gate"  # in the wheel; a checkout has them in configs/
    return packed if packed.is_dir() else room.parent / "configs" / "gate"


def sharpen(similarity: Floats, alpha: float, top_p: float) -> Floats:
    """Eq. (3): cosines (n, K) -> relevance (n, K) float32: clipped at 0, power alpha, top-p mask, rows sum to 1.

    A query with no positive cosine is like no prototype: its relevance is uniform, which scores agents by their mean.
    """
    n, K = similarity.shape
    kept = int(np.ceil(top_p * K - 1e-9))
    powered = np.maximum(similarity, 0).astype(np.float64) ** alpha
    masked = np.zeros_like(powered)
    top = np.argsort(-powered, axis=1, kind="stable")[:, :kept]
    np.put_along_axis(masked, top, np.take_along_axis(powered, top, axis=1), axis=1)
    total = masked.sum(1, keepdims=True)
    uniform = np.full((n, K), 1 / K)
    relevance: Floats = np.divide(masked, total, out=uniform, where=total > 0).astype(np.float32)
    return relevance


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise GateError(f"no gate: {path}: {error.strerror}. Train one with: ppai-profile train") from error
    except ValueError as error:
        raise GateError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise GateError(f"{path} is not a gate of format {FORMAT}: upgrade PPAI, or train again: ppai-profile train")
    missing = {"encoder", "dim", "K", "alpha", "top_p", "categories", "space", "training"} - config.keys()
    if missing:
        raise GateError(f"{path} lacks {', '.join(sorted(missing))}")
    return config


def _read_tensors(path: Path) -> dict[str, Floats]:
    try:
        tensors = load(path.read_bytes())
    except OSError as error:
        raise GateError(f"no gate weights: {path}: {error.strerror}. Restore the file or train again") from error
    except SafetensorError as error:
        raise GateError(f"{path} is damaged: {error}. Restore the file or train again") from error
    if set(tensors) != set(TENSORS):
        raise GateError(f"{path} holds {sorted(tensors)}, expected {sorted(TENSORS)}")
    return tensors
