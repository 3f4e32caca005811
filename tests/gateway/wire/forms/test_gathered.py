"""Events as the whole answer that was asked for: gathering undoes `as_events`."""

import json
from typing import Any

import msgspec
import pytest

from gateway.wire.events import EventSplitter
from gateway.wire.forms.gathered import CALLS_LIMIT, CHOICES_LIMIT, gathered
from gateway.wire.forms.streamed import as_events

CALL = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"at": "me"}'}}


def whole_of(*chunks: Any, endpoint: str = "chat/completions") -> Any:
    whole = gathered(endpoint)
    assert whole is not None
    for chunk in chunks:
        whole.add(chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode())
    told = whole.whole()
    return None if told is None else json.loads(told)


@pytest.mark.parametrize(
    ("endpoint", "choices"),
    [
        ("chat/completions", [{"message": {"role": "assistant", "content": "hello"}, "finish_reason": "length"}]),
        (
            "chat/completions",
            [{"message": {"role": "assistant", "content": None, "tool_calls": [CALL, CALL]}, "finish_reason": "stop"}],
        ),
        ("completions", [{"text": "hello", "finish_reason": "stop"}, {"text": "there", "finish_reason": "length"}]),
    ],
)
def test_an_answer_is_gathered_as_it_was(endpoint: str, choices: list[dict[str, Any]]) -> None:
    answer = {
        "id": "c", "created": 1, "model": "m", "usage": {"total_tokens": 4},
        "object": "chat.completion" if endpoint == "chat/completions" else "text_completion",
        "choices": [{"index": index, **choice} for index, choice in enumerate(choices)],
    }  # fmt: skip
    events = EventSplitter().feed(b"".join(as_events(json.dumps(answer).encode(), include_usage=True)))

    assert answer == whole_of(*(event.data for event in events), endpoint=endpoint)


def test_texts_arguments_and_log_probabilities_are_joined() -> None:
    def chunk(delta: dict[str, Any], **also: Any) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": delta, "finish_reason": None, **also}]}

    said = whole_of(
        chunk({"role": "assistant", "content": ""}),
        chunk({"role": "assistant", "reasoning_content": "let me "}, logprobs={"content": [1]}),
        chunk({"reasoning_content": "see"}, logprobs={"content": [2]}),
        chunk({"tool_calls": [{"index": 0, "id": "1", "type": "function", "function": {"name": "look"}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"at":'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ' "me"}'}}]}, finish_reason="tool_calls"),
        {"choices": [], "usage": {"total_tokens": 4}},
        b"[DONE]",
    )

    message = {"role": "assistant", "content": "", "reasoning_content": "let me see", "tool_calls": [CALL]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls", "logprobs": {"content": [1, 2]}}
    assert {"object": "chat.completion", "choices": [choice], "usage": {"total_tokens": 4}} == said


def test_the_last_event_of_responses_is_the_answer() -> None:
    response = {"id": "r", "status": "completed", "output": []}
    events = [{"type": "response.created", "response": {}}, {"type": "response.completed", "response": response}]

    assert response == whole_of(*events, endpoint="responses")
    assert whole_of(*events[:1], endpoint="responses") is None


def test_a_stream_that_tells_nothing_is_no_answer() -> None:
    assert whole_of(b"[DONE]") is None
    assert whole_of({"choices": None}, {"choices": [1]}, {}) is None
    assert gathered("messages") is None
    with pytest.raises(msgspec.DecodeError):
        whole_of(b"[]")


def test_what_a_stream_can_make_us_keep_is_bounded() -> None:
    """Places are numbers from outside."""
    calls = [{"index": place, "function": {"arguments": "a"}} for place in (10**9, -1, CALLS_LIMIT - 1)]
    chunks = [{"choices": [{"index": index, "delta": {"tool_calls": calls}}]} for index in range(2 * CHOICES_LIMIT)]
    many = [{"index": place, "id": "a"} for place in range(2 * CALLS_LIMIT)]

    said = whole_of({"choices": [{"delta": {"tool_calls": many}}]}, *chunks)

    assert CHOICES_LIMIT == len(said["choices"])
    assert [CALLS_LIMIT, 2, 2] == [len(choice["message"]["tool_calls"]) for choice in said["choices"][:3]]


@pytest.mark.parametrize("odd", [[1], "no", 1, {"content": 1}])
def test_fields_of_another_kind_are_none(odd: Any) -> None:
    said = whole_of({"choices": [{"delta": {"content": "a", "tool_calls": odd}, "logprobs": odd}]})

    assert "a" == said["choices"][0]["message"]["content"]
