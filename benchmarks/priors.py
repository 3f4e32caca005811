"""What unmeasured models are expected to know: gathers public results into the table that ships, and fits the curves.

`python -m benchmarks.priors --gather RESULTS.tsv` writes gateway/models/published.tsv from a table with one row for
each model, mode and source (columns family, model, total_params_b, ..., one a benchmark, source). Without `--gather`
it fits score = 100·σ(a + b·ln s + c·(t - 2025) + d·thinking) to what ships and prints the curves as
gateway/models/curves.py holds them, each with its mean absolute error on a family left out.
docs/results/profiling.md tells what came out.
"""

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.models.claims import claim
from gateway.models.curves import BENCHMARKS, GROUPS, Row, dated, expected_of, own_above, read_rows
from gateway.models.priors import Priors
from gateway.models.published import PUBLISHED, published_text

Floats = NDArray[np.floating[Any]]

# Columns of the gathered table that are one benchmark here.
COLUMNS: dict[str, tuple[str, ...]] = {name: (name,) for name in BENCHMARKS} | {
    "math": ("math", "math500"),
    "ifeval": ("ifeval_strict_prompt", "ifeval_other"),
    "gpqa": ("gpqa_diamond", "gpqa_other"),
    "bfcl": ("bfcl_v3",),
}
# What a source measured in another way than the others: its figures of a benchmark up to this one are left out.
INCOMPARABLE: tuple[tuple[str, str, float], ...] = (
    ("HELM Lite", "math", 100.0),  # 20 points above all others
    ("HELM Lite", "medqa", 30.0),  # format failures
    ("Olmo 3 report", "livecodebench", 100.0),  # another window of problems, 25 points above
    ("OLMo-2-1124", "bbh", 10.0),  # a format failure
)
# Where nobody else has a model, its IFEval counts; of the models of which it measured a format failure not even that.
LAST_RESORT, FAILED = "Open LLM Leaderboard", ("R1-Distill", "phi-4", "glm-4-9b")


def gather(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """One row a model and kind: medians over the sources, with the pages where they were read."""
    found: dict[tuple[str, ...], list[Mapping[str, str]]] = defaultdict(list)
    for row in rows:
        if row["mode"] != "TIR" and row["total_params_b"]:
            found[row["model"], kind_of(row), row["released"][:7]].append(row)
    gathered = []
    for (model, kind, released), of in sorted(found.items(), key=lambda item: (item[0][0].casefold(), item[0])):
        values, sources = _medians(of)
        if values:
            sizes = {"parameters_b": of[0]["total_params_b"], "active_b": of[0]["active_params_b"]}
            sources_of = "; ".join(dict.fromkeys(sources))
            gathered.append(
                {"model": model, "kind": kind, **sizes, "released": released, **values, "source": sources_of}
            )
    return gathered


def kind_of(row: Mapping[str, str]) -> str:
    """What a row's model was trained to, in the words of `Claim.kind`; the mode decides where a model has two."""
    if row["kind"] == "base" or row["mode"] in ("thinking", "non-thinking"):
        return {"thinking": "reasoning", "non-thinking": "instruct"}.get(row["mode"], "base")
    read = claim(row["model"]).kind
    return read if read not in ("instruct", "base") else row["kind"]


def _medians(rows: Iterable[Mapping[str, str]]) -> tuple[dict[str, str], list[str]]:
    values, sources = {}, []
    for name, columns in COLUMNS.items():
        cells = [(float(row[column]), row["source"]) for row in rows for column in columns if _counts(row, column)]
        first = [cell for cell in cells if LAST_RESORT not in cell[1]]
        if cells := first or cells:
            values[name] = f"{median(value for value, _ in cells):.1f}"
            sources += [source for _, source in cells]
    return values, sources


def _counts(row: Mapping[str, str], column: str) -> bool:
    if not row[column]:
        return False
    if any(said in row["source"] and column == of and float(row[column]) <= to for said, of, to in INCOMPARABLE):
        return False
    return LAST_RESORT not in row["source"] or not any(failed in row["model"] for failed in FAILED)


def fit(rows: Sequence[Row], benchmark: str) -> dict[str, Any]:
    """The curve of a benchmark, fitted to chat models (Huber), and its errors in points.

    `err` is on a family left out, `null` the same where every model is the median.
    """
    used = [row for row in rows if benchmark in row.scores and row.kind in ("instruct", "reasoning") and row.released]
    x = np.array([[1.0, np.log(row.size / 1e9), dated(row.released) - 2025, row.kind == "reasoning"] for row in used])
    y = np.array([row.scores[benchmark] for row in used])
    families = np.array([row.family[0][0] for row in used])
    if not x[:, 3].any():
        x[:, 3] = 0.0
    errors, nulls = [], []
    for family in sorted(set(families)):
        out = families == family
        errors += np.abs(_curve(x[out], _huber(x[~out], y[~out])) - y[out]).tolist()
        nulls += np.abs(np.median(y[~out]) - y[out]).tolist()
    a, b, c, d = (round(float(value), 2) for value in _huber(x, y))
    return {
        "n": len(used), "a": a, "b": b, "c": c, "d": d,
        "err": round(float(np.mean(errors)), 1), "null": round(float(np.mean(nulls)), 1),
    }  # fmt: skip


def kinds(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """By kind and group of categories: how many logits its models are above the curve of chat models at the median.

    Drawn to 0 as if two models more were on the curve."""
    found: dict[str, dict[str, float]] = {}
    for kind in ("base", "coder", "math", "medical", "vision"):
        for group in GROUPS:
            above = [
                difference for row in rows if row.kind == kind and (difference := own_above(row, group)) is not None
            ]
            if above:
                found.setdefault(kind, {})[group] = round(median(above) * len(above) / (len(above) + 2), 2)
    return found


def errors(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """By group: mean absolute error, in points, of what is expected of a model that is left out of the table.

    `model`: its family stays in; `family`: its whole family goes; `median`: every model is taken for the median.
    """
    chat = [row for row in rows if row.kind in ("instruct", "reasoning", "coder")]
    found: dict[str, dict[str, float]] = {}
    without = {
        "model": {row.name: Priors(other for other in rows if other.name != row.name) for row in chat},
        "family": {row.name: Priors(other for other in rows if other.family[:1] != row.family[:1]) for row in chat},
    }
    for group in GROUPS:
        known = {row: _share_of(row, group) for row in chat if any(name in row.scores for name in GROUPS[group])}
        middle = median(known.values())
        found[group] = {"n": len(known)} | {
            left_out: _points([priors[row.name].expected_of(row).means[group] - share for row, share in known.items()])
            for left_out, priors in without.items()
        }
        found[group]["median"] = _points([middle - share for share in known.values()])
    return found


def _share_of(row: Row, group: str) -> float:
    """What a model's own results say, on the scale of the group's first benchmark."""
    above = own_above(row, group, pull=0.0)
    assert above is not None, "it has a result of the group"
    return float(1 / (1 + np.exp(-above - expected_of(row, group))))


def _points(differences: Sequence[float]) -> float:
    return round(100 * float(np.mean(np.abs(differences))), 1)


def _curve(x: Floats, weights: Floats) -> Floats:
    curve: Floats = 100 / (1 + np.exp(-x @ weights))
    return curve


def _huber(x: Floats, y: Floats, delta: float = 0.5) -> Floats:
    """(4,) weights of the logit of `y` by reweighted least squares; a slight ridge holds an empty column."""
    share = np.clip(y / 100, 0.01, 0.99)
    logit: Floats = np.log(share / (1 - share))
    weight: Floats = np.ones(len(y))
    for _ in range(30):
        scaled = x * weight[:, None]
        found: Floats = np.linalg.solve(scaled.T @ x + 1e-3 * np.eye(4), scaled.T @ logit)
        weight = np.minimum(1.0, delta / np.maximum(np.abs(logit - x @ found), 1e-9))
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="benchmarks.priors", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--gather", type=Path, metavar="TSV", help="the gathered table, of which the shipped one is made"
    )
    parser.add_argument("--out", type=Path, default=PUBLISHED, metavar="TSV", help="where to write it")
    parser.add_argument("--json", action="store_true", help="print the curves as JSON")
    args = parser.parse_args(argv)
    if args.gather:
        with args.gather.open(encoding="utf-8", newline="") as lines:
            gathered = gather(list(csv.DictReader(lines, delimiter="\t")))
        columns = ["model", "kind", "parameters_b", "active_b", "released", *BENCHMARKS, "source"]
        with args.out.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, columns, restval="", delimiter="\t", lineterminator="\n")
            writer.writeheader()
            writer.writerows(gathered)
    rows = read_rows(args.out.read_text(encoding="utf-8") if args.gather else published_text())
    curves = {name: fit(rows, name) for name in BENCHMARKS}
    if args.json:
        print(json.dumps({"rows": len(rows), "curves": curves, "kinds": kinds(rows), "errors": errors(rows)}))
        return
    for name, found in curves.items():
        shown = ", ".join(str(found[key]) for key in "abcd")
        print(f'    "{name}": Curve({shown}),  # n = {found["n"]}, {found["err"]} points, median {found["null"]}')
    for group, of in errors(rows).items():
        print(f"    # {group}: {of}")
    for kind, of in kinds(rows).items():
        print(f'    "{kind}": {json.dumps(of)},')


if __name__ == "__main__":
    main()
