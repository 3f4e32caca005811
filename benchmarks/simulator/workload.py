"""What is asked, when and where: arrivals, answer lengths, and the queries themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.simulator.asks import Ask
from benchmarks.simulator.recorded import Recorded
from gateway.routing.query import Query

Arrivals = Literal["poisson", "bursty"]
Floats = NDArray[np.float64]

BURST_S, BURST_EVERY, BURST_RATE = 10.0, 4, 2.0  # a burst: twice the mean rate for 10 s of every 40 s


@dataclass(frozen=True, slots=True)
class Lengths:
    """Answer lengths in tokens: Gamma of this mean and coefficient of variation, at least 1."""

    mean: Annotated[float, msgspec.Meta(gt=0)]
    cv: Annotated[float, msgspec.Meta(gt=0)]

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
        shape = 1.0 / self.cv**2
        return np.maximum(1, np.rint(rng.gamma(shape, self.mean / shape, n))).astype(np.int64)


def arrival_times(rate: float, n: int, arrivals: Arrivals, rng: np.random.Generator) -> Floats:
    """(n,) seconds. Poisson, or Poisson at twice the rate during bursts and slower between: the same mean."""
    times: Floats = np.cumsum(rng.exponential(1.0, n)) / rate
    if arrivals == "poisson":
        return times
    # Operational time -> clock time: a period's mean count is the same, its first part runs BURST_RATE times as fast.
    period_s = BURST_S * BURST_EVERY
    quiet = (BURST_EVERY - BURST_RATE) / (BURST_EVERY - 1)
    whole, within = np.divmod(times, period_s)
    in_burst = within < BURST_S * BURST_RATE
    inside = np.where(in_burst, within / BURST_RATE, BURST_S + (within - BURST_S * BURST_RATE) / quiet)
    return whole * period_s + inside


def plain_asks(rate: float, n: int, entries: int, lengths: Lengths, arrivals: Arrivals, seed: int) -> list[Ask]:
    """Queries without words: every agent answers them equally well, so load alone decides."""
    rng = np.random.default_rng([seed, 4])
    times = arrival_times(rate, n, arrivals, rng)
    entry, tokens = rng.integers(0, entries, n), lengths.draw(rng, n)
    right, query = np.ones(1), Query(prompt_tokens=1)
    return [Ask(float(times[i]), int(entry[i]), query, int(tokens[i]), "", right) for i in range(n)]


def recorded_asks(
    recorded: Recorded,
    rows: NDArray[np.intp],
    relevance: NDArray[np.float32] | Floats,
    rate: float,
    n: int,
    entries: int,
    lengths: Mapping[str, Lengths],
    arrivals: Arrivals,
    seed: int,
) -> list[Ask]:
    """Recorded queries, each task as likely as any other. `relevance` has one row a query of `rows`."""
    rng = np.random.default_rng([seed, 4])
    times = arrival_times(rate, n, arrivals, rng)
    entry = rng.integers(0, entries, n)
    tasks = rng.choice(np.array(sorted(lengths)), n)
    drawn, tokens = np.empty(n, dtype=np.intp), np.empty(n, dtype=np.int64)
    for task, length in sorted(lengths.items()):
        here = tasks == task
        drawn[here] = rng.choice(np.flatnonzero(recorded.tasks[rows] == task), here.sum())
        tokens[here] = length.draw(rng, int(here.sum()))
    asks = []
    for i in range(n):
        row = rows[drawn[i]]
        prompt_tokens = int(recorded.prompt_tokens[row])
        query = Query(
            prompt_tokens=prompt_tokens,
            body_bytes=4 * prompt_tokens,
            category=str(recorded.category[row]),
            relevance=relevance[drawn[i]].astype(np.float64),
        )
        task = str(recorded.tasks[row])
        asks.append(Ask(float(times[i]), int(entry[i]), query, int(tokens[i]), task, recorded.grades[row]))
    return asks
