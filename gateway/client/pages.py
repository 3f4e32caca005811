"""The Starlette app behind the generating endpoints: every page and call of the client side, and its errors' form."""

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.client.calls import Calls
from gateway.client.entrance.paths import hint
from gateway.client.explain import add_explanation
from gateway.client.feedback import add_feedback
from gateway.client.models import add_model_pages
from gateway.client.owner import add_owner_calls
from gateway.client.page.checks import add_checks
from gateway.client.page.page import add_page
from gateway.client.page.watching import Watching
from gateway.client.running import RunningPeer
from gateway.client.scraped.page import add_metrics_page
from gateway.client.status import add_status_pages
from gateway.client.stored import add_stored_answers
from gateway.wire.errors import InvalidRequest, endpoint_of, whole_error


def pages_app(peer: RunningPeer, watching: Watching) -> Starlette:
    """Every call is added once; what they raise becomes an error in the form of the endpoint."""
    calls = Calls()
    for add in (
        add_model_pages, add_stored_answers, add_status_pages, add_metrics_page, add_explanation, add_feedback,
        add_owner_calls,
    ):  # fmt: skip
        add(calls, peer)
    add_page(calls, peer, watching)
    add_checks(calls, peer)
    return Starlette(routes=calls.all, exception_handlers={HTTPException: _no_such_page, InvalidRequest: _invalid})


async def _no_such_page(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "registered for these"
    path, code = request.url.path, {404: "not_found", 405: "method_not_allowed"}.get(error.status_code)
    message = f"{request.method} {path}: {error.detail}{hint(path, _origin(request))}"
    message += "; docs/architecture.md lists what is here"
    return _error(request, error.status_code, message, code, headers=error.headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidRequest), "registered for these"
    return _error(request, error.status, error.message, error.code, error.param)


def _origin(request: Request) -> str:
    """Where the client reached us, as it says; empty where it says nothing (HTTP/1.0)."""
    host = request.headers.get("host")
    return f"{request.url.scheme}://{host}" if host else ""


def _error(
    request: Request,
    status: int,
    message: str,
    code: str | None,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    endpoint, request_id = endpoint_of(request.url.path), getattr(request.state, "request_id", "")
    status, body = whole_error(endpoint, request_id, status=status, message=message, code=code, param=param)
    return Response(body, status, headers, media_type="application/json")
