"""Spans and metrics for an OpenTelemetry collector, by the names of genai.py. Loaded only where a collector is named.

A request of our programs is a span of its own, each attempt one below it, and what another peer runs for us one below
that, where both peers hand traces on (otel.py). The SDK sends in threads of its own, and drops what is too much.
"""

import asyncio
import threading
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Histogram
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.telemetry import genai
from gateway.telemetry.counts import OTHER, SERIES_LIMIT
from gateway.telemetry.otel import TRACEPARENT, Ended, OtelConfig
from gateway.version import own_version
from gateway.wire.text import one_line

CLOSE_S = 3.0  # for what is left to be sent at the end
ERROR_CHARS = 64  # of an error's code, which may be another peer's word

_W3C = TraceContextTextMapPropagator()


class OpenTelemetry:
    """The Tracing (otel.py) of a peer that has a collector."""

    def __init__(self, config: OtelConfig, peer: str, close_s: float = CLOSE_S) -> None:
        self._close_s, self._errors = close_s, set[str]()
        place, self.across_peers = config.endpoint.rstrip("/"), config.across_peers
        about = {"service.name": "ppai", "service.version": own_version(), "service.instance.id": peer}
        resource = Resource.create(about)
        self._spans = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{place}/v1/traces")))
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{place}/v1/metrics"))
        self._meters = MeterProvider([reader], resource, shutdown_on_exit=False)
        self.tracer = self._spans.get_tracer("ppai", own_version())
        self.client_duration = self._histogram(genai.CLIENT_DURATION, "s", genai.DURATION_BOUNDS_S)
        self.client_first_chunk = self._histogram(genai.CLIENT_FIRST_CHUNK, "s", genai.FIRST_TOKEN_BOUNDS_S)
        self.client_tokens = self._histogram(genai.CLIENT_TOKENS, "{token}", genai.TOKENS)
        self.server_duration = self._histogram(genai.SERVER_DURATION, "s", genai.DURATION_BOUNDS_S)
        self.server_first_token = self._histogram(genai.SERVER_FIRST_TOKEN, "s", genai.FIRST_TOKEN_BOUNDS_S)
        self.server_per_token = self._histogram(genai.SERVER_PER_TOKEN, "s", genai.TOKEN_BOUNDS_S)

    def request(self, endpoint: str, headers: Mapping[str, str]) -> "_Request":
        return _Request(self, genai.operation(endpoint), _parent(headers))

    def served(self, headers: Mapping[str, str], *, is_known: bool) -> "_Served":
        return _Served(self, _parent(headers) if is_known and self.across_peers else None)

    def error(self, outcome: Ended) -> str:
        """Why it failed, in a line. Each is a series: what others make up is `other` beyond SERIES_LIMIT of them."""
        code = one_line(outcome.error or "")[:ERROR_CHARS] or outcome.status
        if len(self._errors) < SERIES_LIMIT:
            self._errors.add(code)
        return code if code in self._errors else OTHER

    async def close(self) -> None:
        ending = threading.Thread(target=self._shut_down, daemon=True)  # a collector that hangs holds nobody up
        ending.start()
        await asyncio.to_thread(ending.join, self._close_s)

    def _shut_down(self) -> None:
        self._spans.shutdown()
        self._meters.shutdown()

    def _histogram(self, name: str, unit: str, bounds: tuple[float, ...]) -> Histogram:
        return self._meters.get_meter("ppai", own_version()).create_histogram(
            name, unit, explicit_bucket_boundaries_advisory=bounds
        )


class _Request:
    """See RequestTrace (otel.py)."""

    def __init__(self, tracing: OpenTelemetry, operation: str, parent: Context | None) -> None:
        self._tracing, self._operation = tracing, operation
        self._span = tracing.tracer.start_span(operation, parent, SpanKind.SERVER, {genai.PROVIDER: genai.PPAI})
        self._attempt: Span | None = None
        self._labels: dict[str, str] = {}

    def attempt(self, model: str, provider: str, peer: str, *, may_tell: bool) -> Mapping[str, str]:
        self._labels = {genai.OPERATION: self._operation, genai.PROVIDER: provider, genai.REQUEST_MODEL: model}
        below = set_span_in_context(self._span)
        span = self._attempt = self._tracing.tracer.start_span(
            f"{self._operation} {model}", below, SpanKind.CLIENT, {**self._labels, "ppai.peer": peer}
        )
        if not (may_tell and self._tracing.across_peers):
            return {}
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, set_span_in_context(span))
        return {TRACEPARENT: carrier[TRACEPARENT]}  # and no `tracestate`, in which others may have written anything

    def attempt_ended(self, outcome: Ended) -> None:
        span, self._attempt = self._attempt, None
        if span is None:  # it ended at our own door
            return
        labels, tracing = self._labels, self._tracing
        tracing.client_duration.record(outcome.latency_s, _tell(tracing, span, labels, outcome))
        if outcome.status != "ok":
            return
        if outcome.ttft_s is not None:
            tracing.client_first_chunk.record(outcome.ttft_s, labels)
        if not (outcome.prompt_tokens or outcome.tokens):  # of speech or a ranking nobody counts any
            return
        for kind, tokens in (("input", outcome.prompt_tokens), ("output", outcome.tokens)):
            tracing.client_tokens.record(tokens, {**labels, genai.TOKEN_TYPE: kind})

    def ended(self, model: str, status: str, reason: str = "", attempts: int = 0) -> None:
        span = self._span
        span.update_name(f"{self._operation} {model}".rstrip())
        span.set_attributes({genai.OPERATION: self._operation, genai.REQUEST_MODEL: model})
        span.set_attributes({"ppai.status": status, "ppai.reason": reason, "ppai.attempts": attempts})
        if status != "ok":
            span.set_attribute(genai.ERROR, reason if attempts == 0 and reason else status)
            span.set_status(StatusCode.ERROR)
        span.end()


class _Served:
    """See ServedTrace (otel.py)."""

    def __init__(self, tracing: OpenTelemetry, parent: Context | None) -> None:
        self._tracing = tracing
        # A new root where nobody may say which trace this is of: never what happens to be current.
        self._span = tracing.tracer.start_span("served", parent or Context(), SpanKind.SERVER)

    def ended(self, endpoint: str, model: str, outcome: Ended) -> None:
        operation, tracing = genai.operation(endpoint), self._tracing
        labels = {genai.OPERATION: operation, genai.PROVIDER: genai.PPAI, genai.REQUEST_MODEL: model}
        self._span.update_name(f"{operation} {model}".strip() or "served")
        tracing.server_duration.record(outcome.latency_s, _tell(tracing, self._span, labels, outcome))
        if outcome.status == "ok" and outcome.ttft_s is not None:
            tracing.server_first_token.record(outcome.ttft_s, labels)
            if outcome.tokens > 1:
                tracing.server_per_token.record((outcome.latency_s - outcome.ttft_s) / (outcome.tokens - 1), labels)


def _parent(headers: Mapping[str, str]) -> Context | None:
    """The trace that these headers say; an unreadable one says none."""
    said = headers.get(TRACEPARENT)
    return _W3C.extract({TRACEPARENT: said}, Context()) if said else Context()


def _tell(tracing: OpenTelemetry, span: Span, labels: dict[str, str], outcome: Ended) -> dict[str, str]:
    """How it went, and that it ended; the labels of how long it took."""
    span.set_attributes({**labels, genai.RESPONSE_MODEL: labels[genai.REQUEST_MODEL], "ppai.status": outcome.status})
    span.set_attributes({genai.INPUT_TOKENS: outcome.prompt_tokens, genai.OUTPUT_TOKENS: outcome.tokens})
    span.set_attribute(genai.IS_STREAM, outcome.ttft_s is not None)
    if outcome.ttft_s is not None:
        span.set_attribute(genai.FIRST_CHUNK_S, outcome.ttft_s)
    if outcome.status != "ok":
        labels = {**labels, genai.ERROR: tracing.error(outcome)}
        span.set_attribute(genai.ERROR, labels[genai.ERROR])
        span.set_status(StatusCode.ERROR)
    span.end()
    return labels
