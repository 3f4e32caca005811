"""Curves of public results over size and date (P), and a row of the table that they were fitted to.

One curve a benchmark; benchmarks of one kind of ability make a group, on the scale of its first. What a model's own
results are above the curves is added to them (priors.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, sqrt
from typing import NamedTuple, cast

from gateway.models.claims import Kind, Word, claim

UNDATED = 2024.0  # release of a family whose pages name none: most are old
PULL = 0.5  # results that the curve is worth beside a model's own: pages differ by as much as sizes do


class Curve(NamedTuple):
    """logit(score) = a + b·ln s + c·(t - 2025) + d·thinking; s in 10⁹ parameters, t the release as a year."""

    a: float
    b: float
    c: float
    d: float

    def logit(self, size: float, year: float, thinking: bool) -> float:
        """Of a model of `size` parameters; `year` is held to where models were."""
        return self.a + self.b * log(size / 1e9) + self.c * (held(year) - 2025) + self.d * thinking


# As `python -m benchmarks.priors` prints them: n models, the mean error in points on a family that was left out, and
# the same where every model is taken for the median.
BENCHMARKS: Mapping[str, Curve] = {
    "mmlu": Curve(0.18, 0.34, 0.34, 0.43),  # n = 82, 4.4 points, median 9.5
    "mmlu_redux": Curve(0.08, 0.45, 0.77, 0.38),  # n = 80, 4.9 points, median 12.0
    "mmlu_pro": Curve(-0.78, 0.39, 0.6, 0.57),  # n = 108, 7.6 points, median 16.3
    "math": Curve(-0.18, 0.4, 1.45, 1.69),  # n = 111, 8.1 points, median 20.3
    "gsm8k": Curve(0.51, 0.53, 0.79, 0.26),  # n = 61, 7.3 points, median 12.2
    "humaneval": Curve(0.06, 0.54, 1.18, 0.36),  # n = 71, 8.0 points, median 17.2
    "mbpp": Curve(0.1, 0.39, 0.61, 0.65),  # n = 52, 7.5 points, median 12.3
    "livecodebench": Curve(-2.21, 0.38, 0.83, 1.15),  # n = 105, 6.6 points, median 20.0
    "ifeval": Curve(0.21, 0.33, 1.15, -0.02),  # n = 159, 7.2 points, median 15.0
    "bbh": Curve(-0.15, 0.44, 0.43, 0.62),  # n = 45, 7.2 points, median 11.4
    "gpqa": Curve(-1.07, 0.28, 0.59, 0.68),  # n = 139, 7.5 points, median 16.4
    "mmmlu": Curve(-0.41, 0.43, 0.47, 0.17),  # n = 61, 6.8 points, median 12.2
    "medqa": Curve(0.3, 0.22, 0.85, 0.02),  # n = 21, 4.5 points, median 8.8
    "bfcl": Curve(-0.28, 0.16, 0.5, 0.21),  # n = 89, 10.4 points, median 10.7
}
# Groups of categories, each with the benchmarks that tell of it. Expectations are on the scale of the first.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "knowledge": ("mmlu", "mmlu_redux", "mmlu_pro"),
    "maths": ("math", "gsm8k"),
    "code": ("humaneval", "mbpp", "livecodebench"),
    "instructions": ("ifeval",),
    "reasoning": ("bbh", "gpqa"),
    "languages": ("mmmlu",),
    "medicine": ("medqa",),
    "tools": ("bfcl",),
}


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """What public pages say of a model: percent right by benchmark, medians over the pages."""

    name: str
    family: tuple[Word, ...]
    kind: Kind
    parameters: float
    size: float  # as `Claim.size`
    released: str  # 2025-04; empty where no page says
    scores: Mapping[str, float]


def read_rows(text: str) -> list[Row]:
    """The rows of a table with tabs: model, kind, parameters_b, active_b, released, one column a benchmark, source."""
    head, *lines = [line.split("\t") for line in text.splitlines()]
    rows = []
    for line in lines:
        row = dict(zip(head, line, strict=True))
        total = float(row["parameters_b"]) * 1e9
        active = float(row["active_b"] or row["parameters_b"]) * 1e9
        family = claim(row["model"], int(total)).family
        scores = {name: float(row[name]) for name in BENCHMARKS if row[name]}
        kind = cast(Kind, row["kind"])  # a test holds the kinds of the table that ships
        rows.append(Row(row["model"], family, kind, total, sqrt(total * active), row["released"], scores))
    return rows


def dated(released: str) -> float:
    """2025-04 or 2504 as a year."""
    digits = released.replace("-", "").removeprefix("20")
    return 2000 + int(digits[:2]) + (int(digits[2:4] or 1) - 1) / 12


def held(year: float) -> float:
    """A year, held to those whose models the curves were fitted to."""
    return min(max(year, 2024.0), 2026.2)


def year_of(row: Row) -> float:
    """When a row's model was released, as a year."""
    return dated(row.released) if row.released else UNDATED


def own_above(row: Row, group: str, pull: float = PULL) -> float | None:
    """How many logits a row's results of a group are above the curves; None where it has none.

    Drawn to the curves as if `pull` results more were on them.
    """
    above = [
        _logit(row.scores[name] / 100) - BENCHMARKS[name].logit(row.size, year_of(row), row.kind == "reasoning")
        for name in GROUPS[group]
        if name in row.scores
    ]
    return sum(above) / (len(above) + pull) if above else None


def expected_of(row: Row, group: str) -> float:
    """What the curve says of a row's model in a group, as a logit."""
    return anchor(group, row.size, year_of(row), row.kind == "reasoning")


def anchor(group: str, size: float, year: float, thinking: bool) -> float:
    """What a group's curve says of a model, as a logit; of the arguments see `Curve.logit`."""
    return BENCHMARKS[GROUPS[group][0]].logit(size, year, thinking)


def _logit(share: float) -> float:
    held_share = min(max(share, 0.01), 0.99)
    return log(held_share / (1 - held_share))
