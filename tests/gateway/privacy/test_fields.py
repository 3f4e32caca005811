"""What of a body may leave this machine: one test a row of the table in docs/protocol.md."""

import json
from typing import Any

import pytest

from gateway.privacy import fields as table
from gateway.privacy.fields import MAX_TOKENS_LIMIT, Unacceptable, delegation, may_travel, read_delegation
from gateway.wire.request import read_request

MESSAGES = [{"role": "user", "content": "hi"}]
DATA_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}

TRAVELS: dict[str, Any] = {
    "messages": [{"role": "system", "content": "be brief"}, *MESSAGES, {"role": "assistant", "content": "hello"}],
    "prompt": "once upon",
    "input": ["one", "two"],
    "model": "m",
    "stream": True,
    "stream_options": {"include_usage": True},
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "temperature": 0.5,
    "top_p": 0.9,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "seed": 7,
    "stop": ["\n"],
    "logprobs": True,
    "top_logprobs": 2,
    "max_tokens": MAX_TOKENS_LIMIT,
    "max_completion_tokens": 1,
    "reasoning_effort": "low",
    "encoding_format": "base64",
    "dimensions": 64,
    "n": 1,
}
DROPPED: dict[str, Any] = {
    "user": "alice",
    "metadata": {"ticket": "4711"},
    "store": True,
    "service_tier": "default",
    "safety_identifier": "s",
    "prompt_cache_key": "k",
}
PINS: dict[str, tuple[Any, str]] = {
    "n": (2, "n"),
    "response_format": ({"type": "json_object"}, "response_format"),
    "max_tokens": (MAX_TOKENS_LIMIT + 1, "max_tokens"),
    "max_completion_tokens": (MAX_TOKENS_LIMIT + 1, "max_completion_tokens"),
    "logit_bias": ({"1": 5}, "logit_bias"),
    "lora_request": ({"path": "/etc"}, "lora_request"),
    "guided_json": ({}, "guided_json"),
    "prompt_logprobs": (1, "prompt_logprobs"),
}
PARTS: list[tuple[Any, str | None]] = [
    ({"type": "text", "text": "hi"}, None),
    (DATA_IMAGE, None),
    ({"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest"}}, "messages.image_url"),
    ({"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}, "messages.image_url"),
    ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "messages.image_url"),
    ({"type": "image_url", "image_url": {"url": 7}}, "messages.image_url"),
    ({"type": "image_url", "image_url": {}}, "messages.image_url"),
    ({"type": "image_url", "image_url": "data:image/png;base64,AAAA"}, "messages.image_url"),
    ({"type": "image_url"}, "messages.image_url"),
    ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "messages.input_audio"),
    ({"type": "file", "file": {"file_id": "f"}}, "messages.file"),
    ({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}, "messages.video_url"),
]


def pinned_by(fields: dict[str, Any], *, trusted: bool = False) -> str | None:
    return may_travel(json.dumps(fields).encode(), trusted=trusted).pinned_by


def refusal_of(fields: dict[str, Any], *, trusted: bool = False) -> str:
    payload = json.dumps({"endpoint": "chat/completions", "agent": "a", "body": fields}).encode()
    with pytest.raises(Unacceptable) as caught:
        read_delegation(payload, trusted=trusted)
    return str(caught.value)


def test_the_table_has_a_row_for_every_field() -> None:
    assert table.TRAVELS | {"n"} == TRAVELS.keys()
    assert table.DROPPED == DROPPED.keys()


@pytest.mark.parametrize("name", TRAVELS)
def test_travels_unchanged(name: str) -> None:
    """And the other side takes it."""
    travel = may_travel(json.dumps({name: TRAVELS[name]}).encode(), trusted=False)
    payload = delegation("chat/completions", "agent", "m", travel)

    endpoint, agent, body = read_delegation(payload, trusted=False)

    assert ("chat/completions", "agent") == (endpoint, agent)
    assert {"model": "m", name: TRAVELS[name]} == json.loads(body)


@pytest.mark.parametrize("name", DROPPED)
def test_is_dropped(name: str) -> None:
    """And refused where somebody sends it all the same."""
    travel = may_travel(json.dumps({"messages": MESSAGES, name: DROPPED[name]}).encode(), trusted=True)

    assert None is travel.pinned_by
    assert {"messages"} == travel.fields.keys()
    assert f"field `{name}` may not travel" == refusal_of({"messages": MESSAGES, name: DROPPED[name]}, trusted=True)


@pytest.mark.parametrize("name", PINS)
def test_pins_the_request_here(name: str) -> None:
    """And is refused where somebody sends it all the same."""
    value, field = PINS[name]

    assert f"field:{field}" == pinned_by({"messages": MESSAGES, name: value})
    assert f"field `{field}` may not travel" == refusal_of({"messages": MESSAGES, name: value})


def test_a_response_format_travels_among_the_trusted() -> None:
    fields = {"messages": MESSAGES, "response_format": {"type": "json_object"}}
    travel = may_travel(json.dumps(fields).encode(), trusted=True)

    _, _, body = read_delegation(delegation("chat/completions", "a", "m", travel), trusted=True)

    assert {"type": "json_object"} == json.loads(body)["response_format"]


@pytest.mark.parametrize(("part", "field"), PARTS, ids=str)
def test_what_an_engine_would_fetch_or_does_not_know_pins(part: Any, field: str | None) -> None:
    """Only words and images inside the body travel; the receiver judges by the same table."""
    fields = {"messages": [*MESSAGES, {"role": "user", "content": [{"type": "text", "text": "look"}, part]}]}

    assert (field and f"field:{field}") == pinned_by(fields)
    if field:
        assert f"field `{field}` may not travel" == refusal_of(fields)


def test_a_null_says_nothing() -> None:
    """SDKs send unset options as null: they neither pin nor travel."""
    travel = may_travel(b'{"messages":[],"n":null,"response_format":null,"logit_bias":null}', trusted=False)

    assert (None, {"messages"}) == (travel.pinned_by, set(travel.fields))


def test_nothing_travels_of_a_pinned_request() -> None:
    travel = may_travel(json.dumps({"messages": MESSAGES, "n": 3}).encode(), trusted=True)

    assert {} == travel.fields


def test_the_name_in_a_reason_is_short() -> None:
    """It goes into a header and the log, and a client may call a field whatever it likes."""
    assert len(pinned_by({"messages": MESSAGES, "x" * 5000: 1}) or "") < 100


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "not a delegation"),
        (b"[]", "not a delegation"),
        (b'{"endpoint":"chat/completions","agent":"a"}', "not a delegation"),
        (b'{"endpoint":"chat/completions","agent":"a","body":[]}', "not a delegation"),
        (b'{"endpoint":"chat/completions","agent":"a","body":{},"hops":1}', "not a delegation"),
        (b'{"endpoint":"chat/completions","agent":"\xff","body":{}}', "not a delegation"),
        (b'{"endpoint":"models","agent":"a","body":{}}', "endpoint `models` is not delegated"),
        (b'{"endpoint":"../admin","agent":"a","body":{}}', "endpoint `../admin` is not delegated"),
        (b'{"endpoint":"chat/completions","agent":"a","body":{"max_tokens":"many"}}', "`max_tokens`"),
    ],
)
def test_a_malformed_delegation_is_unacceptable(payload: bytes, said: str) -> None:
    with pytest.raises(Unacceptable, match=said.replace(".", r"\.")):
        read_delegation(payload, trusted=True)


@pytest.mark.parametrize(
    "messages",
    [
        b'[{"role":"user","content":"hi","name":"\xff"}]',  # no UTF-8 where nobody looks
        b'[{"role":"user","content":"hi","x":' + b"[" * 5000 + b"]" * 5000 + b"}]",  # nested deeper than a parser goes
    ],
    ids=["utf-8", "nesting"],
)
def test_hostile_bytes_inside_messages_are_unacceptable(messages: bytes) -> None:
    """Never an error of another kind: those would be taken for our own bugs."""
    with pytest.raises(Unacceptable):
        read_delegation(
            b'{"endpoint":"chat/completions","agent":"a","body":{"messages":' + messages + b"}}", trusted=True
        )


def test_an_unreadable_message_stays_here() -> None:
    """Our own client's bytes go to our own engine unchanged; what cannot be judged does not travel."""
    body = b'{"messages":[{"role":"user","content":"hi","name":"\xff"}]}'
    assert "hi" == read_request("chat/completions", body).text

    assert "field:messages" == may_travel(body, trusted=True).pinned_by
