"""What an agent is worth that nobody measured (P): the share right that its name and its engine's details let expect.

Public results of the families that people run (published.tsv) say it by group of categories: maths, code, knowledge
and so on. Between and beyond the sizes of a family a curve in the logarithm of the size and the date, fitted to all of
them, serves; it serves alone for families that are not in the table. Within a family more parameters never promise
less: where the pages say otherwise, both sizes get their mean. docs/results/profiling.md has the curves' errors.

All of it is a claim, as a capability vector is: routing/worth.py says what it weighs beside evidence.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from math import exp, log
from statistics import fmean, median

from gateway.models.claims import Claim, Kind, Word, claim
from gateway.models.curves import GROUPS, Row, anchor, dated, expected_of, own_above, year_of

_EXPECTATIONS_REMEMBERED = 4096  # models by what is claimed of them: a network's several times over


GENERAL = "general"  # every other category: between what knowledge and obeying instructions let expect
_GENERAL_OF = ("knowledge", "instructions")
_CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "maths": ("maths", "math", "gsm8k"),
    "code": ("coding", "sql", "shell and linux", "data analysis", "humaneval"),
    "instructions": ("writing to rules", "extraction", "classification", "editing", "summarising", "business writing"),
    "reasoning": ("logic puzzles",),
    "languages": (
        *("translation", "Chinese", "French", "German", "Spanish", "Russian", "Japanese", "other languages", "cmmlu"),
    ),
    "medicine": ("medicine", "health"),
    "tools": ("tool use",),
    "knowledge": (
        *("science", "facts", "history", "law", "finance", "engineering", "philosophy", "politics and economics"),
        *("tech support", "physics", "chemistry", "biology", "geography", "culture", "psychology", "business", "cs"),
        *("economics", "politics", "mmlu", "arc_challenge"),
    ),
}
_GROUP_OF = {category: group for group, categories in _CATEGORIES.items() for category in categories}

# What it adds to a logit that a model is no plain chat model: the mean difference of the table's rows to the curve.
KINDS: Mapping[Kind, Mapping[str, float]] = {
    "base": {
        "knowledge": -0.09,
        "maths": -0.59,
        "code": -0.57,
        "instructions": -0.66,
        "reasoning": 0.0,
        "languages": -0.17,
        "medicine": 0.1,
    },
    "coder": {"knowledge": 0.01, "maths": 0.15, "code": 0.44, "instructions": -0.07, "reasoning": 0.02},
    "math": {"maths": 0.34, "instructions": -0.65},
    "medical": {"medicine": 0.55},
    "vision": {
        "knowledge": -0.07,
        "maths": -0.07,
        "code": -0.01,
        "instructions": -0.03,
        "reasoning": -0.05,
        "medicine": 0.04,
        "tools": 0.25,
    },
}
# A model packed in so few bits is about as good as one of this share of its size: by perplexity of Llama 3 with 8 and
# 70 billion parameters (pull requests 6745 and 6936 of ggml-org/llama.cpp).
_SHARE_OF_SIZE = {1: 0.05, 2: 0.25, 3: 0.6, 4: 0.9}
_NO_CHAT = 0.02  # what a model for embeddings gets right when it is asked in words
_UNKNOWN_YEAR = 2024.5  # of a family that is in no table
_UNKNOWN_SIZE, _CLOUD_SIZE = 7e9, 70e9
_SMALLEST, _LARGEST = 1e7, 1e12  # what models are; who claims more or less is taken to claim these
# One standard deviation, as a share: of the curve about single results some .1, and as much again since a category's
# questions are none of a benchmark's. Less is known of a family that is not in the table, and of an unknown size.
_SPREAD, _SPREAD_ALONE, _SPREAD_UNSIZED = 0.15, 0.18, 0.25
_ABOUT = 1.1  # a size that differs by no more is the same: names are rounded
# A model of fewer parameters is believed at most as much as a weak one of 32B that nobody measured, whatever it scored:
# a few easy questions make a category look as if it were within its reach.
TINY, TINY_LIKE = 0.5e9, (32e9, 2024.0, -0.6)  # parameters; size, year and logits below the curve of that weak one
# Below that size the curves promise too much: they were fitted to larger ones. What a logit falls by, a unit of ln s,
# beyond the curve: so that 135M and 270M come out as measured (docs/results/profiling.md).
_TINY_SLOPE = 1.0


def group_of(category: str) -> str:
    """The group of a category of the gate."""
    return _GROUP_OF.get(category, GENERAL)


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What is expected of a model: the share right, and its standard deviation, by group of categories."""

    means: Mapping[str, float]
    spread: float
    most: Mapping[str, float]  # what a measurement is believed at most; empty: anything
    words: str  # what it was read from, as `Claim.words`

    def mean(self, category: str) -> float:
        """The expected share right in a category."""
        return self.means[group_of(category)]

    def limit(self, category: str) -> float:
        """What is believed at most of what it was measured at in a category."""
        return self.most.get(group_of(category), 1.0)


class Priors:
    """Expectations from names and details. Without rows the curves alone serve."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        lines: dict[tuple[tuple[Word, ...], Kind], list[Row]] = defaultdict(list)
        for row in rows:
            lines[row.family, row.kind].append(row)
        self._rows, self._lines = dict(lines), dict[tuple[tuple[Word, ...], Kind], _Line]()
        self._remembered = lru_cache(maxsize=_EXPECTATIONS_REMEMBERED)(self._read)

    def expected(self, name: str, parameters: int = 0, quantisation: str = "", place: str = "") -> Expected:
        """Of a model by its name, and what its engine tells: 0 and empty where it does not."""
        return self._remembered(name, parameters, quantisation, place == "cloud")

    def _read(self, name: str, parameters: int, quantisation: str, is_cloud: bool) -> Expected:
        return self._expect(claim(name, parameters, quantisation), is_cloud)

    def expected_of(self, row: Row) -> Expected:
        """Of a model of the table as if it were not there: by its family, size, kind and date."""
        claimed = claim(row.name, int(row.parameters))
        return self._expect(replace(claimed, kind=row.kind, active=row.size**2 / row.parameters), is_cloud=False)

    def _expect(self, claimed: Claim, is_cloud: bool) -> Expected:
        if claimed.kind == "no chat":
            return Expected(dict.fromkeys((*GROUPS, GENERAL), _NO_CHAT), 0.05, {}, claimed.words)
        lines = self._relatives(claimed)
        own = lines[0] if lines else None
        spread = _SPREAD if own and _is_same(claimed.family, own.family) else _SPREAD_ALONE
        size = claimed.size
        if own and claimed.active == claimed.parameters:
            size = own.size_of(claimed.parameters) or size
        if not size:
            size, spread = _CLOUD_SIZE if is_cloud else _UNKNOWN_SIZE, _SPREAD_UNSIZED
        size = min(max(size, _SMALLEST), _LARGEST) * _SHARE_OF_SIZE.get(claimed.bits, 1.0)
        year = dated(claimed.released) if claimed.released else own.year if own else _UNKNOWN_YEAR
        thinking = claimed.kind == "reasoning" or (own is not None and own.kind == "reasoning")
        logits = {}
        for group in GROUPS:
            line = next((line for line in lines if line.knows(group)), own)
            logits[group] = anchor(group, size, year, thinking) + (line.above(group, size) if line else 0.0)
            logits[group] -= _TINY_SLOPE * max(0.0, log(TINY / size))
            if line is None or line.kind != claimed.kind:
                logits[group] += KINDS.get(claimed.kind, {}).get(group, 0.0)
        means, most = _shares(logits), {}
        if 0 < claimed.parameters < TINY:
            like, then, below = TINY_LIKE
            most = _shares({group: anchor(group, like, then, False) + below for group in GROUPS})
        return Expected(means, spread, most, claimed.words)

    def _relatives(self, claimed: Claim) -> "list[_Line]":
        """The lines that tell of a model, the family's own first, then those of its nearest relatives."""
        family, found = claimed.family, []
        kinds: tuple[Kind, ...] = ("base",) if claimed.kind == "base" else (claimed.kind, "instruct", "reasoning")
        for relative in [family[:count] for count in range(len(family), 0, -1)] + [(word,) for word in family[1:]]:
            found += [line for kind in kinds if (line := self._line(relative, kind))]
            found += [line for kind in kinds if (line := self._nearest_version(relative, kind))]
        return found

    def _nearest_version(self, family: tuple[Word, ...], kind: Kind) -> "_Line | None":
        """The line of the latest version that is no later than the family's, else of the earliest; None: no version."""
        *before, (last, version) = family
        others = {
            _number(other[-1][1]): other
            for other, of in self._rows
            if of == kind and other[-1][0] == last and other[:-1] == tuple(before)
        }
        if not others:
            return None
        older = [number for number in others if not version or number <= _number(version)]
        return self._line(others[max(older) if older else min(others)], kind)

    def _line(self, family: tuple[Word, ...], kind: Kind) -> "_Line | None":
        """The line of exactly this family, made when it is first asked for: of hundreds a peer needs a few."""
        key = family, kind
        if key not in self._lines and key in self._rows:
            self._lines[key] = _Line(self._rows[key])
        return self._lines.get(key)


class _Line:
    """A family's models of one kind, by size: how many logits above the curve they are in each group."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.family, self.kind = rows[0].family, rows[0].kind
        self.year = median(year_of(row) for row in rows)
        self._sizes = {row.parameters: row.size for row in rows}
        self._knots: dict[str, list[tuple[float, float]]] = {}
        of_all: list[float] = []
        for group in GROUPS:
            found: dict[float, list[float]] = defaultdict(list)
            for row in sorted(rows, key=lambda row: row.size):
                if (above := own_above(row, group)) is not None:
                    found[row.size].append(expected_of(row, group) + above)
            levels = zip(found, _rising([fmean(logits) for logits in found.values()]), strict=True)
            thinking = self.kind == "reasoning"
            self._knots[group] = [
                (log(size), level - anchor(group, size, self.year, thinking)) for size, level in levels
            ]
            of_all += [above for _, above in self._knots[group]]
        self._general = fmean(of_all) / 2 if of_all else 0.0  # for a group without a result: half of the others' mean

    def size_of(self, parameters: float) -> float:
        """`Claim.size` of the known model of about so many parameters: it may be a mixture of experts.

        0: none is known. Where no parameters are known, of the family's only model.
        """
        if not parameters:
            return next(iter(self._sizes.values())) if len(self._sizes) == 1 else 0.0
        nearest = min(self._sizes, key=lambda total: abs(log(total / parameters)))
        return self._sizes[nearest] if abs(log(nearest / parameters)) < log(_ABOUT) else 0.0

    def knows(self, group: str) -> bool:
        """Whether a model of it has a result of the group."""
        return bool(self._knots[group])

    def above(self, group: str, size: float) -> float:
        """Logits above the curve at a size: on a straight line between two known sizes, beyond them as the nearest."""
        knots, at = self._knots[group], log(size)
        if not knots:
            return self._general
        for (left, low), (right, high) in pairwise(knots):
            if left <= at <= right:
                return low + (high - low) * (at - left) / (right - left)
        return knots[0][1] if at < knots[0][0] else knots[-1][1]


def _is_same(asked: tuple[Word, ...], known: tuple[Word, ...]) -> bool:
    """Whether a family is the known one; a word without a version means whichever is known."""
    pairs = zip(asked, known, strict=False)
    return len(asked) == len(known) and all(a == b and v in ("", w) for (a, v), (b, w) in pairs)


def _rising(values: list[float]) -> list[float]:
    """The nearest sequence that never falls (least squares): neighbours that fall get their mean, until none does."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        blocks.append((value, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (right, many), (left, more) = blocks.pop(), blocks.pop()
            blocks.append(((left * more + right * many) / (more + many), more + many))
    return [value for value, count in blocks for _ in range(count)]


def _shares(logits: Mapping[str, float]) -> dict[str, float]:
    """Shares right by group, the general one included."""
    all_groups = {**logits, GENERAL: fmean(logits[group] for group in _GENERAL_OF)}
    return {group: 1 / (1 + exp(-logit)) for group, logit in all_groups.items()}


def _number(version: str) -> float:
    digits = version.rstrip("abcdefghijklmnopqrstuvwxyz")
    return float(digits) if digits else 0.0
