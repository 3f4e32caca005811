"""Bodies of PPAI's own calls: small JSON, decoded at once or refused."""

from typing import TypeVar

import fastapi
import msgspec

from gateway.server.edge import read_body
from gateway.wire.codec import UNREADABLE
from gateway.wire.errors import InvalidRequest, without_words

BODY_LIMIT_BYTES = 4 << 20
Body = TypeVar("Body")


async def read_bytes(request: fastapi.Request) -> bytes:
    """The body, of which no more is kept than may be there. Raises InvalidRequest, ClientGone."""
    return await read_body(request.scope, request.receive, BODY_LIMIT_BYTES, remedy="send less")


async def read_json(request: fastapi.Request, kind: type[Body]) -> Body:
    """The body as `kind`. Raises InvalidRequest, ClientGone."""
    body = await read_bytes(request)
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        raise InvalidRequest(f"invalid request body: {without_words(error)}") from error
