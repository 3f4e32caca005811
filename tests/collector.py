"""A collector of OpenTelemetry's: takes spans and metrics over HTTP as real ones do, and shows what came."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

QUICKLY = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_METRIC_EXPORT_INTERVAL": "200"}  # ms, for the SDK


class Span(NamedTuple):
    """One that came; `peer` is the instance that sent it, `kind` as in OpenTelemetry (2 server, 3 client)."""

    peer: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    failed: bool


class Collector:
    """What came since it began to serve."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.metrics: dict[tuple[str, str], list[Any]] = {}  # (instance, name) -> points of what came last
        self.raw = b""
        self.url = ""

    def take(self, path: str, body: bytes) -> None:
        self.raw += body
        if path == "/v1/traces":
            said = ExportTraceServiceRequest.FromString(body)
            for group in said.resource_spans:
                peer = _attributes(group.resource)["service.instance.id"]
                for span in (span for scope in group.scope_spans for span in scope.spans):
                    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                    self.spans.append(Span(peer, span.name, span.kind, *ids, _attributes(span), span.status.code == 2))
        else:
            for group in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                peer = _attributes(group.resource)["service.instance.id"]
                for metric in (metric for scope in group.scope_metrics for metric in scope.metrics):
                    self.metrics[peer, metric.name] = list(metric.histogram.data_points)


@contextmanager
def collecting(status: int = 200) -> Iterator[Collector]:
    """A collector on a port of its own; `status`: what it answers."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.path, self.rfile.read(int(self.headers["content-length"])))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


def _attributes(of: Message) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}  # type: ignore[attr-defined]
