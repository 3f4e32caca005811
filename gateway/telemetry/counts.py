"""Counts and histograms as plain numbers, which are made into Prometheus' text when they are scraped (exposition.py).

The client library's own counters take a lock at every step (docs/results/gateway.md#small-costs).
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

GATHERED = 256  # rows that wait at most
SERIES_LIMIT = 64  # of one count
OTHER = "other"  # the label of what is beyond that


class Counts(dict[tuple[str, ...], float]):
    """Counts by label values. What others may choose makes no more than SERIES_LIMIT series; the rest is `other`.

    Example: an error's code may be an engine's or another peer's word. Those of `known` are told from the start, as 0:
    a series that begins at 1 has no rate.
    """

    def __init__(self, known: Iterable[tuple[str, ...]] = ()) -> None:
        super().__init__(dict.fromkeys(known, 0.0))

    def add(self, labels: tuple[str, ...], by: float = 1) -> None:
        """Count."""
        try:
            self[labels] += by
        except KeyError:
            known = labels if len(self) < SERIES_LIMIT else (OTHER,) * len(labels)
            self[known] = self.get(known, 0) + by


class Spread:
    """How many values were no more than each bound, and their sum."""

    __slots__ = ("_bounds", "_counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = (*bounds, inf)
        self._counts = [0] * len(self._bounds)  # up to each
        self.sum = 0.0

    def add(self, values: Iterable[float]) -> None:
        """Count values: sorted once, they are looked through by bounds, of which there are fewer."""
        ordered = sorted(values)
        self.sum += sum(ordered)
        for place, bound in enumerate(self._bounds):
            self._counts[place] += bisect_right(ordered, bound)

    def cumulative(self) -> list[tuple[str, float]]:
        """(upper bound, values up to it), the last one for all."""
        return [
            ("+Inf" if bound == inf else repr(float(bound)), float(count))
            for bound, count in zip(self._bounds, self._counts, strict=True)
        ]


class Gathered(list[tuple[Any, ...]]):
    """Rows of what requests are measured by, which are counted by columns: when GATHERED have come, or somebody looks.

    Example: an attempt leaves (first token, duration, tokens), and 256 of them are three columns for three `Spread`s.
    Counted one by one, a row costs several times as much. Whoever appends sees to it that `settle` is called.
    """

    __slots__ = ("_count",)

    def __init__(self, count: Callable[..., None]) -> None:
        """`count` is called with a tuple a column."""
        super().__init__()
        self._count = count

    def settle(self) -> None:
        """Count what waits."""
        if self:
            columns = [*zip(*self, strict=True)]
            self.clear()
            self._count(*columns)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: `name` without `_total`, what it is `about`, and its series by the values of its labels."""

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    about: str
    labels: tuple[str, ...]
    series: Mapping[tuple[str, ...], float | Spread]


def counter(name: str, about: str, labels: tuple[str, ...], counts: Mapping[tuple[str, ...], float]) -> Family:
    """What only grows."""
    return Family("counter", name, about, labels, counts)


def histogram(name: str, about: str, label: str, spreads: Mapping[str, Spread]) -> Family:
    """One series a value of `label`, those too of which nothing was counted yet."""
    return Family("histogram", name, about, (label,), {(value,): spread for value, spread in spreads.items()})
