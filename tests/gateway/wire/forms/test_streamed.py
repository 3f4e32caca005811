"""A whole answer as the events that were asked for."""

import json
from typing import Any

import pytest

from gateway.wire.forms.streamed import as_events

USAGE = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}


def chunks(answer: dict[str, Any], *, include_usage: bool = False) -> list[dict[str, Any]]:
    *events, last = as_events(json.dumps(answer).encode(), include_usage=include_usage)
    assert b"data: [DONE]\n\n" == last
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


def test_a_chat_answer_is_its_text_and_its_end() -> None:
    message = {"role": "assistant", "content": "hello", "refusal": None}
    answer = {"id": "c", "created": 1, "model": "m", "object": "chat.completion", "usage": USAGE}
    answer["choices"] = [{"index": 0, "message": message, "finish_reason": "length"}]

    begun, ended = chunks(answer)

    kept = {"id": "c", "created": 1, "model": "m", "object": "chat.completion.chunk"}
    delta = {"role": "assistant", "content": "hello"}
    assert {**kept, "choices": [{"index": 0, "finish_reason": None, "delta": delta}]} == begun
    assert {**kept, "choices": [{"index": 0, "finish_reason": "length", "delta": {}}]} == ended


def test_tool_calls_have_a_place() -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}] * 2
    message = {"role": "assistant", "content": None, "tool_calls": calls}

    begun, _ = chunks({"choices": [{"message": message, "finish_reason": "tool_calls"}]})

    assert [0, 1] == [call["index"] for call in begun["choices"][0]["delta"]["tool_calls"]]
    assert "content" not in begun["choices"][0]["delta"]


def test_a_completion_keeps_its_form() -> None:
    begun, ended = chunks({"choices": [{"text": "hello", "finish_reason": "stop"}]})

    assert ("text_completion", "hello", None) == (
        begun["object"],
        *map(begun["choices"][0].get, ("text", "finish_reason")),
    )
    assert ("", "stop") == tuple(map(ended["choices"][0].get, ("text", "finish_reason")))


@pytest.mark.parametrize("asked", [True, False])
def test_usage_is_told_to_who_asked_for_it(asked: bool) -> None:
    answer = {"choices": [{"message": {"content": "a"}}], "usage": USAGE}

    told = [chunk for chunk in chunks(answer, include_usage=asked) if "usage" in chunk]

    assert ([{"object": "chat.completion.chunk", "choices": [], "usage": USAGE}] if asked else []) == told
