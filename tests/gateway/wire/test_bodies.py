"""The bodies as they are decoded: what may stand in them, and which field a refusal names."""

import json

import msgspec
import pytest

from gateway.wire.bodies import ASSUMED, BODIES, ENDPOINTS, decode_body
from gateway.wire.errors import InvalidRequest

HI = {"messages": [{"role": "user", "content": "hi"}]}
LEAST = {
    "chat/completions": HI,
    "completions": {"prompt": "once"},
    "embeddings": {"input": "once"},
    "responses": {},
    "messages": HI,
    "messages/count_tokens": HI,
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_unknown_fields_are_the_engines_to_judge(endpoint: str) -> None:
    asked = decode_body(endpoint, json.dumps({**LEAST[endpoint], "model": "m", "x_new": [1.5, None]}).encode())

    assert ("m", BODIES[endpoint]) == (asked.model, type(asked))


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("body", [b"", b"{oops", b"\xff", b"\x00{}"])
def test_what_is_no_json_is_refused_as_such(endpoint: str, body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="not valid JSON") as refused:
        decode_body(endpoint, body)

    assert "invalid_json" == refused.value.code


@pytest.mark.parametrize(
    ("endpoint", "changed", "field"),
    [
        ("chat/completions", {"messages": []}, "messages"),
        ("chat/completions", {"messages": [{"content": "hi"}]}, "messages[0]"),
        ("chat/completions", {"messages": [{"role": 7}]}, "messages[0].role"),
        ("chat/completions", {"temperature": "hot"}, "temperature"),
        ("chat/completions", {"max_tokens": [1]}, "max_tokens"),
        ("chat/completions", {"stream": "yes"}, "stream"),
        ("completions", {"prompt": {"text": "once"}}, "prompt"),
        ("embeddings", {"input": [1.5]}, "input[0]"),
        ("responses", {"model": 7}, "model"),
        ("messages", {"messages": "hi"}, "messages"),
    ],
)
def test_a_refusal_names_the_field(endpoint: str, changed: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_body(endpoint, json.dumps({**LEAST[endpoint], **changed}).encode())

    assert (400, field) == (refused.value.status, refused.value.param)


@pytest.mark.parametrize("tokens", [100, 100.0, 1])
def test_a_whole_number_may_be_written_with_a_point(tokens: float) -> None:
    assert tokens == decode_body("chat/completions", json.dumps({**HI, "max_tokens": tokens}).encode()).max_tokens


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": -1},  # llama.cpp, LM Studio: without end
        {"max_tokens": 0},
        {"temperature": 2.5},
        {"temperature": -1},
        {"top_p": 1.5},
        {"n": 0},
        {"user": 123},
    ],
    ids=str,
)
@pytest.mark.parametrize("endpoint", ["chat/completions", "completions"])
def test_values_that_only_the_engine_can_judge_are_left_to_it(endpoint: str, fields: dict[str, object]) -> None:
    body = json.dumps({**LEAST[endpoint], **fields}).encode()

    assert fields.items() <= msgspec.structs.asdict(decode_body(endpoint, body)).items()


def test_an_inline_image_is_kept_as_it_came() -> None:
    url = '{ "url":"data:image/png;base64,AAAA" }'
    body = '{"messages":[{"role":"user","content":[{"type":"image_url","image_url":' + url + "}]}]}"

    ((part,),) = [message.content for message in decode_body("chat/completions", body.encode()).messages]

    assert url.encode() == bytes(part.image_url)


def test_what_travels_is_part_of_what_is_served() -> None:
    assert {"chat/completions", "completions", "embeddings"} == ASSUMED < set(ENDPOINTS)
