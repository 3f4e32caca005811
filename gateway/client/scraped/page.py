"""GET /metrics: what the peer counts (gateway/telemetry/metrics.py), and how it is as it is asked (gauges.py)."""

import fastapi
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from gateway.client.running import RunningPeer
from gateway.client.scraped.gauges import Gauges


def add_metrics_page(app: fastapi.FastAPI, peer: RunningPeer) -> None:
    state = CollectorRegistry()
    state.register(Gauges(peer))
    ProcessCollector(registry=state)  # memory, processor time, open files: on Linux alone

    @app.get("/metrics")
    async def metrics() -> Response:
        text = peer.telemetry.exposition() + generate_latest(state)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
