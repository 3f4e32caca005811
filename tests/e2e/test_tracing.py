"""One request over two peer processes is one trace at a collector."""

import asyncio

import pytest

from tests.collector import QUICKLY, Span, collecting
from tests.e2e.network import SECRET, Cluster, start

TRACE, APP = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CONSOLE = {"x-ppai-route": "ben", "traceparent": f"00-{TRACE}-{APP}-01"}


@pytest.mark.slow
async def test_a_programs_trace_goes_on_at_the_peer_that_answers(cluster: Cluster) -> None:
    with collecting() as collector:
        env = {**SECRET, **QUICKLY, "PPAI_OTEL_ENDPOINT": collector.url, "PPAI_OTEL_ACROSS_PEERS": "true"}
        await start(cluster, "ada", "ben", env=env)
        status, _, _ = await cluster.ask("ada", CONSOLE)

        def of(peer: str, kind: int) -> Span | None:
            return next((span for span in collector.spans if (span.peer, span.kind) == (peer, kind)), None)

        async with asyncio.timeout(10):
            while not (of("ada", 2) and of("ada", 3) and of("ben", 2)):
                await asyncio.sleep(0.05)
        whole, attempt, served = of("ada", 2), of("ada", 3), of("ben", 2)

    assert 200 == status
    assert whole and attempt and served
    assert {TRACE} == {span.trace for span in (whole, attempt, served)}
    assert (APP, whole.id, attempt.id) == (whole.parent, attempt.parent, served.parent)
