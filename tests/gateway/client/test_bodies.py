"""Bodies of PPAI's own calls are decoded, or refused with the reason."""

import fastapi
import msgspec
import pytest

from gateway.client.bodies import BODY_LIMIT_BYTES, read_json
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
