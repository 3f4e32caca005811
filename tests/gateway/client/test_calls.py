"""PPAI's own calls: bodies are decoded, or refused with the reason; what is returned becomes the answer."""

import math
from collections.abc import Awaitable, Callable
from functools import partial

import httpx
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from gateway.client.calls import BODY_LIMIT_BYTES, Calls, json_response, read_bytes, read_json
from gateway.server.edge import DISCARD_FACTOR
from gateway.wire.errors import InvalidRequest


class Who(msgspec.Struct):
    who: str


def request(body: bytes) -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


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
async def test_a_body_without_end_is_not_collected(read: Callable[[Request], Awaitable[object]]) -> None:
    """It is refused while it comes, a little later than it is too large, and none of it is kept."""
    pieces = 0

    async def receive() -> dict[str, object]:
        nonlocal pieces
        pieces += 1
        return {"type": "http.request", "body": b" " * (1 << 20), "more_body": True}

    with pytest.raises(InvalidRequest) as caught:
        await read(Request({"type": "http", "method": "POST", "headers": []}, receive))

    assert (413, DISCARD_FACTOR * (BODY_LIMIT_BYTES >> 20) + 1) == (caught.value.status, pieces)


async def test_an_answer_is_json_or_a_response_as_it_is_and_who_may_not_ask_gets_none() -> None:
    calls, asked = Calls(), list[str]()

    def needs_a_name(request: Request) -> None:
        if "name" not in request.query_params:
            raise InvalidRequest("who?", status=401)

    @calls.get("/told/{what}", needs_a_name)
    async def told(request: Request) -> dict[str, object]:
        asked.append(request.path_params["what"])
        return {"what": request.path_params["what"], "share": math.nan}

    @calls.post("/made")
    async def made(_: Request) -> Response:
        return Response(b"as it is", 201)

    async def refused(_: Request, error: Exception) -> Response:
        return json_response({"error": str(error)}, 401)

    app = Starlette(routes=calls.all, exception_handlers={InvalidRequest: refused})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://peer") as http:
        answers = [await http.get("/told/all?name=ada"), await http.post("/made"), await http.get("/told/all")]

    assert [(200, b'{"what":"all","share":null}'), (201, b"as it is"), (401, b'{"error":"who?"}')] == [
        (answer.status_code, answer.content) for answer in answers
    ]
    assert ["all"] == asked
