"""Bodies of PPAI's own calls are decoded, or refused with the reason."""

from collections.abc import Awaitable, Callable
from functools import partial

import fastapi
import msgspec
import pytest

from gateway.client.bodies import BODY_LIMIT_BYTES, read_bytes, read_json
from gateway.server.edge import DISCARD_FACTOR
from gateway.wire.errors import InvalidRequest


class Who(msgspec.Struct):
    who: str


def request(body: bytes) -> fastapi.Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    return fastapi.Request({"type": "http", "method": "POST", "headers": []}, receive)


async def test_a_body_is_decoded() -> None:
    assert Who("ben") == await read_json(request(b'{"who":"ben"}'), Who)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"hello", 400),
        (b'{"who":7}', 400),
        (b'{"who":"\xff"}', 400),
        (b"[" * 100_000, 400),
        (b" " * (BODY_LIMIT_BYTES + 1), 413),
    ],
    ids=["empty", "no JSON", "no text", "no UTF-8", "nested without end", "too large"],
)
async def test_what_cannot_be_decoded_is_the_caller_s_mistake(body: bytes, status: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await read_json(request(body), Who)

    assert status == caught.value.status


@pytest.mark.parametrize("read", [read_bytes, partial(read_json, kind=Who)], ids=["bytes", "json"])
async def test_a_body_without_end_is_not_collected(read: Callable[[fastapi.Request], Awaitable[object]]) -> None:
    """It is refused while it comes, a little later than it is too large, and none of it is kept."""
    pieces = 0

    async def receive() -> dict[str, object]:
        nonlocal pieces
        pieces += 1
        return {"type": "http.request", "body": b" " * (1 << 20), "more_body": True}

    with pytest.raises(InvalidRequest) as caught:
        await read(fastapi.Request({"type": "http", "method": "POST", "headers": []}, receive))

    assert (413, DISCARD_FACTOR * (BODY_LIMIT_BYTES >> 20) + 1) == (caught.value.status, pieces)
