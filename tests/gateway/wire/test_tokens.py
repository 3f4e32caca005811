"""Usage is asked for, read in every form, and told to nobody who did not ask."""

import pytest

from gateway.wire.request import encode_request, read_request
from gateway.wire.tokens import asking_for_usage, is_usage_alone, larger, usage_of

PROMPT = b'"prompt":"hi","model":"m","stream":true'


@pytest.mark.parametrize(
    ("fields", "asking"),
    [
        (b'"x":[1, 2.50]', b'"x":[1, 2.50],"stream_options":{"include_usage":true}'),
        (b'"stream_options":null', b'"stream_options":{"include_usage":true}'),
        (b'"stream_options":{"a":1e2}', b'"stream_options":{"a":1e2,"include_usage":true}'),
        (b'"stream_options":{"include_usage":false}', b'"stream_options":{"include_usage":true}'),
    ],
)
def test_asking_for_usage_keeps_every_other_byte(fields: bytes, asking: bytes) -> None:
    request = read_request("completions", b"{" + PROMPT + b"," + fields + b"}")

    asked = asking_for_usage(request)

    assert b"{" + PROMPT + b"," + asking + b"}" == b"".join(encode_request(asked, "m"))
    assert not asked.include_usage  # the client is told none


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("completions", b'{"prompt":"hi"}'),
        ("completions", b'{"prompt":"hi","stream":true,"stream_options":{"include_usage":true}}'),
        ("embeddings", b'{"input":"hi","stream":true}'),
        ("messages", b'{"messages":[],"stream":true}'),
    ],
)
def test_nothing_is_asked_where_usage_is_told_anyway_or_cannot_be(endpoint: str, body: bytes) -> None:
    request = read_request(endpoint, body)

    assert request is asking_for_usage(request)


@pytest.mark.parametrize(
    ("data", "is_alone"),
    [
        (b'{"choices":[],"usage":{"prompt_tokens":1},"timings":{}}', True),
        (b'{"choices":[],"usage":null}', False),
        (b'{"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}', False),
        (b'{"usage":{"output_tokens":1}}', False),
        (b"[DONE]", False),
    ],
)
def test_only_the_chunk_without_choices_is_usage_alone(data: bytes, is_alone: bool) -> None:
    assert is_alone == is_usage_alone(data)


@pytest.mark.parametrize(
    ("reply", "usage"),
    [
        (b'{"usage":{"input_tokens":3,"output_tokens":4}}', (3, 4)),
        (b'{"type":"response.completed","response":{"usage":{"input_tokens":3,"output_tokens":4}}}', (3, 4)),
        (b'{"type":"message_start","message":{"usage":{"input_tokens":3,"output_tokens":0}}}', (3, 0)),
    ],
)
def test_usage_is_read_in_the_forms_of_responses_and_messages(reply: bytes, usage: tuple[int, int]) -> None:
    assert usage == usage_of(reply)


def test_counts_of_one_answer_only_grow() -> None:
    assert (3, 4) == larger(larger(None, (3, 0)), (0, 4))


def test_usage_is_read_where_there_is_any() -> None:
    assert (3, 4) == usage_of(b'{"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7},"choices":[]}')
    assert usage_of(b'{"usage":null}') is None
    assert usage_of(b"{}") is None


@pytest.mark.parametrize(
    "reply",
    [
        b'{"usage":{"prompt_tokens":-1,"completion_tokens":4}}',
        b'{"usage":{"prompt_tokens":3,"completion_tokens":1000000000000}}',
        b'{"usage":{"prompt_tokens":3,"completion_tokens":null}}',
        b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_usage_that_cannot_be_is_none(reply: bytes) -> None:
    """Other peers' bytes come here: they must not break a counter."""
    assert usage_of(reply) is None
