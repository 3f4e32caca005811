"""Makes an ONNX graph of a BERT sentence encoder's safetensors, pooling and L2 norm included. Knows no tokenizer.

The graph embeds one text a run, without padding or mask. Activations are quantised per tensor, so in a batch a text's
embedding would depend on the other texts, and on one core a batch of longer texts is no faster
(docs/results.md#encoder-how-text-is-embedded).

Weights are int8 with one scale for each output channel (in the embedding table for each row); activations are quantised
at run time. Weights use 7 of the 8 bits: a CPU without VNNI sums the products of two bytes in 16 bits, where 8-bit
weights would overflow (onnxruntime calls this reduce_range), and peers on any CPU must give the same embedding.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

if TYPE_CHECKING:
    from onnx import ModelProto

Floats = npt.NDArray[np.float32]
WEIGHT_MAX = 63  # 7 bits, symmetric
OPSET = 20  # the first with Gelu


class _Graph:
    """Collects nodes and weights. Every method adds an operation and returns the name of its output."""

    def __init__(self, weights: dict[str, Floats], quantised: bool) -> None:
        self.weights = weights
        self.quantised = quantised
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        from onnx import helper

        names = [f"{kind}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def const(self, value: npt.NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"const_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def ints(self, *values: int) -> str:
        return self.const(np.array(values, np.int64))

    def rows(self, table: Floats, ids: str) -> str:
        """Look up the rows of `table` (tokens, hidden) by `ids`."""
        if not self.quantised:
            return str(self.op("Gather", self.const(table), ids))
        scale = np.abs(table).max(1, keepdims=True) / 127  # all 8 bits: rows are never multiplied as bytes
        rows = self.op("Gather", self.const(np.round(table / np.maximum(scale, 1e-12)).astype(np.int8)), ids)
        return str(self.op("Mul", self.op("Cast", rows, to=1), self.op("Gather", self.const(scale), ids)))

    def dense(self, x: str, weight: Floats, bias: Floats) -> str:
        """x @ weight + bias, weight (in, out)."""
        if not self.quantised:
            return str(self.op("Add", self.op("MatMul", x, self.const(weight)), self.const(bias)))
        scale = np.abs(weight).max(0) / WEIGHT_MAX
        xq, x_scale, x_zero = self.op("DynamicQuantizeLinear", x, outputs=3)
        product = self.op("MatMulInteger", xq, self.const(np.round(weight / scale).astype(np.int8)), x_zero)
        scaled = self.op("Mul", self.op("Cast", product, to=1), self.op("Mul", x_scale, self.const(scale)))
        return str(self.op("Add", scaled, self.const(bias)))

    def layer(self, x: str, prefix: str) -> str:
        return self.dense(x, self.weights[f"{prefix}.dense.weight"].T, self.weights[f"{prefix}.dense.bias"])

    def norm(self, x: str, prefix: str, epsilon: float) -> str:
        gain, bias = (self.const(self.weights[f"{prefix}.LayerNorm.{n}"]) for n in ("weight", "bias"))
        return str(self.op("LayerNormalization", x, gain, bias, epsilon=epsilon, axis=-1))


def _attention(g: _Graph, x: str, prefix: str, heads: int) -> str:
    names = [f"{prefix}.self.{n}" for n in ("query", "key", "value")]
    weight = np.concatenate([g.weights[f"{n}.weight"].T for n in names], 1)
    bias = np.concatenate([g.weights[f"{n}.bias"] for n in names])
    width = weight.shape[0]
    head = width // heads
    weight[:, :width] /= np.sqrt(head)  # the 1/√head of softmax(q·k/√head) goes into the query's weights
    bias[:width] /= np.sqrt(head)
    qkv = g.op("Reshape", g.dense(x, weight, bias), g.ints(0, 3, heads, head))
    parts = g.op("Split", g.op("Transpose", qkv, perm=[1, 2, 0, 3]), outputs=3, axis=0, num_outputs=3)
    query, key, value = (g.op("Squeeze", part, g.ints(0)) for part in parts)
    scores = g.op("MatMul", query, g.op("Transpose", key, perm=[0, 2, 1]))
    mixed = g.op("Transpose", g.op("MatMul", g.op("Softmax", scores, axis=-1), value), perm=[1, 0, 2])
    merged = g.op("Reshape", mixed, g.ints(0, width))
    return g.layer(merged, f"{prefix}.output")


def build(weights_file: Path, config: dict[str, Any], quantised: bool = True) -> "ModelProto":
    """The graph: `input_ids` (tokens,) int64 -> `embedding` (1, hidden) float32, a unit row.

    `config` is the model's config.json (Hugging Face BERT). Raises KeyError for a missing tensor, SafetensorError for a
    damaged file.
    """
    from onnx import TensorProto, checker, helper

    g = _Graph(load_file(weights_file), quantised)
    heads, epsilon = config["num_attention_heads"], config["layer_norm_eps"]
    places = (
        g.weights["embeddings.position_embeddings.weight"] + g.weights["embeddings.token_type_embeddings.weight"][0]
    )
    positions = g.op("Slice", g.const(places), g.ints(0), g.op("Shape", "input_ids"), g.ints(0))
    x = g.op("Add", g.rows(g.weights["embeddings.word_embeddings.weight"], "input_ids"), positions)
    x = g.norm(x, "embeddings", epsilon)
    for layer in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{layer}"
        x = g.norm(g.op("Add", x, _attention(g, x, f"{at}.attention", heads)), f"{at}.attention.output", epsilon)
        inner = g.op("Gelu", g.layer(x, f"{at}.intermediate"))
        x = g.norm(g.op("Add", x, g.layer(inner, f"{at}.output")), f"{at}.output", epsilon)
    mean = g.op("ReduceMean", x, g.ints(0), keepdims=1)
    g.nodes.append(helper.make_node("LpNormalization", [mean], ["embedding"], axis=-1, p=2))

    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["tokens"])
    out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, config["hidden_size"]])
    graph = helper.make_graph(g.nodes, "bert", [ids], [out], g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    checker.check_model(model)
    return model


def set_apart(model: "ModelProto", name: str) -> bytes:
    """Take the largest constant, the table of tokens, out of the graph: the bytes of the file `name` to lie beside it.

    onnxruntime maps that file, so that of 30,000 rows only those of tokens that occur take memory.
    """
    from onnx.external_data_helper import set_external_data

    table = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    content: bytes = table.raw_data
    set_external_data(table, name)
    table.ClearField("raw_data")
    return content
