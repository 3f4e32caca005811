"""The FastAPI app behind the generating endpoints: every page and call of the client side, and its errors' form."""

from collections.abc import Mapping

import fastapi
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from gateway.client.explain import add_explanation
from gateway.client.models import add_model_pages
from gateway.client.owner import add_owner_calls
from gateway.client.running import RunningPeer
from gateway.client.status import add_status_pages
from gateway.wire.errors import InvalidRequest, error_body


def pages_app(peer: RunningPeer) -> fastapi.FastAPI:
    app = fastapi.FastAPI(title="PPAI", docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(HTTPException)
    async def openai_error(request: fastapi.Request, error: HTTPException) -> Response:
        path, code = request.url.path, {404: "not_found", 405: "method_not_allowed"}.get(error.status_code)
        message = f"{request.method} {path}: {error.detail}; docs/architecture.md lists what is here"
        return _error(message, error.status_code, code, headers=error.headers)

    @app.exception_handler(InvalidRequest)
    async def invalid(request: fastapi.Request, error: InvalidRequest) -> Response:
        return _error(error.message, error.status, error.code, error.param)

    for add in (add_model_pages, add_status_pages, add_explanation, add_owner_calls):
        add(app, peer)
    return app


def _error(
    message: str,
    status: int,
    code: str | None,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    kind = "not_found_error" if status == 404 else "invalid_request_error"
    return Response(error_body(message, kind, param, code), status, headers, media_type="application/json")
