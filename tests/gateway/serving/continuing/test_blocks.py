"""Messages that go on: their blocks."""

import json
from typing import Any

import msgspec
import pytest

from tests import agents
from tests.gateway.serving.continuing.parts import ASKED, events, heard, read


def told(**event: Any) -> bytes:
    return json.dumps(event).encode()


def test_a_call_of_a_tool_by_whoever_goes_on_comes_after_the_text() -> None:
    """And an answer that has called one does not go on once more."""
    said = heard("messages", events("messages", read("messages"))[:6])
    said.rest()
    called = agents.messages({"model": "m", **ASKED["messages"], "stream": True}, agents.Call("f", '{"a": 1}'))
    sent = [said.passed_on(event.partition(b"data: ")[2]) for event in called]

    shown = [json.loads(line[6:]) for line in b"".join(sent).split(b"\n") if line.startswith(b"data: ")]
    assert ["content_block_stop", "content_block_start"] == [event["type"] for event in shown[:2]]
    assert [0, 1, 1, 1, 1] == [event["index"] for event in shown if "index" in event]
    assert "tool_use" == shown[-2]["delta"]["stop_reason"] and "message_stop" == shown[-1]["type"]
    assert not said.may_go_on


@pytest.mark.parametrize(
    "event",
    [
        told(type="content_block_start", index=1, content_block={"type": "thinking", "thinking": ""}),
        told(type="content_block_start", index=1, content_block={"type": "tool_use", "name": "f", "input": {}}),
        told(type="content_block_delta", index=0, delta={"type": "citations_delta", "citation": {}}),
        told(type="something_new"),
        b"{",
        b"[]",
    ],
)
def test_what_is_more_than_text_does_not_go_on(event: bytes) -> None:
    said = heard("messages", [*events("messages", read("messages"))[:5], event])

    assert not said.may_go_on and not said.is_whole


def test_words_that_come_with_the_beginning_of_a_block_are_not_lost() -> None:
    said = heard("messages", events("messages", read("messages"))[:5])
    said.rest()

    sent = said.passed_on(told(type="content_block_start", index=0, content_block={"type": "text", "text": " w2"}))

    assert {"type": "text_delta", "text": " w2"} == json.loads(sent.partition(b"data: ")[2])["delta"]
    assert "w0 w1 w2" == said.text


def test_an_event_without_its_place_is_none_of_an_answer() -> None:
    said = heard("messages", events("messages", read("messages"))[:5])
    said.rest()

    with pytest.raises(msgspec.ValidationError):
        said.passed_on(told(type="content_block_delta", delta={"type": "text_delta", "text": "a"}))


def test_thinking_is_not_asked_for_again() -> None:
    rest = heard("messages", events("messages", read("messages"))[:5], thinking={"type": "adaptive"}).rest()

    assert "thinking" not in rest.fields and rest.continues
