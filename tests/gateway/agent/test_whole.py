"""An answer that is there is read whole or as the events of a stream."""

import json

import pytest

from gateway.agent.whole import Whole, answered, events_in
from gateway.upstream import UpstreamError

BODY = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "84"}}]}).encode()


async def test_it_is_read_in_the_way_it_was_asked_for() -> None:
    whole, stream = answered(BODY, stream=False), answered(BODY, stream=True)

    assert (False, BODY) == (whole.is_stream, await whole.read())
    said = [json.loads(event.data) for event in [event async for event in stream.events()] if not event.is_done]
    assert (True, "text/event-stream") == (stream.is_stream, stream.content_type)
    assert "84" == "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in said)


async def test_what_is_no_answer_fails_as_an_error_of_the_engine() -> None:
    with pytest.raises(UpstreamError) as raised:
        events_in(b"no JSON")

    assert raised.value.by_engine and 200 == Whole(200, b"").status
