"""The graph of a BERT too small to know anything, against the same network in NumPy."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from safetensors.numpy import save_file

from profiler.bert_graph import build

Floats = npt.NDArray[np.float32]
WIDTH, INNER, TOKENS = 8, 16, 30
CONFIG = {"num_attention_heads": 2, "layer_norm_eps": 1e-12, "num_hidden_layers": 2, "hidden_size": WIDTH}


@pytest.fixture(scope="module")
def weights() -> dict[str, Floats]:
    rng = np.random.default_rng(0)

    def tensor(*shape: int) -> Floats:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    found = {f"embeddings.{kind}_embeddings.weight": tensor(rows, WIDTH) for kind, rows in TABLES.items()}
    dense = {"attention.self.query": (WIDTH, WIDTH), "attention.self.key": (WIDTH, WIDTH)}
    dense |= {"attention.self.value": (WIDTH, WIDTH), "attention.output.dense": (WIDTH, WIDTH)}
    dense |= {"intermediate.dense": (INNER, WIDTH), "output.dense": (WIDTH, INNER)}
    for layer in range(2):
        for name, shape in dense.items():
            found |= {f"encoder.layer.{layer}.{name}.weight": tensor(*shape)}
            found |= {f"encoder.layer.{layer}.{name}.bias": tensor(shape[0])}
    for norm in (
        "embeddings",
        *(f"encoder.layer.{n}.{part}" for n in range(2) for part in ("attention.output", "output")),
    ):
        found |= {f"{norm}.LayerNorm.weight": tensor(WIDTH), f"{norm}.LayerNorm.bias": tensor(WIDTH)}
    return found


TABLES = {"word": TOKENS, "position": 12, "token_type": 2}


@pytest.fixture(scope="module")
def file(weights: dict[str, Floats], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bert") / "model.safetensors"
    save_file(weights, path)
    return path


def embed(file: Path, *texts: list[int], quantised: bool) -> list[Floats]:
    """Each text's embedding, (WIDTH,)."""
    session = onnxruntime.InferenceSession(build(file, CONFIG, quantised).SerializeToString())
    return [session.run(None, {"input_ids": np.array(ids, np.int64)})[0][0] for ids in texts]


def by_hand(w: dict[str, Floats], ids: list[int]) -> Floats:
    def norm(x: Floats, at: str) -> Floats:
        centred = x - x.mean(-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(-1, keepdims=True) + CONFIG["layer_norm_eps"])
        return centred / spread * w[f"{at}.LayerNorm.weight"] + w[f"{at}.LayerNorm.bias"]

    def dense(x: Floats, at: str) -> Floats:
        return x @ w[f"{at}.weight"].T + w[f"{at}.bias"]

    def heads(x: Floats) -> Floats:
        return x.reshape(len(ids), 2, WIDTH // 2).transpose(1, 0, 2)

    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings")
    for layer in range(2):
        at = f"encoder.layer.{layer}"
        q, k, v = (heads(dense(x, f"{at}.attention.self.{part}")) for part in ("query", "key", "value"))
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(WIDTH // 2)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (weights / weights.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(ids), WIDTH)
        x = norm(x + dense(mixed, f"{at}.attention.output.dense"), f"{at}.attention.output")
        inner = dense(x, f"{at}.intermediate.dense")
        gelu = inner * 0.5 * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
        x = norm(x + dense(gelu, f"{at}.output.dense"), f"{at}.output")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


SHORT, LONG = [3, 7, 1], [5, 5, 9, 29, 0, 2, 17, 11, 4]


def test_the_graph_computes_bert(weights: dict[str, Floats], file: Path) -> None:
    found = embed(file, SHORT, LONG, quantised=False)

    assert np.allclose([by_hand(weights, SHORT), by_hand(weights, LONG)], found, atol=1e-4)


def test_seven_bits_stay_close_to_it(file: Path) -> None:
    exact, rounded = embed(file, SHORT, LONG, quantised=False), embed(file, SHORT, LONG, quantised=True)

    assert all(0.97 < float(one @ other) < 0.9999999 for one, other in zip(exact, rounded, strict=True))
    assert np.allclose(1.0, [np.linalg.norm(row) for row in rounded], atol=1e-5)


def test_a_missing_tensor_is_named(weights: dict[str, Floats], tmp_path: Path) -> None:
    name = "encoder.layer.1.output.dense.weight"
    save_file({key: value for key, value in weights.items() if key != name}, tmp_path / "model.safetensors")

    with pytest.raises(KeyError, match=name):
        build(tmp_path / "model.safetensors", CONFIG)
