"""What travels is written anew, with each key once and no address that an engine would fetch."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from gateway.wire.codec import LARGE_BYTES, pieces_of
from gateway.wire.request import read_request
from gateway.wire.rewriting import SCHEMA_DEPTH
from tests.gateway.wire.asked import IMAGE, URL, chat, image, nested, raw, tool, user, written

KNOWN: list[Any] = [
    [user("hi", name="ann")],
    [{"role": "developer", "content": [{"type": "text", "text": "be: brief"}]}, user("a:b \u00e9 \U0001f600 \\u003")],
    [{"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "index": 0,
      "function": {"name": "f", "arguments": '{"a": 1}'}}]}, {"role": "tool", "tool_call_id": "1", "content": "ok"}],
    [{"role": "assistant", "content": "a", "refusal": None, "audio": None, "annotations": [], "function_call": None,
      "tool_calls": None, "reasoning_content": "because"}],
    [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}],
    [image(IMAGE, detail="low")],
    [user([{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}])],
]  # fmt: skip


@pytest.mark.parametrize("messages", KNOWN, ids=str)
def test_what_is_known_is_written_anew_as_it_was(messages: list[Any]) -> None:
    request = chat(*messages)

    assert None is request.unknown
    assert messages == written(request, "messages")


@pytest.mark.parametrize(
    "messages",
    [
        b'{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://x"}}],"content":"hi"}',
        b'{"role":"user","content":[{"type":"text","text":"x","text":"y"}]}',
        b'{"role":"user","content":[{"type":"text","type":"text","text":"y"}]}',
        b'{"role":"user","role":"system","content":"y"}',
        b'{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://x","url":"%b"}}]}' % IMAGE.encode(),
        rb'{"role":"user","rol\u0065":"us\u003aer","content":"y"}',
        rb'{"role":"user","content":"a\u003ab","content":"y"}',  # an escaped colon hides no key
        rb'{"role":"user","content":"a\u003Ab","content":"y"}',
    ],
)
def test_a_key_that_stands_twice_is_not_known(messages: bytes) -> None:
    """One engine reads the first, another the last."""
    assert raw(messages).unknown is not None


@pytest.mark.parametrize(
    "body",
    [
        b'"tools":[{"type":"function","function":{"name":"f","parameters":{"a":1,"b":{"c":1,"c":2}}}}]',
        b'"tool_choice":{"type":"function","type":"function","function":{"name":"f"}}',
        b'"stream_options":{"include_usage":true,"include_usage":false}',
        b'"n":1,"n":1',
        b'"user":"a","user":"b"',
    ],
)
def test_nor_is_one_that_stands_twice_elsewhere(body: bytes) -> None:
    request = read_request("chat/completions", b'{"messages":[{"role":"user","content":"hi"}],' + body + b"}")

    assert "duplicate" == request.unknown


def test_colons_in_texts_and_keys_are_no_keys() -> None:
    """Blanks, escapes and large texts do not matter."""
    text = ":" * (3 * LARGE_BYTES) + '{"a":"b"}\\"\u2028'
    schema = {"a:b": {"pattern": ":::", "c": [{"d:": None}]}}

    request = chat(user(text), tools=[tool(parameters=schema)], user="a:b", stop=[":"], metadata={"x:": ":"})

    assert None is request.unknown
    assert [tool(parameters=schema)] == written(request, "tools")


@pytest.mark.parametrize(
    "schema",
    [{"a": {"$ref": URL}}, {"a": [{"$dynamicRef": "other.json"}]}, nested(SCHEMA_DEPTH + 1)],
    ids=["address", "file", "deep"],
)
def test_a_schema_that_an_engine_would_fetch_or_sink_into_is_not_known(schema: Any) -> None:
    """In a tool as in a format."""
    assert "tools" == chat(user("hi"), tools=[tool(parameters=schema)]).unknown
    wanted = {"type": "json_schema", "json_schema": {"name": "f", "schema": schema}}
    assert "response_format" == chat(user("hi"), response_format=wanted).unknown


def test_a_schema_within_bounds_is_known() -> None:
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "a": {"$ref": "#/$defs/a"}, "text": '"$ref":"x'}

    assert None is chat(user("hi"), tools=[tool(parameters=schema)]).unknown
    assert None is chat(user("hi"), tools=[tool(parameters=nested(SCHEMA_DEPTH))]).unknown


def test_a_large_image_is_a_piece_of_its_own_between_messages_written_anew() -> None:
    large = IMAGE + "A" * LARGE_BYTES
    messages = [user([{"type": "text", "text": "a"}, *image(url)["content"]]) for url in (large, IMAGE, large)]

    request = chat(*messages)

    assert messages == written(request, "messages")
    assert 5 == len(pieces_of(request.written["messages"]))


def test_an_image_holds_text_only() -> None:
    """What is no UTF-8 one decoder drops and another refuses."""
    url = b'{"role":"user","content":[{"type":"image_url","image_url":{"url":"%b\xff"}}]}' % IMAGE.encode()

    assert "messages.image_url" == raw(url).unknown


def tight(value: Any) -> str:
    """JSON as most SDKs write it."""
    return msgspec.json.encode(value).decode()


def doubled(value: Any, dumps: Callable[[Any], str]) -> Iterator[str]:
    """The JSON of `value` with one key of one object twice, for each key of each object in it."""
    if isinstance(value, list):
        items = [dumps(item) for item in value]
        for place, item in enumerate(value):
            yield from (f"[{','.join([*items[:place], twice, *items[place + 1 :]])}]" for twice in doubled(item, dumps))
    elif isinstance(value, dict):
        pairs = {key: f"{dumps(key)}:{dumps(inner)}" for key, inner in value.items()}
        for key, inner in value.items():
            others = [pair for other, pair in pairs.items() if other != key]
            yield f"{{{','.join([pairs[key], *others, pairs[key]])}}}"
            yield from (f"{{{','.join([f'{dumps(key)}:{twice}', *others])}}}" for twice in doubled(inner, dumps))


@pytest.mark.parametrize("dumps", [json.dumps, tight])
def test_no_key_of_any_object_may_stand_twice(dumps: Callable[[Any], str]) -> None:
    """Wherever it stands, and though both say the same."""
    schema = {"type": "object", "properties": {"a:b": {"enum": [1.5, {"x": None}]}}}
    body = {
        "messages": [message for messages in KNOWN for message in messages],
        "tools": [tool(parameters=schema)],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "f", "schema": schema}},
        "stream_options": {"include_usage": True},
        "stop": [":"],
        "n": 1,
    }

    found = {read_request("chat/completions", said.encode()).unknown for said in doubled(body, dumps)}

    assert None is read_request("chat/completions", dumps(body).encode()).unknown
    assert None not in found
