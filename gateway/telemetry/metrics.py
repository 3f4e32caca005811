"""Prometheus metrics: what the peer counts and times. Never prompt text, keys or signatures."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from math import inf

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

_TTFT_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_LATENCY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

_Counts = Counter[tuple[str, ...]]


class Telemetry:
    """One peer's metrics: plain numbers, made into Prometheus' families when they are scraped.

    The client library's own counters take a lock at every step (docs/results/gateway.md#small-costs).
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests, self._tokens, self._served, self._refused = _Counts(), _Counts(), _Counts(), _Counts()
        self._continued = _Counts()
        self._ttft = defaultdict[str, _Spread](lambda: _Spread(_TTFT_BUCKETS))
        self._latency = defaultdict[str, _Spread](lambda: _Spread(_LATENCY_BUCKETS))
        self.registry.register(self)

    def watch(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """A gauge read when it is scraped."""
        Gauge(name, help_text, registry=self.registry).set_function(value)

    def observe(
        self, target: str, status: str, ttft_s: float | None, latency_s: float, prompt_tokens: int, tokens: int
    ) -> None:
        """One attempt; `target` is "local" or "remote" (a label a peer would grow without bound)."""
        self._requests[target, status] += 1
        self._tokens[target, "prompt"] += prompt_tokens if status == "ok" else 0
        self._tokens[target, "completion"] += tokens
        if status == "ok":
            self._latency[target].add(latency_s)
            if ttft_s is not None:
                self._ttft[target].add(ttft_s)

    def observe_continued(self, target: str, status: str) -> None:
        """One attempt to go on with an answer that broke off elsewhere; `target` as in `observe`."""
        self._continued[target, status] += 1

    def observe_served(self, status: str, prompt_tokens: int, tokens: int) -> None:
        """One request that another peer delegated to us."""
        self._served[status,] += 1
        self._tokens["served", "prompt"] += prompt_tokens
        self._tokens["served", "completion"] += tokens

    def observe_refused(self, http_status: int, code: str) -> None:
        """One request of this machine's programs that nobody was asked; `code` is one of ours, never the client's.

        It is counted without what stands behind its colon, a field's name: there are many of those.
        """
        self._refused[str(http_status), code.partition(":")[0]] += 1

    def exposition(self) -> bytes:
        """Prometheus text format."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """What the registry asks for when it is scraped."""
        yield _counter("ppai_requests", "Attempts, by who was asked", ("target", "status"), self._requests)
        yield _counter("ppai_tokens", "Tokens read and written, by who was asked", ("target", "kind"), self._tokens)
        yield _counter("ppai_served", "Requests of other peers, run here", ("status",), self._served)
        yield _counter("ppai_continued", "Attempts to go on with an answer", ("target", "status"), self._continued)
        yield _counter("ppai_refused", "Requests that nobody was asked", ("status", "code"), self._refused)
        yield _histogram("ppai_time_to_first_token_seconds", "From asking to the first event", self._ttft)
        yield _histogram("ppai_request_duration_seconds", "From asking to the last byte", self._latency)


class _Spread:
    """How many values fell below each bound, and their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> list[tuple[str, float]]:
        """(upper bound, values up to it), the last one for all."""
        return [
            ("+Inf" if bound == inf else repr(float(bound)), float(count))
            for bound, count in zip((*self._bounds, inf), accumulate(self._counts), strict=True)
        ]


def _counter(name: str, help_text: str, labels: Sequence[str], counts: _Counts) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family


def _histogram(name: str, help_text: str, spreads: Mapping[str, _Spread]) -> Metric:
    family = HistogramMetricFamily(name, help_text, labels=("target",))
    for target, spread in spreads.items():
        family.add_metric((target,), spread.cumulative(), spread.sum)
    return family
