"""Plain numbers become Prometheus' text, by a library that is loaded for the first who asks."""

import subprocess
import sys

import psutil
import pytest

from gateway.telemetry.counts import Counts, Family, Spread, counter, histogram
from gateway.telemetry.exposition import text_of, text_of_process


def test_what_is_known_beforehand_is_told_before_it_happens() -> None:
    counts = Counts([("ok",), ("failed",)])
    counts.add(("ok",))

    told = text_of([counter("ppai_test", "help", ("status",), counts)]).decode().splitlines()

    assert "# TYPE ppai_test_total counter" in told
    assert {'ppai_test_total{status="ok"} 1.0', 'ppai_test_total{status="failed"} 0.0'} < set(told)


def test_a_histogram_is_told_by_its_bounds_its_count_and_its_sum() -> None:
    spread = Spread((1.0,))
    spread.add((0.5, 9.0))

    told = text_of([histogram("ppai_test", "help", "of", {"a": spread})]).decode().splitlines()

    assert [
        'ppai_test_bucket{le="1.0",of="a"} 1.0',
        'ppai_test_bucket{le="+Inf",of="a"} 2.0',
        'ppai_test_count{of="a"} 2.0',
        'ppai_test_sum{of="a"} 9.5',
    ] == [line for line in told if not line.startswith("#")]


def test_a_gauge_without_labels_is_one_number() -> None:
    assert b"ppai_test 3.0" in text_of([Family("gauge", "ppai_test", "help", (), {(): 3.0})]).splitlines()


@pytest.mark.skipif(not psutil.LINUX, reason="told on Linux alone")
def test_the_process_is_told_too() -> None:
    assert b"process_resident_memory_bytes" in text_of_process()


def test_what_nobody_has_asked_for_is_not_loaded() -> None:
    """Prometheus' library, what reads versions, options of a child, lots: 5 MiB of an idle peer."""
    late = (
        "prometheus_client",
        "http.server",
        "importlib.metadata",
        "argparse",
        "multiprocessing",
        "uvicorn",
        "numpy.random",
    )
    program = f"""
import sys
import gateway.cli.serving
from gateway.runtime.running import run_peer
print([name for name in {late!r} if name in sys.modules])
"""
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    assert "[]" == said.strip()
