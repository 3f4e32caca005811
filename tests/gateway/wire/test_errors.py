"""Error objects that clients parse, and what an engine's error says, whatever its shape."""

import json
from collections.abc import Callable
from typing import Literal

import msgspec
import pytest

from gateway.wire.errors import error_body, is_error_body, is_no_answer, message_in, named_error, without_words


def test_error_bodies_are_recognised() -> None:
    assert is_error_body(error_body("no", "server_error"))
    assert not is_error_body(b'{"detail":"Not Found"}')
    assert not is_error_body(b"oops")
    assert not is_error_body(b'{"error":' + b"[" * 5000 + b"]" * 5000 + b"}")


def test_an_error_has_all_four_keys_that_clients_read() -> None:
    error = json.loads(error_body("no", "invalid_request_error", "messages", "empty"))["error"]

    assert {"message": "no", "type": "invalid_request_error", "param": "messages", "code": "empty"} == error


def test_a_named_error_is_read_by_clients_of_both_apis() -> None:
    error = json.loads(named_error("no", "broke"))

    assert ("error", "no", "broke") == (error["type"], error["message"], error["code"])
    assert ("api_error", "no") == (error["error"]["type"], error["error"]["message"])


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


@pytest.mark.parametrize("made", [error_body, named_error])
def test_a_message_steers_no_terminal_of_whoever_prints_it(made: Callable[..., bytes]) -> None:
    """It may be a peer's or an engine's."""
    said = json.loads(made("no\x1b[2J\u202e\nway", "kind"))

    assert "no[2J\nway" == said["error"]["message"] == said.get("message", "no[2J\nway")
