"""What Prometheus reads, from families of plain numbers.

Its client library is loaded when somebody scrapes first: it brings servers and clients of HTTP that nobody else here
needs (2 MiB, docs/results/gateway.md#memory-and-start).
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gateway.telemetry.counts import Family, Spread

if TYPE_CHECKING:
    from prometheus_client.core import Metric


def text_of(families: Iterable[Family]) -> bytes:
    """Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Told(families))
    return generate_latest(registry)


def text_of_process() -> bytes:
    """The same of this process: memory, processor time, open files; nothing where the system is not Linux."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Told:
    """What a registry of the client library asks."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def describe(self) -> list["Metric"]:
        """Nothing is told only to learn the names."""
        return []

    def collect(self) -> Iterator["Metric"]:
        """Each family as the library has it."""
        return map(_metric, self._families)


def _metric(family: Family) -> "Metric":
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
    metric: Metric = kinds[family.kind](family.name, family.about, labels=family.labels)
    for values, value in family.series.items():
        of = (value.cumulative(), value.sum) if isinstance(value, Spread) else (value,)
        metric.add_metric(values, *of)  # type: ignore[attr-defined]  # each kind has its own
    return metric
