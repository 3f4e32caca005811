"""/v1/responses/{id}: answers that an engine of ours keeps. Other peers keep none, so nobody else is asked."""

import re

from starlette.requests import Request
from starlette.responses import Response

from gateway.client.calls import Calls
from gateway.client.openapi import RESPONSE_ID, RESPONSE_ID_CHARS
from gateway.client.running import RunningPeer
from gateway.upstream import UpstreamError
from gateway.wire.errors import NO_PATH, InvalidRequest


def add_stored_answers(calls: Calls, peer: RunningPeer) -> None:
    async def asked(request: Request, after: str = "") -> Response:
        """The answer of the first of our engines that knows it. Raises InvalidRequest: 404 where none does."""
        name: str = request.path_params["name"]
        if len(name) > RESPONSE_ID_CHARS or not re.fullmatch(RESPONSE_ID, name):
            raise InvalidRequest("the id of a response has letters, digits, `_`, `-`, `.` and `:`", param="response_id")
        query = f"?{request.url.query}" if request.url.query else ""
        for door in peer.doors.shown:
            try:
                status, kind, body = await door.engine.stored(request.method, f"/v1/responses/{name}{after}{query}")
            except UpstreamError:
                continue
            if status not in NO_PATH:
                return Response(body, status, media_type=kind)
        raise InvalidRequest(
            f"no response `{name}` is kept here: an engine keeps one where it can and `store: true` asks for it, and "
            "other peers keep none. Send the conversation again as `input`",
            status=404, param="response_id", code="response_not_found",
        )  # fmt: skip

    @calls.get("/v1/responses/{name}")
    async def get(request: Request) -> Response:
        return await asked(request)

    @calls.delete("/v1/responses/{name}")
    async def delete(request: Request) -> Response:
        return await asked(request)

    @calls.post("/v1/responses/{name}/cancel")
    async def cancel(request: Request) -> Response:
        return await asked(request, "/cancel")

    @calls.get("/v1/responses/{name}/input_items")
    async def input_items(request: Request) -> Response:
        return await asked(request, "/input_items")
