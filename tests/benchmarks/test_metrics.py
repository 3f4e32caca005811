"""What counting costs is measured on what is counted."""

import pytest
from prometheus_client import Counter, Histogram

from benchmarks import metrics
from gateway.telemetry.metrics import Telemetry


def test_both_count_the_same_request(monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry = Telemetry()
    counter, histogram = Counter("m", "m", registry=None), Histogram("m", "m", registry=None)
    metrics.ours(telemetry)
    metrics.library(counter, histogram)
    text = telemetry.exposition().decode()
    counted = sum(
        float(line.split()[-1]) for line in text.splitlines() if "_seconds_count" in line and not line.startswith("#")
    )

    assert 8 == counted == histogram._buckets[-1].get() + sum(bucket.get() for bucket in histogram._buckets[:-1])
    assert 133 == counter._value.get()


def test_each_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "REQUESTS", 10)

    found = metrics.measured()

    assert ["ours", "prometheus-client"] == [*found]
    assert all(us > 0 for us in found.values())
