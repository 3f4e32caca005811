"""An engine's API on connections of its own, as OpenAIEngine makes it."""

from collections.abc import Mapping

from discovery.connections import Connections
from gateway.engines.engine_api import CONNECT_TIMEOUT_S, KEEPALIVE_S, EngineApi


def api_at(url: str, headers: Mapping[str, str] = {}) -> EngineApi:
    return EngineApi(url, Connections(url, connect_s=CONNECT_TIMEOUT_S, keep_s=KEEPALIVE_S), headers)
