"""What was measured, for people and programs. Arguments in, values out."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from profiler.answers import Answer
from profiler.encoder import Encoder
from profiler.qagate import QAGate
from profiler.scoring import Capability


def summary(model: str, gate: QAGate, answers: Collection[Answer], found: Capability) -> dict[str, Any]:
    """What `ppai-profile --json` prints about one agent; capability and evidence are in the order of the prototypes."""
    has_reference = bool(answers) and all(answer.reference is not None for answer in answers)
    return {
        "model": model,
        "space": gate.space,
        "capability": [round(float(value), 4) for value in found.values],
        "evidence": [int(count) for count in found.evidence],
        "method": "control variate" if has_reference else "shrinkage",
        "questions": len(answers),
        "accuracy": _mean([answer.right for answer in answers]),
        "seconds_per_answer": _mean([answer.seconds for answer in answers]),
        "tasks": by_task(answers),
        "categories": by_category(gate, found),
    }


def by_task(answers: Collection[Answer]) -> dict[str, dict[str, Any]]:
    """Plain accuracy, as asked: {task: {"questions", "accuracy"}}."""
    grades: dict[str, list[float]] = defaultdict(list)
    for answer in answers:
        grades[answer.task].append(answer.right)
    return {task: {"questions": len(grades[task]), "accuracy": _mean(grades[task])} for task in sorted(grades)}


def by_category(gate: QAGate, found: Capability) -> dict[str, dict[str, Any]]:
    """The published vector by the gate's categories: {category: {"capability", "evidence"}}."""
    categories = np.array(gate.categories)
    result = {}
    for category in sorted(set(gate.categories)):
        rows = categories == category
        mean, evidence = float(found.values[rows].mean()), int(found.evidence[rows].sum())
        result[category] = {"capability": round(mean, 4), "evidence": evidence}
    return result


def relevance(gate: QAGate, encoder: Encoder, text: str) -> dict[str, Any]:
    """What a text is about: the prototypes it is relevant to, best first, and its cosine with the nearest."""
    embedding = encoder.encode([text])
    shares = gate.relevance(embedding)[0]
    order = [int(k) for k in np.argsort(-shares, kind="stable") if shares[k] > 0]
    return {
        "space": gate.space,
        "nearest": round(float(gate.similarity(embedding).max()), 4),
        "relevance": [
            {"prototype": k, "category": gate.categories[k], "share": round(float(shares[k]), 4)} for k in order
        ],
    }


def tables(report: Mapping[str, Any]) -> Any:
    """The summary as two rich tables side by side."""
    from rich.columns import Columns
    from rich.table import Table

    asked = Table("asked about", "right", "of", title=f"{report['model']}: {100 * report['accuracy']:.0f} % right")
    for task, row in report["tasks"].items():
        asked.add_row(task, f"{100 * row['accuracy']:.0f} %", str(row["questions"]))
    vector = Table("category", "capability", "evidence", title=f"vector in space {report['space']}")
    for category, row in report["categories"].items():
        vector.add_row(category, f"{row['capability']:.2f}", str(row["evidence"]))
    return Columns([asked, vector])


def _mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0
