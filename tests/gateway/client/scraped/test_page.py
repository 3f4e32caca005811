"""GET /metrics."""

from tests.gateway.client.site import Site


async def test_metrics_are_prometheus_text(site: Site) -> None:
    response = await site.http.get("/metrics")

    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE ppai_requests_total counter" in response.text
    assert "# TYPE ppai_build_info gauge" in response.text
