"""An engine's API on connections of its own, as OpenAIEngine makes it."""

from collections.abc import Mapping

from gateway.engines.engine_api import EngineApi, connections_to


def api_at(url: str, headers: Mapping[str, str] = {}) -> EngineApi:
    return EngineApi(url, connections_to(url), headers)
