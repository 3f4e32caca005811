"""An engine's error is the client's own mistake, or somebody else may do better."""

import json

import pytest

from gateway.serving.engine_errors import ABILITY_REFUSED, read_error

IMAGE, EMBEDDINGS = frozenset({"image"}), frozenset({"embeddings"})


def body(message: str) -> bytes:
    return json.dumps({"error": {"message": message}}).encode()


@pytest.mark.parametrize(
    ("status", "message", "untold", "expected"),
    [
        (400, "temperature is too high", frozenset(), None),
        (422, "n must be 1", frozenset(), None),
        (400, "temperature is too high", IMAGE, None),
        (
            400,
            "This model's maximum context length is 4096 tokens",
            frozenset(),
            (400, "context_length_exceeded", True),
        ),
        (413, "the request exceeds the available context size", frozenset(), (413, "context_length_exceeded", True)),
        (400, "At most 0 image(s) may be provided in one prompt.", IMAGE, (400, ABILITY_REFUSED, True)),
        (500, "image input is not supported", IMAGE, (422, ABILITY_REFUSED, True)),
        (500, "image input is not supported", frozenset(), (500, "upstream_500", False)),
        (503, "Loading model", frozenset(), (503, "upstream_503", False)),
        (401, "no key", frozenset(), (502, "upstream_401", False)),
        (404, "no such model", frozenset(), (404, "upstream_404", False)),
    ],
)
def test_who_is_at_fault(
    status: int, message: str, untold: frozenset[str], expected: tuple[int, str, bool] | None
) -> None:
    error = read_error(status, None, body(message), "chat/completions", untold)

    assert expected == (error and (error.status, error.code, error.is_unsuited))
    assert error is None or error.by_engine


@pytest.mark.parametrize(
    ("status", "message", "is_refusal"),
    [
        (404, "Not Found", True),
        (501, "no", True),
        (400, "The model does not support Embeddings API", True),
        (500, "this model cannot embed", True),
        (400, "the input is empty", False),
        (503, "Loading model", False),
    ],
)
def test_an_engine_that_may_make_no_embeddings_says_so_in_its_own_way(
    status: int, message: str, is_refusal: bool
) -> None:
    error = read_error(status, None, body(message), "embeddings", EMBEDDINGS)

    assert is_refusal == (error is not None and error.code == ABILITY_REFUSED and error.is_unsuited)


def test_the_engine_s_own_error_object_is_kept_for_the_client() -> None:
    said = body("maximum context length is 4096")

    errors = [read_error(400, None, words, "chat/completions", frozenset()) for words in (said, b"too long")]

    assert [said, None] == [error and error.said for error in errors]


def test_an_endpoint_that_the_engine_has_not_is_named() -> None:
    error = read_error(404, None, b"", "responses", frozenset())

    assert error and (404, "endpoint_not_served") == (error.status, error.code)


def test_when_to_come_back_is_passed_on() -> None:
    error = read_error(429, "7", b"{}", "chat/completions", frozenset())

    assert error and (429, 7.0) == (error.status, error.retry_after_s)


@pytest.mark.parametrize(
    ("status", "said", "told"), [(503, None, 2.0), (503, "nan", 2.0), (503, "9", 9.0), (429, None, None)]
)
def test_an_engine_that_loads_its_model_is_asked_again_soon(status: int, said: str | None, told: float | None) -> None:
    """llama.cpp says 503 and no time; a client's SDK comes back by itself where it is told when."""
    error = read_error(status, said, b'{"error":{"message":"Loading model"}}', "chat/completions", frozenset())

    assert error and told == error.retry_after_s
