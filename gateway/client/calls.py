"""PPAI's own calls: how one is added, its body (small JSON, decoded at once or refused), and its answer as JSON."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.server.edge import read_pieces
from gateway.wire.codec import UNREADABLE
from gateway.wire.errors import InvalidRequest, without_words

BODY_LIMIT_BYTES = 4 << 20
Body = TypeVar("Body")
Endpoint = Callable[[Request], Awaitable[Any]]  # of what is to be JSON, or of a Response as it is
Needs = Callable[[Request], None]  # raises InvalidRequest for who may not ask


class Call(Route):
    """One method of one path, in the form that the app takes (pages.py)."""

    def __init__(self, method: str, path: str, endpoint: Endpoint, needs: Needs | None, *, is_told: bool) -> None:
        answered = partial(_answered, endpoint, needs)
        super().__init__(path, answered, methods=[method], include_in_schema=is_told)
        self.method, self.needs = method, needs


class Calls:
    """Collects calls; `needs` is asked first of all, and `is_told` says whether the OpenAPI page names the call."""

    def __init__(self) -> None:
        self.all: list[Call] = []

    def get(self, path: str, needs: Needs | None = None, *, is_told: bool = True) -> Callable[[Endpoint], Endpoint]:
        return self._on("GET", path, needs, is_told)

    def post(self, path: str, needs: Needs | None = None, *, is_told: bool = True) -> Callable[[Endpoint], Endpoint]:
        return self._on("POST", path, needs, is_told)

    def delete(self, path: str, needs: Needs | None = None, *, is_told: bool = True) -> Callable[[Endpoint], Endpoint]:
        return self._on("DELETE", path, needs, is_told)

    def _on(self, method: str, path: str, needs: Needs | None, is_told: bool) -> Callable[[Endpoint], Endpoint]:
        def register(endpoint: Endpoint) -> Endpoint:
            self.all.append(Call(method, path, endpoint, needs, is_told=is_told))
            return endpoint

        return register


def json_response(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The content as JSON; a number that JSON does not have is null."""
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")


async def read_bytes(request: Request) -> bytes:
    """The body, of which no more is kept than may be there. Raises InvalidRequest, ClientGone."""
    return await read_pieces(request.receive, BODY_LIMIT_BYTES, remedy="send less")


async def read_json(request: Request, kind: type[Body]) -> Body:
    """The body as `kind`. Raises InvalidRequest, ClientGone."""
    body = await read_bytes(request)
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        raise InvalidRequest(f"invalid request body: {without_words(error)}") from error


async def _answered(endpoint: Endpoint, needs: Needs | None, request: Request) -> Response:
    if needs is not None:
        needs(request)
    said = await endpoint(request)
    return said if isinstance(said, Response) else json_response(said)
