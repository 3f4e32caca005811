"""Bodies of PPAI's own calls: small JSON, decoded at once or refused."""

from typing import TypeVar

import fastapi
import msgspec

from gateway.wire.codec import UNREADABLE
from gateway.wire.errors import InvalidRequest, without_words

BODY_LIMIT_BYTES = 4 << 20
Body = TypeVar("Body")


async def read_json(request: fastapi.Request, kind: type[Body]) -> Body:
    """The body as `kind`. Raises InvalidRequest."""
    body = await request.body()
    if len(body) > BODY_LIMIT_BYTES:
        raise InvalidRequest("the body is too large", status=413, code="body_too_large")
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        raise InvalidRequest(f"invalid request body: {without_words(error)}") from error
