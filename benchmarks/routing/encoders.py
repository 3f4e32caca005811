"""`python -m benchmarks.routing.encoders [--texts FILE]`: what embedding a text costs, and how near to torch it is."""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from profiler import bert_graph
from profiler.encoder import Encoder, EncoderError, OnnxEncoder, SentenceTransformersEncoder, load_encoder
from profiler.qagate import QAGate, shipped_gate
from profiler.queries import load_training_texts
from profiler.scoring import pair_scores

WORDS = ("apple", "river", "music", "law")


def main(argv: Sequence[str] | None = None) -> int:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing.encoders", description=__doc__)
    parser.add_argument(
        "--texts", type=Path, help="JSONL with query and task or topic: cosine to torch over the first 200"
    )
    options = parser.parse_args(argv)
    folder = Path(os.environ.get("PPAI_WEIGHTS", "~/.ppai/weights")).expanduser() / "encoder"
    served = load_encoder(folder)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10  # before anything but what serves is loaded
    result: dict[str, Any] = {"routing": _routing(served), "peak_mib": peak_mib}
    encoders: dict[str, Encoder] = {"int8": served, "float32": _Float32(folder)}
    try:
        encoders["torch"] = SentenceTransformersEncoder(str(folder))
    except EncoderError as error:  # an optional extra: its row is left out
        print(f"no torch row: {error}", file=sys.stderr)
    result["median_ms"] = {name: _medians_ms(encoder) for name, encoder in encoders.items()}
    if options.texts and "torch" in encoders:
        texts = [text.query for text in load_training_texts([options.texts])][:200]
        vectors = {name: encoder.encode(texts) for name, encoder in encoders.items()}
        cosines = {name: (rows * vectors["torch"]).sum(1) for name, rows in vectors.items()}
        result["cosine"] = {name: [round(float(c.mean()), 4), round(float(c.min()), 4)] for name, c in cosines.items()}
    print(json.dumps(result))
    return 0


class _Float32(OnnxEncoder):
    """The same graph without quantisation: what int8 is compared with."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        super().__init__(folder)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        graph = bert_graph.build(folder / "model.safetensors", config, quantised=False).SerializeToString()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _routing(encoder: Encoder) -> dict[str, float]:
    """Encode 62 tokens, gate, score 1,000 agents: what an uncached request pays before anything else."""
    gate = QAGate.load(shipped_gate(), encoder.name)
    rng = np.random.default_rng(0)
    agents = np.asfortranarray(rng.random((1000, gate.K), dtype=np.float32))
    seconds = []
    for _ in range(200):
        text = " ".join(rng.choice(WORDS, 60))
        began = time.perf_counter()
        pair_scores(gate.relevance(encoder.encode([text]))[0], agents)
        seconds.append(time.perf_counter() - began)
    p50, p99 = np.quantile(seconds, [0.5, 0.99]) * 1000
    return {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2)}


def _medians_ms(encoder: Encoder) -> dict[int, float]:
    """{words: ms}; a word is a token."""
    return {words: _median_ms(encoder, words) for words in (16, 64, 256)}


def _median_ms(encoder: Encoder, words: int) -> float:
    text = " ".join(WORDS * (words // len(WORDS)))
    seconds = []
    for _ in range(40):
        began = time.perf_counter()
        encoder.encode([text])
        seconds.append(time.perf_counter() - began)
    return round(1000 * float(np.median(seconds)), 2)


if __name__ == "__main__":
    sys.exit(main())
