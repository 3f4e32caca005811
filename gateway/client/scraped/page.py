"""GET /metrics: what the peer counts (gateway/telemetry/metrics.py), and how it is as it is asked (gauges.py)."""

from starlette.requests import Request
from starlette.responses import Response

from gateway.client.calls import Calls
from gateway.client.running import RunningPeer
from gateway.client.scraped.gauges import families
from gateway.telemetry.exposition import text_of, text_of_process


def add_metrics_page(calls: Calls, peer: RunningPeer) -> None:
    @calls.get("/metrics")
    async def metrics(_: Request) -> Response:
        text = peer.telemetry.exposition() + text_of(families(peer)) + text_of_process()
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
