"""GET /metrics: what the peer counts (gateway/telemetry/metrics.py), and how it is as it is asked (gauges.py)."""

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from gateway.client.calls import Calls
from gateway.client.running import RunningPeer
from gateway.client.scraped.gauges import Gauges


def add_metrics_page(calls: Calls, peer: RunningPeer) -> None:
    state = CollectorRegistry()
    state.register(Gauges(peer))
    ProcessCollector(registry=state)  # memory, processor time, open files: on Linux alone

    @calls.get("/metrics")
    async def metrics(_: Request) -> Response:
        text = peer.telemetry.exposition() + generate_latest(state)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
