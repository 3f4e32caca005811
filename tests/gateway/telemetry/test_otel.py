"""OpenTelemetry is off unless a collector is named."""

import subprocess
import sys

import pytest

from gateway.telemetry import otel
from gateway.telemetry.otel import Ended, OtelConfig, OtelError, Untraced


def test_without_a_collector_nothing_of_it_is_loaded() -> None:
    """Its interface alone may be: other packages bring that."""
    code = "import sys, gateway.runtime.running; print('opentelemetry.sdk' in sys.modules)"

    assert "False" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()


def test_untraced_requests_carry_no_header() -> None:
    tracing = Untraced()
    trace = tracing.request("chat/completions", {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"})

    assert {} == trace.attempt("model", "ppai", "ben", may_tell=True)
    tracing.served({}, is_known=True).ended("chat/completions", "model", Ended("ok", None, None, 1.0, 0, 0))


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4318", "grpc://127.0.0.1:4317", "http://"])
def test_an_endpoint_that_is_no_address_is_told_with_an_example(endpoint: str) -> None:
    with pytest.raises(OtelError, match=r"http://127\.0\.0\.1:4318"):
        otel.check(OtelConfig(endpoint))


def test_the_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otel, "find_spec", lambda name: None)

    with pytest.raises(OtelError, match=r"pip install 'ppai\[otel\]'"):
        otel.check(OtelConfig("http://127.0.0.1:4318"))
    otel.check(OtelConfig())
