"""QAGate: embedding -> relevance over K prototypes (section V-B, Eq. 2-3). Numpy only; knows nothing of text or agents.

Prototypes are learnt with one encoder. A second, faster encoder may have a projector of its own into the same space, so
that one published vector serves both. A gate is stored as a folder with gate.safetensors and config.json (and the fast
encoder in fast/). Its `space` is the hash of all that can change a relevance: capability vectors are comparable in one
space only.

Two formats are read. In format 3 each prototype has two names, a task ("sql") and the category that it lies in; some
prototypes are of `gibberish`, which is no topic; and vectors carry means. In format 2 task and category are the same.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from profiler.relevance import margins, sharpen

Floats = npt.NDArray[np.float32]

FORMATS = (2, 3)  # of config.json
GIBBERISH = "gibberish"  # task and category of the prototypes that noise lies near
LAYERS = ("hidden_weight", "hidden_bias", "output_weight", "output_bias")
SHARED = ("prototypes", "prior")
_LEAST_NORM = np.finfo(np.float32).tiny  # it divides
KEYS = {"K", "alpha", "top_p", "categories", "projectors", "margin", "space", "training"}  # format 3 has "tasks", too


class GateError(ValueError):
    """The gate cannot be used; the message names the file, what is wrong with it and the remedy."""


@dataclass(frozen=True, slots=True, eq=False)
class Projector:
    """h: an embedding of one encoder -> the space of the prototypes. A two-layer MLP with ReLU."""

    encoder: str  # name of the encoder whose embeddings it reads, with its quantisation
    hidden_weight: Floats  # (d, hidden)
    hidden_bias: Floats  # (hidden,)
    output_weight: Floats  # (hidden, m)
    output_bias: Floats  # (m,)
    familiar: float = -2.0  # a text is familiar from this `familiarity` on; -2: every text is

    @property
    def dim(self) -> int:
        """d, the length of an embedding."""
        return len(self.hidden_weight)

    def project(self, embeddings: Floats) -> Floats:
        """(n, d) embeddings -> (n, m) unit rows. An embedding of zeros (a text without a known word) stays zeros."""
        hidden = np.maximum(embeddings @ self.hidden_weight + self.hidden_bias, 0)
        projected = hidden @ self.output_weight + self.output_bias
        norm = np.sqrt(np.add.reduce(projected * projected, axis=1, keepdims=True))
        norm[np.logical_not(np.logical_or.reduce(embeddings, axis=1))] = np.inf
        unit: Floats = projected / np.maximum(norm, _LEAST_NORM)
        return unit


@dataclass(frozen=True, slots=True, eq=False)
class QAGate:
    """A trained gate: K prototypes c_k, and a projector h for each encoder whose embeddings it takes."""

    projectors: tuple[Projector, ...]  # the first one is of the encoder that the prototypes were learnt with
    prototypes: Floats  # (K, m) unit rows: c_k
    prior: Floats  # (K,) mean capability of the agents known at training, in [0, 1]
    categories: tuple[str, ...]  # (K,) the category of each prototype
    tasks: tuple[str, ...] = ()  # (K,) the task of each prototype, a part of its category; () stands for the categories
    alpha: float = 4.0  # power of Eq. (3): amplifies dominant affinities
    top_p: float = 0.2  # fraction of prototypes kept by Eq. (3)
    margin: float = 0.0  # the fast encoder is in doubt of a text whose `margins` is below it; 0: never
    training: Mapping[str, Any] = field(default_factory=dict)  # how it was made: command, seed, settings, data
    carries_means: bool = True  # vectors are means and whoever receives one takes doubt off; False: who publishes does
    reads: int = 0  # index of the projector in use; no part of the space
    is_topic: npt.NDArray[np.bool_] = field(init=False)  # (K,) False for gibberish, to which nothing is relevant
    topics: npt.NDArray[np.intp] = field(init=False)  # (T,) where it is true
    noise: npt.NDArray[np.intp] = field(init=False)  # (K - T,) where it is not
    evenly: Floats = field(init=False)  # (K,) the relevance that scores by general ability: the same for every topic
    space: str = field(init=False)  # 16 hex digits: vectors of one space, and of no other, are comparable

    def __post_init__(self) -> None:
        if not self.tasks:
            object.__setattr__(self, "tasks", self.categories)
        is_topic = [not self.carries_means or category != GIBBERISH for category in self.categories]
        object.__setattr__(self, "is_topic", np.array(is_topic, np.bool_))
        object.__setattr__(self, "topics", np.flatnonzero(self.is_topic))
        object.__setattr__(self, "noise", np.flatnonzero(~self.is_topic))
        self._check()
        object.__setattr__(self, "evenly", self.relevance_of(np.zeros((1, self.K), np.float32))[0])
        object.__setattr__(self, "space", self._hash())

    @property
    def K(self) -> int:  # noqa: N802
        """Number of prototypes."""
        return len(self.prototypes)

    @property
    def projector(self) -> Projector:
        """The projector in use."""
        return self.projectors[self.reads]

    @property
    def encoder(self) -> str:
        """Name of the encoder whose embeddings this gate takes."""
        return self.projector.encoder

    @property
    def dim(self) -> int:
        """Length d of an embedding."""
        return self.projector.dim

    @property
    def task_index(self) -> npt.NDArray[np.int64]:
        """(K,) index of each prototype's task among the sorted task names."""
        return _index(self.tasks)

    @property
    def category_index(self) -> npt.NDArray[np.int64]:
        """(K,) index of each prototype's category among the sorted category names."""
        return _index(self.categories)

    def read_by(self, encoder: str) -> "QAGate":
        """The same gate, same space, for embeddings of this encoder. Raises GateError where it has no projector."""
        names = [projector.encoder for projector in self.projectors]
        if encoder not in names:
            raise GateError(
                f"the gate {self.space} reads embeddings of {' and '.join(names)}, not of {encoder}. "
                f"Use that encoder, or train a gate: ppai-profile train --encoder {encoder} ..."
            )
        return replace(self, reads=names.index(encoder))

    def similarity(self, embeddings: Floats) -> Floats:
        """f(q; θ), Eq. (2): (n, d) embeddings -> (n, K) cosines of the projection with each prototype."""
        cosines: Floats = self.projector.project(embeddings) @ self.prototypes.T
        return cosines

    def relevance(self, embeddings: Floats) -> Floats:
        """f̃(q), Eq. (3): (n, d) embeddings -> (n, K) float32, rows sum to 1, at most top_p·K entries above 0."""
        return self.relevance_of(self.similarity(embeddings))

    def relevance_of(self, similarity: Floats) -> Floats:
        """f̃(q), Eq. (3), from cosines (n, K): those with gibberish count for nothing."""
        if not len(self.noise):
            return sharpen(similarity, self.alpha, self.top_p)
        relevance = np.zeros(similarity.shape, np.float32)
        relevance[:, self.topics] = sharpen(similarity[:, self.topics], self.alpha, self.top_p)
        return relevance

    def nearest(self, embeddings: Floats) -> npt.NDArray[np.intp]:
        """(n,) index of the topical prototype nearest to each embedding (n, d)."""
        return self.nearest_of(self.similarity(embeddings))

    def nearest_of(self, similarity: Floats) -> npt.NDArray[np.intp]:
        """(n,) index of the nearest topical prototype, from cosines (n, K)."""
        nearest: npt.NDArray[np.intp] = self.topics[similarity[:, self.topics].argmax(axis=1)]
        return nearest

    def familiarity(self, similarity: Floats) -> Floats:
        """(n,) how far a text is from noise; `similarity`: its cosines (n, K).

        The nearest topical prototype's cosine less the nearest one's of gibberish. A gate that knows no gibberish has
        the first alone, which hardly tells (docs/results.md#unlike-everything-known).
        """
        best: Floats = np.maximum.reduce(similarity[:, self.topics], axis=1)
        return best - np.maximum.reduce(similarity[:, self.noise], axis=1) if len(self.noise) else best

    def is_familiar(self, similarity: Floats, familiarity: Floats | None = None) -> npt.NDArray[np.bool_]:
        """(n,) whether the `familiarity` of a text, where it is known already, reaches `familiar` of the projector.

        A text without a known word, whose cosines are all 0, is not familiar: nothing is known of it.
        """
        familiarity = self.familiarity(similarity) if familiarity is None else familiarity
        familiar: npt.NDArray[np.bool_] = np.logical_or.reduce(similarity, axis=1)
        return familiar & (familiarity >= self.projector.familiar)

    def margins(self, similarity: Floats) -> Floats:
        """(n,) how sure a reading is, see `margins`; among the topical prototypes."""
        return margins(similarity[:, self.topics])

    def save(self, folder: Path) -> None:
        """Write config.json and gate.safetensors into this folder."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: np.ascontiguousarray(value, np.float32) for name, value in self._tensors()}
        (folder / "gate.safetensors").write_bytes(save(tensors))
        config = json.loads(self._config()) | {"space": self.space, "training": dict(self.training)}
        (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, encoder: str | None = None) -> "QAGate":
        """The gate in this folder, for embeddings of the encoder named, else of the one it was learnt with.

        Raises GateError when a file is missing, damaged or changed, or there is no projector for the encoder named.
        """
        config = _read_config(folder / "config.json")
        tensors = _read_tensors(folder / "gate.safetensors", len(config["projectors"]))
        projectors = []
        for i, row in enumerate(config["projectors"]):
            layers: dict[str, Any] = {name: tensors[f"{i}.{name}"] for name in LAYERS}
            projectors.append(Projector(row["encoder"], **layers, familiar=row["familiar"]))
        settings: dict[str, Any] = {name: config[name] for name in ("alpha", "top_p", "margin", "training")}
        settings |= {name: tensors[name] for name in SHARED}
        if config["format"] > 2:
            settings["tasks"] = tuple(config["tasks"])
        settings["carries_means"] = config["format"] > 2
        gate = cls(tuple(projectors), categories=tuple(config["categories"]), **settings)
        dims = [row["dim"] for row in config["projectors"]]
        for name, found, recorded in (
            ("dim", [projector.dim for projector in projectors], dims),
            ("K", gate.K, config["K"]),
            ("space", gate.space, config["space"]),
        ):
            if recorded != found:
                raise GateError(
                    f"the gate in {folder} is not what its config.json says: {name} is {found}, not {recorded}. "
                    "Restore both files from one source, or train a new gate: ppai-profile train"
                )
        return gate if encoder is None else gate.read_by(encoder)

    def _check(self) -> None:
        K, m = self.prototypes.shape
        for name, array in self._tensors():
            expected: tuple[int, ...] = {"prototypes": (K, m), "prior": (K,)}.get(name, ())
            if not expected:
                d, hidden = self.projectors[int(name[0])].hidden_weight.shape
                layers = {"hidden_weight": (d, hidden), "hidden_bias": (hidden,)}
                layers |= {"output_weight": (hidden, m), "output_bias": (m,)}
                expected = layers[name[2:]]
            if array.shape != expected:
                raise GateError(f"gate tensor {name} has shape {array.shape}, expected {expected}")
            if not np.isfinite(array).all():
                raise GateError(f"gate tensor {name} is not finite")
        for kind, names in (("categories", self.categories), ("tasks", self.tasks)):
            if len(names) != K:
                raise GateError(f"gate names {len(names)} {kind} for {K} prototypes")
        if not self.carries_means and self.tasks != self.categories:
            raise GateError("a gate whose vectors carry no means (format 2) has one name a prototype, no `tasks`")
        if not self.is_topic.any():
            raise GateError("gate has no prototype but those of gibberish: train it on texts with topics")
        if not (self.alpha > 0 and 0 < self.top_p <= 1):
            raise GateError(f"gate has alpha {self.alpha} and top_p {self.top_p}: need alpha > 0 and 0 < top_p <= 1")

    def _tensors(self) -> Iterable[tuple[str, Floats]]:
        for i, projector in enumerate(self.projectors):
            yield from ((f"{i}.{name}", getattr(projector, name)) for name in LAYERS)
        yield from ((name, getattr(self, name)) for name in SHARED)

    def _hash(self) -> str:
        digest = hashlib.sha256(self._config())
        for _, array in self._tensors():
            digest.update(np.ascontiguousarray(array, "<f4").tobytes())
        return digest.hexdigest()[:16]

    def _config(self) -> bytes:
        """The settings that are hashed beside the tensors: all that change a relevance or the meaning of a vector."""
        config = {
            "format": 3 if self.carries_means else 2,
            "K": self.K,
            "alpha": self.alpha,
            "top_p": self.top_p,
            "margin": self.margin,
            "projectors": [
                {"encoder": one.encoder, "dim": one.dim, "familiar": one.familiar} for one in self.projectors
            ],
            "categories": self.categories,
        }
        if self.carries_means:
            config["tasks"] = self.tasks
        return json.dumps(config, ensure_ascii=False).encode()


def shipped_gate() -> Path:
    """The folder of the gate, and of the built-in query set, that come with PPAI."""
    room = Path(__file__).parent
    packed = room / "_data" / "gate"  # in the wheel; a checkout has the files in configs/gate
    return packed if packed.is_dir() else room.parent / "configs" / "gate"


def _index(names: Sequence[str]) -> npt.NDArray[np.int64]:
    """(K,) index of each name among the sorted distinct ones."""
    order = {name: place for place, name in enumerate(sorted(set(names)))}
    return np.array([order[name] for name in names], np.int64)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise GateError(f"no gate: {path}: {error.strerror}. Train one with: ppai-profile train") from error
    except (ValueError, RecursionError) as error:
        raise GateError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict) or config.get("format") not in FORMATS:
        raise GateError(
            f"{path} is not a gate of format {' or '.join(map(str, FORMATS))}: upgrade PPAI, or train again: "
            "ppai-profile train"
        )
    if missing := (KEYS | {"tasks"} if config["format"] > 2 else KEYS) - config.keys():
        raise GateError(f"{path} lacks {', '.join(sorted(missing))}")
    return config


def _read_tensors(path: Path, projectors: int) -> dict[str, Floats]:
    try:
        tensors = load(path.read_bytes())
    except OSError as error:
        raise GateError(f"no gate weights: {path}: {error.strerror}. Restore the file or train again") from error
    except SafetensorError as error:
        raise GateError(f"{path} is damaged: {error}. Restore the file or train again") from error
    expected = {*SHARED, *(f"{i}.{name}" for i in range(projectors) for name in LAYERS)}
    if set(tensors) != expected:
        raise GateError(f"{path} holds {sorted(tensors)}, expected {sorted(expected)}")
    return tensors
