"""Error objects that clients parse, and what an engine's error says, whatever its shape."""

import json
from typing import Any, Literal

import msgspec
import pytest

from gateway.wire.errors import (
    endpoint_of,
    error_body,
    error_event,
    is_error_body,
    is_no_answer,
    message_in,
    whole_error,
    without_words,
)


def test_error_bodies_are_recognised() -> None:
    assert is_error_body(error_body("no", "server_error"))
    assert not is_error_body(b'{"detail":"Not Found"}')
    assert not is_error_body(b"oops")
    assert not is_error_body(b'{"error":' + b"[" * 5000 + b"]" * 5000 + b"}")


def test_an_error_has_all_four_keys_that_clients_read() -> None:
    error = json.loads(error_body("no", "invalid_request_error", "messages", "empty"))["error"]

    assert {"message": "no", "type": "invalid_request_error", "param": "messages", "code": "empty"} == error


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    of: Literal["a", "b"] = "a"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"my secret":1}', "Object contains unknown field"),
        (b'{"my secret - at `$.x`":1}', "Object contains unknown field"),
        (b'{"my\\nsecret - at `$` x":1}', "Object contains unknown field"),
        (b'{"of":"my secret"}', "Invalid enum value - at `$.of`"),
        (b'{"of":1}', "Expected `str`, got `int` - at `$.of`"),
    ],
)
def test_what_a_decoder_found_is_told_without_the_words_that_it_found(body: bytes, said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as wrong:
        msgspec.json.decode(body, type=_Strict)

    assert said == without_words(wrong.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"message":"too long"}}', "too long"),  # OpenAI, vLLM
        (b'{"error":"model not found"}', "model not found"),  # Ollama
        (b'{"message":"no"}', "no"),
        (b'{"detail":"Not Found"}', "Not Found"),  # FastAPI
        (b'{"error":{"message":""},"detail":"x"}', '{"error":{"message":""},"detail":"x"}'),
        (b"Bad Gateway", "Bad Gateway"),
        (b"x" * 1000, "x" * 300),
        (b"\xff", "\ufffd"),
        (b"", "the engine answered without a word"),
    ],
)
def test_an_error_in_any_shape_says_something(body: bytes, message: str) -> None:
    assert message == message_in(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", True),
        (b"<html>log in</html>", True),
        (b'{"choices":[', True),
        (b"[]", True),
        (b'{"error":"Unexpected endpoint or method. (POST /v1/chat/completions)"}', True),
        (b'{"error":{"message":"out of memory"}}', True),
        (b'{"object":"error","error":{"code":3}}', True),
        (b'{"choices":[{"message":{"content":"the \\"error\\" is yours"}}]}', False),
        (b'{"choices":[],"error":null}', False),
        (b' {"output":[],"error":{"code":"server_error"},"status":"failed"}\n', False),  # /v1/responses tells it so
        (b'{"object":"list","data":[]}', False),
        (b'{"input_tokens":3}', False),
    ],
)
def test_a_200_without_an_answer_is_told_from_one_with(body: bytes, expected: bool) -> None:
    assert expected == is_no_answer(body)


# --- in the form of whichever API is asked ---


def told(endpoint: str, **error: Any) -> tuple[int, dict[str, Any]]:
    status, body = whole_error(endpoint, "r1", **{"message": "no", **error})
    return status, json.loads(body)


def event(endpoint: str, **error: Any) -> tuple[str, dict[str, Any]]:
    """(the event's name, its data)."""
    lines = error_event(endpoint, "r1", 3, **{"message": "no", "code": "broke", **error}).decode().split("\n")
    assert ["", ""] == lines[-2:]
    return "".join(lines[:-3]), json.loads(lines[-3].removeprefix("data: "))


@pytest.mark.parametrize("endpoint", ["chat/completions", "completions", "embeddings", "responses"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request_error"), (404, "not_found_error"), (429, "rate_limit_error"), (503, "server_error")],
)
def test_openai_s_errors_have_four_keys(endpoint: str, status: int, kind: str) -> None:
    expected = {"message": "no", "type": kind, "param": "model", "code": "saturated"}

    assert (status, {"error": expected}) == told(endpoint, status=status, code="saturated", param="model")


@pytest.mark.parametrize("endpoint", ["messages", "messages/count_tokens"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "api_error"),
        (504, "timeout_error"),
    ],
)
def test_anthropic_s_errors_have_its_types_and_the_request_s_id(endpoint: str, status: int, kind: str) -> None:
    expected = {"type": "error", "error": {"type": kind, "message": "no"}, "request_id": "r1"}

    assert (status, expected) == told(endpoint, status=status, code="not_ready", param="model")


@pytest.mark.parametrize("code", ["saturated", "busy", "peer_busy", "upstream_503"])
def test_who_is_busy_is_overloaded_to_anthropic_s_clients(code: str) -> None:
    status, body = told("messages", status=503, code=code)

    assert (529, "overloaded_error") == (status, body["error"]["type"])


ANTHROPIC = {"type": "error", "error": {"type": "billing_error", "message": "pay"}}
OPENAI = {"error": {"message": "pay", "code": 402}}


@pytest.mark.parametrize(
    ("endpoint", "said", "kept"),
    [
        ("messages", ANTHROPIC, True),
        ("messages", OPENAI, False),  # llama.cpp's
        ("chat/completions", OPENAI, True),
        ("chat/completions", {"detail": "pay"}, False),
    ],
)
def test_an_engine_s_own_error_is_kept_where_it_has_the_api_s_form(endpoint: str, said: Any, kept: bool) -> None:
    text = json.dumps(said).encode()

    _, whole = told(endpoint, status=402, said=text)
    _, in_stream = event(endpoint, said=text)
    assert (kept, kept) == (whole == said, in_stream == said)
    assert kept or "no" == whole["error"]["message"] == in_stream["error"]["message"]


@pytest.mark.parametrize("said", [b"", b"oops", b"[" * 5000, b'{"type":"error"}', b'{"error":{"type":1,"message":2}}'])
def test_what_is_no_error_of_an_engine_is_not_kept(said: bytes) -> None:
    for endpoint in ("messages", "chat/completions"):
        assert "no" == told(endpoint, status=400, said=said)[1]["error"]["message"]


def test_a_stream_ends_as_its_api_s_streams_do() -> None:
    error = {"message": "no", "type": "server_error", "param": None, "code": "broke"}
    words = {"message": "no", "code": "broke", "param": None}

    assert ("", {"error": error}) == event("chat/completions")
    assert ("event: error", {"type": "error", "error": {"type": "api_error", "message": "no"}, "request_id": "r1"}) == (
        event("messages")
    )
    assert ("event: error", {"type": "error", "sequence_number": 3, "error": error, **words}) == event("responses")


@pytest.mark.parametrize("endpoint", ["messages", "responses", "chat/completions"])
def test_a_message_steers_no_terminal_of_whoever_prints_it(endpoint: str) -> None:
    """It may be a peer's or an engine's."""
    message = "no\x1b[2J\u202e\nway"

    assert "no[2J\nway" == told(endpoint, status=502, message=message)[1]["error"]["message"]
    assert "no[2J\nway" == event(endpoint, message=message)[1]["error"]["message"]


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/v1/messages", "messages"),
        ("/v1/messages/batches", "messages"),
        ("/v1/v1/messages/", "messages"),
        ("/messages", "messages"),
        ("/v1/chat/completions", "chat/completions"),
        ("/v1/models/messages-1", "models/messages-1"),
        ("", ""),
    ],
)
def test_a_path_tells_whose_errors_it_wants(path: str, endpoint: str) -> None:
    assert endpoint == endpoint_of(path)
