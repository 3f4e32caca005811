"""What was said so far of a chat or a completion, and what asks for the rest."""

import json
from typing import Any

import pytest

from gateway.serving.continuing.chunks import Chunks
from gateway.wire.request import Request, read_request

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "stream": True}


def read(endpoint: str = "chat/completions", **fields: Any) -> Request:
    asked = CHAT if endpoint == "chat/completions" else {"prompt": "once", "stream": True}
    return read_request(endpoint, json.dumps({**asked, **fields}).encode())


def chunk(choice: dict[str, Any] | None = None, **more: Any) -> bytes:
    choices = [] if choice is None else [{"index": 0, **choice}]
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
    return json.dumps({**head, "choices": choices, **more}).encode()


def delta(**fields: Any) -> bytes:
    return chunk({"delta": fields})


def heard(*events: bytes, request: Request | None = None) -> Chunks:
    said = Chunks(request or read())
    for event in events:
        said.hear(event)
    return said


def told(event: bytes) -> dict[str, Any]:
    return json.loads(event.removeprefix(b"data: "))


BEGUN = (delta(role="assistant", content=""), delta(content="one"), delta(content=" two"))


def test_the_rest_is_asked_with_what_was_said_and_that_much_less_to_say() -> None:
    request = read(max_tokens=10, min_tokens=1, temperature=0.5)

    rest = heard(*BEGUN, request=request).rest()

    asked = {name: json.loads(bytes(value)) for name, value in rest.fields.items() if name != "messages"}
    assert {"stream": True, "max_tokens": 8, "min_tokens": 0, "temperature": 0.5} == asked
    turns = [*CHAT["messages"], {"role": "assistant", "content": "one two"}]
    for fields in (rest.fields, rest.written):
        assert turns == json.loads(b"".join(fields["messages"]))  # type: ignore[arg-type]
    assert (True, 8, request.prompt_tokens + 2) == (rest.continues, rest.max_tokens, rest.prompt_tokens)


def test_a_completion_goes_on_behind_its_prompt() -> None:
    said = heard(chunk({"text": " upon"}), chunk({"text": " a"}), request=read("completions"))

    assert "once upon a" == json.loads(bytes(said.rest().fields["prompt"]))


def test_where_nothing_was_said_the_request_is_asked_again_as_it_was() -> None:
    said = heard(BEGUN[0])

    assert said.may_go_on and said.rest() is said.request


@pytest.mark.parametrize(
    "event",
    [
        delta(tool_calls=[{"index": 0, "id": "1", "function": {"name": "f", "arguments": "{"}}]),
        delta(reasoning_content="hm"),
        delta(refusal="no"),
        delta(content=["parts"]),
        json.dumps({"choices": [{"index": 1, "delta": {"content": "b"}}]}).encode(),
        chunk({"delta": {"content": "a"}, "logprobs": {"content": []}}),
        b"{",
        b"[]",
    ],
)
def test_what_is_more_than_text_does_not_go_on(event: bytes) -> None:
    said = heard(*BEGUN, event)

    assert not said.may_go_on and not said.is_whole


@pytest.mark.parametrize("event", [delta(content=" three", tool_calls=None, reasoning=""), chunk({"delta": {}})])
def test_empty_fields_beside_text_are_no_more_than_text(event: bytes) -> None:
    assert heard(*BEGUN, event).may_go_on


def test_a_finished_answer_lacks_only_its_end() -> None:
    said = heard(*BEGUN, chunk({"delta": {}, "finish_reason": "stop"}))

    assert said.is_whole and not said.may_go_on and b"data: [DONE]\n\n" == said.ending()


def test_an_answer_as_long_as_it_may_be_is_ended_with_its_usage() -> None:
    request = read(max_tokens=2, stream_options={"include_usage": True})

    said = heard(*BEGUN, request=request)

    assert said.is_whole
    finish, usage, _ = (line.removeprefix(b"data: ") for line in said.ending().split(b"\n\n")[:3])
    assert "length" == json.loads(finish)["choices"][0]["finish_reason"]
    prompt = request.prompt_tokens
    assert {"prompt_tokens": prompt, "completion_tokens": 2, "total_tokens": prompt + 2} == json.loads(usage)["usage"]
    assert {"c1"} == {json.loads(event)["id"] for event in (finish, usage)}


def test_events_of_who_goes_on_are_parts_of_the_first_answer() -> None:
    said = heard(*BEGUN)
    said.rest()
    other = {"id": "c2", "created": 9, "model": "other", "system_fingerprint": "f2"}

    begins = said.passed_on(chunk({"delta": {"role": "assistant", "content": ""}}, **other))
    word = said.passed_on(chunk({"delta": {"role": "assistant", "content": " three"}}, **other))
    end = said.passed_on(chunk({"delta": {}, "finish_reason": "stop"}, **other))
    used = said.passed_on(chunk(**other, usage={"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}))

    assert b"" == begins
    shown = [told(event) for event in (word, end, used)]
    assert {("c1", 7, "m")} == {(event["id"], event["created"], event["model"]) for event in shown}
    assert [{"content": " three"}, {}] == [event["choices"][0]["delta"] for event in shown[:2]]
    assert {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10} == shown[2]["usage"]
    assert ("one two three", 3, True) == (said.text, said.tokens, said.is_whole)


def test_it_breaks_twice_and_each_part_is_counted_once() -> None:
    said = heard(*BEGUN, request=read(max_tokens=10))
    said.rest()
    said.passed_on(delta(content=" three"))

    rest = said.rest()
    used = said.passed_on(chunk(usage={"prompt_tokens": 13, "completion_tokens": 4}))

    assert 7 == rest.max_tokens
    assert {"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17} == told(used)["usage"]
