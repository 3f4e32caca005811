"""What is read from a body, and how a wrong one is told."""

import json

import pytest

from gateway.wire.request import InvalidRequest, error_body, is_error_body, read_request, with_model

HELLO = {"messages": [{"role": "user", "content": "hi"}]}


def body(**fields: object) -> bytes:
    return json.dumps({**HELLO, **fields}).encode()


@pytest.mark.parametrize(
    ("raw", "param", "code", "says"),
    [
        (b"{oops", None, "invalid_json", "not valid JSON"),
        (b"", None, "invalid_json", "not valid JSON"),
        (b"[]", None, None, "Expected `object`"),
        (b"{}", "messages", None, "missing required field"),
        (body(messages=[]), "messages", None, "is empty"),
        (body(messages="hi"), "messages", None, "Expected `array`"),
        (body(messages=[{"role": 1}]), "messages[0].role", None, "Expected `str`"),
        (body(messages=[{"role": "user", "content": 5}]), "messages[0].content", None, "Expected `str | array | null`"),
        (body(temperature=-5), "temperature", None, ">= 0"),
        (body(temperature=9), "temperature", None, "<= 2"),
        (body(top_p=1.5), "top_p", None, "<= 1"),
        (body(max_tokens=0), "max_tokens", None, ">= 1"),
        (body(n=0), "n", None, ">= 1"),
        (body(stream="yes"), "stream", None, "Expected `bool | null`"),
        (body(model=5), "model", None, "Expected `str | null`"),
    ],
)
def test_a_wrong_body_is_named_by_its_field(raw: bytes, param: str | None, code: str | None, says: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request("chat/completions", raw)

    assert (400, param, code) == (caught.value.status, caught.value.param, caught.value.code)
    assert says in caught.value.message


def test_no_model_means_auto() -> None:
    assert "auto" == read_request("chat/completions", body()).model


def test_max_completion_tokens_is_max_tokens() -> None:
    assert 5 == read_request("chat/completions", body(max_completion_tokens=5)).max_tokens


def test_the_routed_text_is_what_the_user_said() -> None:
    turns = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "answer"},
        {"role": "user", "content": [{"type": "text", "text": "second"}]},
    ]

    call = read_request("chat/completions", body(messages=turns))

    assert ("second", ("first",)) == (call.text, call.earlier)


def test_the_newest_turns_are_read_and_of_a_long_one_both_ends() -> None:
    turns = [{"role": "user", "content": f"turn {n}"} for n in range(20)]

    call = read_request("chat/completions", body(messages=[*turns, {"role": "user", "content": "a" * 9000 + "why?"}]))

    assert ("turn 19", "turn 18", "turn 17", "turn 16", "turn 15") == call.earlier
    assert (call.text[:250], call.text[-4:]) == ("a" * 250, "why?")
    assert len(call.text) <= 501


def test_parts_and_tools_become_needs() -> None:
    parts = [{"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": {"url": "data:x"}}]

    call = read_request(
        "chat/completions", body(messages=[{"role": "user", "content": parts}], tools=[{"type": "function"}])
    )

    assert {"text", "image", "tools"} == call.needs
    assert call.prompt_tokens > 1000


def test_a_conversation_keeps_its_session() -> None:
    opening = [{"role": "system", "content": "s"}, {"role": "user", "content": "one"}]
    later = [*opening, {"role": "assistant", "content": "a"}, {"role": "user", "content": "two"}]

    first, second = (read_request("chat/completions", body(messages=turns)) for turns in (opening, later))

    assert first.session == second.session
    assert first.session != read_request("chat/completions", body()).session
    assert "mine" == read_request("chat/completions", body(), session="mine").session


def test_rewriting_the_model_keeps_every_other_byte() -> None:
    raw = b'{"model" : "auto", "x": [1, 2.50], "y":{"b" : 1e2}, "s":"\\u00e9"}'

    assert b'{"model":"m","x":[1, 2.50],"y":{"b" : 1e2},"s":"\\u00e9"}' == with_model(raw, "m")


def test_error_bodies_are_recognised() -> None:
    assert is_error_body(error_body("no", "server_error"))
    assert not is_error_body(b'{"detail":"Not Found"}')
    assert not is_error_body(b"oops")


def test_a_body_nested_without_end_is_the_clients_mistake() -> None:
    nested = b'{"messages":[{"role":"user","content":"hi"}],"x":' + b"[" * 5000 + b"]" * 5000 + b"}"

    with pytest.raises(InvalidRequest, match="not valid JSON"):
        read_request("chat/completions", nested)


@pytest.mark.parametrize("prompt", ["once upon", ["once", "upon"], [1, 2, 3], [[1, 2], [3]]])
def test_completions_take_every_prompt_form(prompt: object) -> None:
    assert "completions" == read_request("completions", json.dumps({"prompt": prompt}).encode()).endpoint


def test_lengths_may_be_written_as_some_languages_write_them_and_stay_within_what_arrays_hold() -> None:
    assert 100 == read_request("chat/completions", body(max_tokens=100.0)).max_tokens
    assert 2**31 == read_request("chat/completions", body(max_tokens=1e300)).max_tokens
    with pytest.raises(InvalidRequest):
        read_request("chat/completions", body(max_tokens=0.5))
