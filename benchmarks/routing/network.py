"""`python -m benchmarks.routing.everyday network --texts DIR`: do specialists together answer more than a generalist?

Twelve broad specialists, or 44 narrow ones, and a generalist (specialists.py) answer the built-in questions by lot, get
their vectors from that as real agents do, and then real prompts go to whoever the vectors promise most of. Percent
right, and the 95 % interval over draws of answers and prompts; "worst" is the worst draw.

    generalist      always the generalist: the floor
    one_pull        questions count for the nearest prototype, one pull for all categories, doubt off at the publisher
    ours            as agents are measured: profiler/folding.py, all questions
    ours_60 ...     the same, after as many questions as measuring itself publishes first
    unmeasured      nobody is measured: names and sizes alone
    exact           the vectors that endless questions would give: what reading prompts costs
    told            told each prompt's category: what the specialists can do

"first_hour" is a laptop with the embedded model beside an unmeasured 32B (first_hour.py).
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.needs import encoder_folder, printed
from benchmarks.progress import say
from benchmarks.routing.first_hour import first_hour
from benchmarks.routing.prompts import Reader, Text, load_texts
from benchmarks.routing.received import received
from benchmarks.routing.specialists import NETWORKS, Floats, Network, graded, interval, right
from profiler.encoder import load_encoder
from profiler.essence import essence
from profiler.folding import counted, vector
from profiler.ladder import load_ladder
from profiler.qagate import QAGate, shipped_gate
from profiler.queries import in_order, load_questions
from profiler.question import Question
from profiler.scoring import Specialism, capability, mean_capability

SPECIALIST, GENERALIST = "qwen2.5:7b-instruct", "qwen2.5:32b-instruct"  # what their models are called
STEPS = (60, 120, 240)  # questions behind the first vectors that measuring itself publishes
CHOICES = {  # of the numbers of Specialism, around the ones that are used
    "share": (0.1, 0.2, 0.3, 0.5),
    "usual": (100.0, 300.0, 1000.0),
    "special": (1.0, 2.0, 4.0, 8.0),
    "task": (10.0, 20.0, 60.0),
    "prototype": (30.0, 100.0, 300.0),
}


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """The questions, and which prototype each counts for."""

    questions: tuple[Question, ...]
    own: Floats  # (n, K) as measuring counts them
    nearest: Floats  # (n, K) the nearest prototype of all
    turns: tuple[int, ...]  # (n,) the order in which measuring asks them, before it knows an answer


def main(argv: Sequence[str] | None = None) -> int:
    """0: done. 1: a file is missing or broken. (Usage errors exit 2.)"""
    options = _options(argv)
    return printed("benchmarks.routing.everyday", lambda: (json.dumps if options.json else _table)(_run(options)))


def _run(options: argparse.Namespace) -> dict[str, Any]:
    prompts, questions = load_texts(options.texts), load_questions(options.questions)
    folder = options.gate or shipped_gate()
    ladder = load_ladder(folder, options.encoder, lambda: load_encoder(encoder_folder()))
    gate, encoder = ladder.best
    say(f"reading {len(prompts)} prompts and {len(questions)} questions")
    reader = Reader(gate, ladder)
    relevance = np.stack([reader.read(prompt.query)[0].relevance for prompt in prompts])
    asked = count(gate, gate.similarity(encoder.encode([essence(question.query) for question in questions])), questions)
    seeds = range(options.seed, options.seed + options.seeds)
    config = {"gate": gate.space, "encoder": options.encoder, "questions": len(questions), "seeds": list(seeds)}
    if options.choose:
        return {"config": config, "rows": list(choose(gate, asked, relevance, prompts, seeds))}
    rows = measured(gate, asked, relevance, prompts, seeds)
    return {"config": config, "rows": rows, "first_hour": first_hour(gate, asked.own, relevance, seeds)}


def count(gate: QAGate, similarity: Floats, questions: Sequence[Question]) -> Asked:
    """similarity (n, K): cosines of the questions with each prototype."""
    names = [(question.task, question.category) for question in questions]
    place = {question.id: number for number, question in enumerate(questions)}
    turns = tuple(place[question.id] for question in in_order(questions, {}))
    own, nearest = counted(gate, similarity, names), np.eye(gate.K)[gate.nearest_of(similarity)]
    return Asked(tuple(questions), own, nearest, turns)


def measured(
    gate: QAGate, asked: Asked, relevance: Floats, prompts: Sequence[Text], seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """The rows of the report: one for each network, source of prompts ("all": every prompt) and policy.

    relevance (n, K) of the prompts.
    """
    sources = {"all": np.ones(len(prompts), np.bool_)}
    sources |= {name: np.array([p.source == name for p in prompts]) for name in sorted({p.source for p in prompts})}
    rows = []
    for kind, homes in NETWORKS.items():
        network = Network.of(homes)
        strengths = network.on([sorted(prompt.accept) for prompt in prompts])
        shares: dict[str, list[Floats]] = {}
        for seed in seeds:
            for policy, capabilities in policies(gate, asked, network, seed):
                shares.setdefault(policy, []).append(right(relevance, capabilities, strengths))
        shares["generalist"], shares["told"] = [strengths[-1]], [strengths.max(axis=0)]
        for texts, chosen in sources.items():
            rows += [_row(kind, texts, policy, np.stack(found)[:, chosen]) for policy, found in shares.items()]
    return rows


def policies(gate: QAGate, asked: Asked, network: Network, seed: int) -> Iterator[tuple[str, Floats]]:
    """(policy, (N, K) what agents are scored by) of one draw of answers."""
    grades = graded(network.at([question.category for question in asked.questions]), _rng(network, seed))
    models = _models(network)
    older = [capability(asked.nearest, own, gate.category_index) for own in grades]
    yield "one_pull", received(gate, older, models, carries_means=False)
    yield "ours", received(gate, [vector(gate, asked.own, own) for own in grades], models)
    for number in (step for step in STEPS if step < len(asked.turns)):
        first = list(asked.turns[:number])
        vectors = [vector(gate, asked.own[first], own[first]) for own in grades]
        yield f"ours_{number}", received(gate, vectors, models)
    yield "unmeasured", received(gate, [None] * len(models), models)
    yield "exact", network.at(gate.categories)


def choose(
    gate: QAGate, asked: Asked, relevance: Floats, prompts: Sequence[Text], seeds: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Rows of "ours" for other numbers of Specialism: each of CHOICES alone, and share and special together."""
    used = Specialism()
    beliefs = {replace(used, **{name: value}) for name, values in CHOICES.items() for value in values}
    together = ("share", "special")
    beliefs |= {
        replace(used, **dict(zip(together, values, strict=True)))
        for values in product(*(CHOICES[name] for name in together))
    }
    for belief in sorted(beliefs, key=str):
        for kind, homes in NETWORKS.items():
            network = Network.of(homes)
            at = network.at([question.category for question in asked.questions])
            strengths = network.on([sorted(prompt.accept) for prompt in prompts])
            shares = []
            for seed in seeds:
                found = [
                    mean_capability(asked.own, own, gate.task_index, gate.category_index, belief=belief)
                    for own in graded(at, _rng(network, seed))
                ]
                shares.append(right(relevance, received(gate, found, _models(network)), strengths))
            yield _row(kind, "all", str(belief), np.stack(shares))


def _row(kind: str, texts: str, policy: str, shares: Floats) -> dict[str, Any]:
    """shares (draws, prompts)."""
    low, high = interval(shares)
    return {
        "network": kind,
        "texts": texts,
        "policy": policy,
        "n": shares.shape[1],
        "right": _percent(shares.mean()),
        "ci": [_percent(low), _percent(high)],
        "worst": _percent(shares.mean(axis=1).min()),
    }


def _models(network: Network) -> list[str]:
    return [SPECIALIST] * (len(network.names) - 1) + [GENERALIST]


def _rng(network: Network, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, len(network.names)])


def _percent(value: Any) -> float:
    return round(100 * float(value), 2)


def _table(result: Mapping[str, Any]) -> str:
    lines = [f"{'network':8} {'texts':20} {'policy':14} {'n':>6} {'right':>6}  interval       worst draw"]
    for row in result["rows"]:
        low, high = row["ci"]
        lines.append(
            f"{row['network']:8} {row['texts']:20} {row['policy']:14} {row['n']:6} {row['right']:6.2f}  "
            f"[{low:.1f}, {high:.1f}]  {row['worst']:.1f}"
        )
    for name, hour in result.get("first_hour", {}).items():
        lines.append(f"{name}: {hour['to_32b']} of {hour['questions']} questions to the 32B, at least {hour['least']}")
    return "\n".join(lines)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.routing.everyday network",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--texts", type=Path, required=True, metavar="DIR", help="prompts with their categories")
    parser.add_argument("--gate", type=Path, metavar="DIR", help="another gate than the shipped one")
    parser.add_argument("--encoder", choices=("cascade", "full", "fast"), default="cascade")
    parser.add_argument(
        "--questions", default="builtin", metavar="SET", help="which questions agents are asked (builtin)"
    )
    parser.add_argument("--seeds", type=int, default=5, help="draws of answers, with seeds from --seed on (5)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--choose", action="store_true", help="compare numbers of Specialism; for training texts alone")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser.parse_args(argv)
