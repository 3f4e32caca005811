"""A request to an engine is left however it ends (see also test_openai_http.py)."""

import pytest

from gateway.engines.openai_http import OpenAIEngine
from gateway.upstream import Patience, UpstreamError
from tests.fakes import ScriptedEngine

PATIENCE = Patience(first_event_s=2, idle_s=2, whole_s=2)
BODY = (b'{"stream":true}',)


@pytest.mark.parametrize("behaviour", [{"status": 400}, {"headers": {"content-encoding": "br"}}, {"cut_after": 0}])
async def test_whatever_ends_it_nothing_is_counted_as_under_way(behaviour: dict[str, object]) -> None:
    async with ScriptedEngine(**behaviour).serving() as engine:  # type: ignore[arg-type]
        client = OpenAIEngine(engine.url)
        try:
            async with client.open("chat/completions", BODY, {}, stream=True, patience=PATIENCE) as reply:
                assert 1 == client.in_flight
                async for _ in reply.events():
                    pass
        except UpstreamError:
            pass
        assert 0 == client.in_flight
        await engine.until(lambda engine: engine.active == 0)
