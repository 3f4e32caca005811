"""POST /ppai/v1/feedback: how good an answer was, by whoever asked for it."""

from typing import Annotated, Any

import msgspec
from starlette.requests import Request

from gateway.client.calls import Calls, read_json
from gateway.client.running import RunningPeer
from gateway.measuring.feedback import REMEMBERED, UnknownRequest
from gateway.wire.errors import InvalidRequest


class _Grade(msgspec.Struct, forbid_unknown_fields=True):
    request: str  # the answer's `x-request-id`
    score: Annotated[float, msgspec.Meta(ge=-1, le=1)]


def add_feedback(calls: Calls, peer: RunningPeer) -> None:
    @calls.post("/ppai/v1/feedback")
    async def feedback(request: Request) -> dict[str, Any]:
        grade = await read_json(request, _Grade)
        if not peer.feedback.is_open:
            raise InvalidRequest(
                "this peer learns nothing from feedback (learning.feedback: false)", status=409, code="feedback_off"
            )
        try:
            counted = peer.feedback.grade(grade.request, grade.score, peer.clock())
        except UnknownRequest as error:
            raise InvalidRequest(
                f"no answer to a request of this id is remembered: send the answer's `x-request-id`; the last "
                f"{REMEMBERED:,} since this peer started are known",
                status=404, param="request", code="request_not_found",
            ) from error  # fmt: skip
        return {"request": grade.request, "counted": counted}
