"""The application's side: the OpenAI API for this machine's programs, and PPAI's own pages about itself.

The generating endpoints are raw ASGI; everything that is asked seldom is a FastAPI app behind them.
"""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import fastapi
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from gateway.config import ClientConfig
from gateway.dispatch import Dispatcher
from gateway.engines.local import LocalEngine
from gateway.http_edge import (
    AsgiClient,
    ClientGone,
    Receive,
    Scope,
    Send,
    headers_of,
    is_allowed_host,
    is_allowed_origin,
    read_body,
    until_gone,
)
from gateway.node import Node
from gateway.openai_wire import ENDPOINTS, InvalidRequest, error_body
from gateway.status import engine_status, missing, model_entries
from gateway.telemetry import Telemetry

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the pages about this peer read from."""

    node: Node
    engine: LocalEngine
    telemetry: Telemetry
    url: str
    clock: Callable[[], float]  # monotonic seconds
    began: float


_GENERATING = {f"/v1/{endpoint}": endpoint for endpoint in ENDPOINTS}
_EXPOSED = (
    ", ".join(f"x-ppai-{name}" for name in ("peer", "model", "score", "cost-s", "reason", "attempts"))
    + ", x-request-id, server-timing"
)


class ClientApp:
    """ASGI app of the client listener."""

    def __init__(self, dispatcher: Dispatcher, seldom: fastapi.FastAPI, config: ClientConfig) -> None:
        self._dispatcher, self._seldom, self._config = dispatcher, seldom, config
        self._allowed_hosts = {config.host, *config.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        client = AsgiClient(send, self._common_headers(headers))
        try:
            self._check_caller(headers)
            if scope["method"] == "OPTIONS" and "origin" in headers:
                await client.start(204, "text/plain", _PREFLIGHT)
                await client.send(b"", more=False)
            elif scope["path"] in _GENERATING and scope["method"] == "POST":
                body = await read_body(scope, receive, self._config.body_limit_bytes)
                await until_gone(self._generate(_GENERATING[scope["path"]], body, headers, client), receive)
            elif scope["path"] in _GENERATING:
                raise InvalidRequest(f"{scope['path']} wants a POST", status=405, code="method_not_allowed")
            else:
                await self._seldom(dict(scope), receive, client.pass_on)  # type: ignore[arg-type]
        except InvalidRequest as error:
            await _answer_invalid(client, error)
        except ClientGone:
            pass

    async def _generate(self, endpoint: str, body: bytes, headers: Mapping[str, str], client: AsgiClient) -> None:
        try:
            await self._dispatcher.answer(endpoint, body, headers, client)
        except InvalidRequest as error:
            await _answer_invalid(client, error)
        except Exception:
            log.exception("bug=request endpoint=%s", endpoint)
            if not client.has_started:
                message = "PPAI failed on this request, which is a bug: please report it with the peer's log"
                await client.start(500, "application/json", {})
                await client.send(error_body(message, "server_error", code="internal_error"), more=False)

    def _check_caller(self, headers: Mapping[str, str]) -> None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not is_allowed_host(host, self._allowed_hosts):
            raise InvalidRequest(
                f"Host `{host}` is not one of this peer's; add it to client.allowed_hosts", status=403, code="bad_host"
            )
        if origin and not is_allowed_origin(origin, host, self._config.cors_origins):
            raise InvalidRequest(
                f"pages of `{origin}` may not call this peer; add it to client.cors_origins",
                status=403,
                code="bad_origin",
            )

    def _common_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        common = {"x-request-id": headers.get("x-request-id", "")[:200] or os.urandom(16).hex()}
        if origin := headers.get("origin"):
            common |= {
                "access-control-allow-origin": origin,
                "access-control-expose-headers": _EXPOSED,
                "vary": "origin",
            }
        return common


_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": "*, authorization",
    "access-control-max-age": "600",
}


async def _answer_invalid(client: AsgiClient, error: InvalidRequest) -> None:
    kind = "not_found_error" if error.status == 404 else "invalid_request_error"
    await client.start(error.status, "application/json", {})
    await client.send(error_body(error.message, kind, error.param, error.code), more=False)


def seldom_app(parts: Parts) -> fastapi.FastAPI:
    """Everything that is not on the chat path."""
    app = fastapi.FastAPI(title="PPAI", docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(HTTPException)
    async def openai_error(request: fastapi.Request, error: HTTPException) -> Response:
        path, code = request.url.path, {404: "not_found", 405: "method_not_allowed"}.get(error.status_code)
        message = f"{request.method} {path}: {error.detail}; docs/architecture.md lists what is here"
        return _json(error_body(message, "invalid_request_error", code=code), error.status_code)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": model_entries(parts.node)}

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> Response:
        entry = next((entry for entry in model_entries(parts.node) if entry["id"] == name), None)
        if entry is None:
            message = f"The model `{name}` does not exist on this network; see GET /v1/models"
            return _json(error_body(message, "not_found_error", "model", "model_not_found"), 404)
        return JSONResponse(entry)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> Response:
        lacking = missing(parts.node, parts.engine)
        return JSONResponse({"ready": not lacking, "missing": lacking}, 503 if lacking else 200)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(parts.telemetry.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/ppai/v1/status")
    async def status() -> dict[str, Any]:
        return {
            "id": parts.node.me,
            "name": parts.node.name,
            "version": version("ppai"),
            "url": parts.url,
            "uptime_s": round(parts.clock() - parts.began, 1),
            "engine": engine_status(parts.engine),
            "missing": missing(parts.node, parts.engine),
        }

    return app


def _json(body: bytes, status: int) -> Response:
    return Response(body, status, media_type="application/json")
