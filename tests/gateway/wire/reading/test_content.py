"""What an engine is sent, and that nothing more of a body is read than somebody asks for."""

import json

import msgspec
import pytest

from gateway.wire.codec import LARGE_BYTES, pieces_of, raw
from gateway.wire.errors import InvalidRequest
from gateway.wire.request import Request, read_request
from tests.gateway.wire.asked import user

TURN = b'"messages":[{"role":"user","content":"hi"}]'


def chat(body: bytes) -> Request:
    return read_request("chat/completions", body)


def sent(request: Request) -> bytes:
    return b"".join(request.content.pieces)


@pytest.mark.parametrize("more", [b"", b', "x" : [1, 2.50]', b',"stream":true,"n":1,"n":2', b',"y":"\xff"'])
def test_what_is_only_looked_at_stays_as_it_came(more: bytes) -> None:
    body = b"{ " + TURN + more + b" } "
    request = chat(body)

    looked_at = request.fields, request.written, request.unknown, request.text, request.tools

    assert all(part is not None for part in looked_at[:2])
    assert body == sent(request)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (b"", b'{"a":{"b":1.50},' + TURN + b',"x":7}'),
        (b',"z":"\\u00e9"', b'{"a":{"b":1.50},' + TURN + b',"z":"\\u00e9","x":7}'),
        (b',"x":null', b'{"a":{"b":1.50},' + TURN + b',"x":7}'),
        (b',"\\u0078":null', b'{"a":{"b":1.50},' + TURN + b',"x":7}'),
    ],
)
def test_a_field_of_ours_stands_once_and_every_other_keeps_its_bytes(more: bytes, expected: bytes) -> None:
    request = chat(b'{"a":{"b":1.50},' + TURN + more + b"}")

    content = request.content.with_field("x", lambda _: raw(7))

    assert expected == b"".join(content.pieces)
    assert (b"7", b"7") == (bytes(content.fields["x"]), bytes(content.written["x"]))  # type: ignore[arg-type]


def test_a_field_of_ours_is_beside_those_that_were_read_and_those_that_were_rewritten() -> None:
    request = chat(b'{"a":1,' + TURN + b"}")
    read = request.fields
    rewritten = request.changed({"a": raw(2)})

    first, second = (
        request.content.with_field("x", lambda _: raw(7)),
        rewritten.content.with_field("x", lambda _: raw(7)),
    )

    assert read["a"] is first.fields["a"]  # not read again
    assert (b'{"a":2,"x":7}', {"a", "x"}) == (b"".join(second.pieces), set(second.fields))
    assert not rewritten.content.lacks("y")  # nobody can tell by the bytes that came


def test_a_field_of_ours_does_not_count_as_one_that_stands_twice() -> None:
    """Whether a key stands twice is told by what came."""
    request = chat(b"{" + TURN + b"}")

    assert None is request.content.with_field("stream_options", lambda _: raw({"include_usage": True})).unknown


def test_what_is_known_is_written_the_same_each_time() -> None:
    """Large images are taken out while the rest is written."""
    url = "data:image/png;base64," + "A" * 2 * LARGE_BYTES
    body = json.dumps({"messages": [user([{"type": "image_url", "image_url": {"url": url}}])]}).encode()
    request = chat(body)

    contents = (request.content, request.content.with_field("x", lambda _: raw(1)))

    first, second = (b"".join(pieces_of(content.written["messages"])) for content in contents)

    assert first == second
    assert url == json.loads(first)[0]["content"][0]["image_url"]["url"]


def test_a_name_that_is_no_text_is_the_client_s_mistake_as_soon_as_names_are_read() -> None:
    request = chat(b"{" + TURN + b',"\xff":1}')

    with pytest.raises(InvalidRequest, match="not valid JSON") as refused:
        _ = request.fields

    assert "invalid_json" == refused.value.code


@pytest.mark.parametrize("body", [b"{" + TURN + b"}", msgspec.Raw(b"{" + TURN + b"}")])
def test_a_size_is_at_least_that_of_all_values(body: bytes | msgspec.Raw) -> None:
    request = read_request("chat/completions", body)
    before = request.content.size_bytes

    held = sum(len(bytes(value)) for value in request.fields.values())  # type: ignore[arg-type]

    assert held == request.content.size_bytes <= before


@pytest.mark.parametrize(
    ("body", "is_flat"),
    [
        (b"{" + TURN + b"}", True),
        (b'{"model":"m","temperature":0.5,"user":"\\u00e9",' + TURN + b"}", True),
        (b'{"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}', False),
        (b"{" + TURN + b',"stop":["a","b"]}', False),
        (b"{" + TURN + b',"metadata":{"a":"\xff"}}', False),  # nobody looked whether that is text
        (b"{" + TURN + b',"response_format":{"type":"text"}}', False),
        (b'{"messages":[{"role":"user","content":"[see below]"}]}', False),  # it may be one, as far as we look
        (b'{"prompt":"hi"}', False),
    ],
)
def test_a_chat_is_flat_where_no_list_is_in_it_but_that_of_its_turns(body: bytes, is_flat: bool) -> None:
    endpoint = "completions" if b"prompt" in body else "chat/completions"

    assert is_flat == read_request(endpoint, body).content.is_flat(body)


def test_a_chat_that_came_in_another_form_is_not_told_to_be_flat() -> None:
    body = b"{" + TURN + b"}"

    assert not chat(body).content.is_flat(b'{"input":"hi"}')
