"""Says what was measured, as JSON for programs and as words and tables for people. Arguments in, values out."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from profiler.answers import Answer
from profiler.encoder import Encoder
from profiler.essence import essence
from profiler.qagate import QAGate
from profiler.scoring import Capability, Shrinkage, pair_scores
from profiler.text import cell

METHODS = {
    "shrinkage": "expected accuracy; a prototype with few answers is drawn towards its category, and that towards the"
    " agent's mean (the query set has no reference difficulties)",
    "control variate": "difficulty by the reference engines, plus the agent's shrunk difference to them",
}
MARGIN = f", less {Shrinkage().z:g} standard errors"


def summary(model: str, gate: QAGate, answers: Collection[Answer], found: Capability) -> dict[str, Any]:
    """What `ppai-profile --json` prints of one agent. Capability and evidence: (K,) in the order of the prototypes."""
    has_reference = bool(answers) and all(answer.reference is not None for answer in answers)
    return {
        "model": model,
        "space": gate.space,
        "capability": [round(float(value), 4) for value in found.values],
        "evidence": [int(count) for count in found.evidence],
        "method": "control variate" if has_reference else "shrinkage",
        "carries_means": gate.carries_means,
        "questions": len(answers),
        "accuracy": _mean([answer.right for answer in answers]),
        "seconds_per_answer": _mean([answer.seconds for answer in answers]),
        "tasks": by_task(answers),
        "categories": by_category(gate, found),
    }


def explanation(report: Mapping[str, Any]) -> str:
    """In words: which formula made the vector, and in which categories the agent is strongest and weakest."""
    known = {name: row for name, row in report["categories"].items() if row["evidence"]}
    order = sorted(known, key=lambda name: -known[name]["capability"])

    def listed(names: list[str]) -> str:
        return ", ".join(
            f"{name} {known[name]['capability']:.2f} ({known[name]['evidence']} questions)" for name in names
        )

    margin = "" if report["carries_means"] else MARGIN
    lines = [f"{report['model']}: {METHODS[report['method']]}{margin}"]
    if order:
        lines += [f"strongest: {listed(order[:3])}", f"weakest: {listed(order[:-4:-1])}"]
    unasked = len(report["categories"]) - len(known)
    if unasked:
        margin = margin and ", less the margin"
        lines.append(f"{unasked} categories without a question stand at the agent's mean{margin}")
    return "\n".join(lines)


def by_task(answers: Collection[Answer]) -> dict[str, dict[str, Any]]:
    """Grades by task: {task: {"questions", "accuracy", "standard_error", "reference"}}.

    "reference" is None where a question of the task has none.
    """
    found: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        found[answer.task].append(answer)
    return {task: _asked(found[task]) for task in sorted(found)}


def _asked(answers: Sequence[Answer]) -> dict[str, Any]:
    references = [answer.reference for answer in answers if answer.reference is not None]
    likely = (sum(answer.right for answer in answers) + 1) / (len(answers) + 2)  # so that 3 of 3 leaves some doubt
    return {
        "questions": len(answers),
        "accuracy": _mean([answer.right for answer in answers]),
        "standard_error": round(float(np.sqrt(likely * (1 - likely) / len(answers))), 4),
        "reference": _mean(references) if len(references) == len(answers) else None,
    }


def by_category(gate: QAGate, found: Capability) -> dict[str, dict[str, Any]]:
    """The vector by category: {category: {"capability": mean of its prototypes, "evidence": sum of theirs}}.

    Gibberish is none: nothing is relevant to it.
    """
    categories = np.array(gate.categories)
    result = {}
    for category in sorted(set(categories[gate.is_topic].tolist())):
        rows = categories == category
        mean, evidence = float(found.values[rows].mean()), int(found.evidence[rows].sum())
        result[category] = {"capability": round(mean, 4), "evidence": evidence}
    return result


def relevance(gate: QAGate, encoder: Encoder, text: str, vectors: Mapping[str, Capability]) -> dict[str, Any]:
    """What a text is about, as `ppai-profile show TEXT --json` prints it.

    Its prototypes and categories, the most relevant first; its cosine with the nearest prototype; and the scores of
    the agents with these vectors.
    """
    embedding = encoder.encode([essence(text)])
    shares = gate.relevance(embedding)[0]
    order = [int(k) for k in np.argsort(-shares, kind="stable") if shares[k] > 0]
    categories: dict[str, float] = defaultdict(float)
    for k in order:
        categories[gate.categories[k]] += float(shares[k])
    return {
        "space": gate.space,
        "nearest": round(float(gate.similarity(embedding).max()), 4),
        "relevance": [
            {"prototype": k, "category": gate.categories[k], "share": round(float(shares[k]), 4)} for k in order
        ],
        "categories": {name: round(share, 4) for name, share in sorted(categories.items(), key=lambda item: -item[1])},
        "scores": {
            model: round(float(pair_scores(shares, found.values[None])[0]), 4) for model, found in vectors.items()
        },
    }


def relevance_tables(found: Mapping[str, Any]) -> Any:
    """What `relevance` returns, as rich tables."""
    from rich.columns import Columns
    from rich.table import Table

    about = Table("category", "share", title=f"cosine with the nearest prototype {found['nearest']:.2f}")
    for category, share in found["categories"].items():
        about.add_row(category, f"{100 * share:.0f} %")
    scores = Table("measured here", "expected to be right", title="score: relevance · capability")
    for model, score in sorted(found["scores"].items(), key=lambda item: -item[1]):
        scores.add_row(cell(model), f"{100 * score:.0f} %")
    return Columns([about, scores] if found["scores"] else [about])


def tables(report: Mapping[str, Any]) -> Any:
    """The summary as two rich tables side by side."""
    from rich.columns import Columns
    from rich.table import Table

    referred = any(row["reference"] is not None for row in report["tasks"].values())
    asked = Table(
        "asked about", "right", "of", title=f"{cell(report['model'])}: {100 * report['accuracy']:.0f} % right"
    )
    if referred:
        asked.add_column("reference")
    for task, row in report["tasks"].items():
        reference = "" if row["reference"] is None else f"{100 * row['reference']:.0f} %"
        cells = [task, f"{100 * row['accuracy']:.0f} %", str(row["questions"])]
        asked.add_row(*cells, *([reference] if referred else []))
    vector = Table("category", "capability", "evidence", title=f"vector in space {report['space']}")
    for category, row in report["categories"].items():
        vector.add_row(category, f"{row['capability']:.2f}", str(row["evidence"]))
    return Columns([asked, vector])


def _mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0
