"""Responses that go on: their items, and the answer as a whole at their end."""

import json
from typing import Any

import pytest

from tests import agents
from tests.gateway.serving.continuing.parts import ASKED, events, heard, read


def told(**event: Any) -> bytes:
    return json.dumps(event).encode()


def test_a_call_of_a_tool_by_whoever_goes_on_comes_after_the_text() -> None:
    """And an answer that has called one does not go on once more."""
    said = heard("responses", events("responses", read("responses"))[:6])
    said.rest()
    called = agents.APIS["responses"](
        {"model": "m", **ASKED["responses"], "stream": True}, agents.Call("f", '{"a": 1}')
    )
    sent = [said.passed_on(event.partition(b"data: ")[2]) for event in called]

    shown = [json.loads(line[6:]) for line in b"".join(sent).split(b"\n") if line.startswith(b"data: ")]
    output = shown[-1]["response"]["output"]
    assert ["message", "function_call"] == [item["type"] for item in output]
    assert "w0 w1" == output[0]["content"][0]["text"] == shown[0]["text"]
    assert [0, 0, 0, 1, 1, 1, 1] == [event["output_index"] for event in shown[:-1]]
    assert [*range(6, 14)] == [event["sequence_number"] for event in shown]
    assert not said.may_go_on


@pytest.mark.parametrize(
    "event",
    [
        told(type="response.output_item.added", output_index=1, item={"type": "function_call", "name": "f"}),
        told(type="response.output_item.added", output_index=1, item={"type": "message"}),
        told(type="response.reasoning_text.delta", delta="hm"),
        told(type="response.refusal.delta", delta="no"),
        told(type="response.output_text.annotation.added", annotation={}),
        told(type="response.output_text.delta", delta="a", logprobs=[{"token": "a"}]),
        b"{",
        b"[]",
    ],
)
def test_what_is_more_than_text_does_not_go_on(event: bytes) -> None:
    said = heard("responses", [*events("responses", read("responses"))[:6], event])

    assert not said.may_go_on and not said.is_whole


def test_the_whole_says_what_the_first_part_says_of_the_request_and_that_nobody_keeps_it() -> None:
    parts = events("responses", read("responses"))[:6]
    assert b'"store": true' in parts[0]
    said = heard("responses", parts, max_output_tokens=9, reasoning={"effort": "low"})
    rest = said.rest()
    last = events("responses", rest)[-1].replace(b'"tools": []', b'"tools": [7]')

    sent = said.passed_on(last)

    whole = json.loads(sent.rpartition(b"data: ")[2])["response"]
    assert ([], False, "completed", "resp_1") == tuple(whole[key] for key in ("tools", "store", "status", "id"))
    assert "reasoning" not in rest.fields


def test_a_message_that_had_ended_is_followed_by_the_next() -> None:
    parts = events("responses", read("responses"))[:-1]
    said = heard("responses", parts)
    said.rest()

    others = [said.passed_on(event) for event in events("responses", read("responses"), "more")]

    output = json.loads(others[-1].rpartition(b"data: ")[2])["response"]["output"]
    assert ["w0 w1 w2 w3 w4 w5 w6 w7 w8", "more"] == [item["content"][0]["text"] for item in output]
    assert b'"output_index":1' in others[3] and not said.may_go_on
