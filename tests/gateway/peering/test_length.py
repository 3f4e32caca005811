"""A delegated request without a bound gets one that its engine takes."""

import json

import pytest

from gateway.peering.length import bounded
from gateway.wire.known import MAX_TOKENS_LIMIT
from gateway.wire.request import encode_request, read_request

HELLO = [{"role": "user", "content": "hi"}]


def sent(family: str, context_tokens: int, endpoint: str = "chat/completions", **fields: object) -> dict[str, object]:
    asked = {"input": "hi"} if endpoint == "embeddings" else {"messages": HELLO}
    request = read_request(endpoint, json.dumps({**asked, **fields}).encode())
    body: dict[str, object] = json.loads(b"".join(encode_request(bounded(request, family, context_tokens), "m")))
    return body


@pytest.mark.parametrize(
    ("family", "context_tokens", "limit"),
    [
        ("unknown", 0, MAX_TOKENS_LIMIT),
        ("ollama", 0, MAX_TOKENS_LIMIT),
        ("ollama", 4096, 4096),  # it would go on beyond its context
        ("llamacpp", 131072, MAX_TOKENS_LIMIT),
        ("vllm", 131072, MAX_TOKENS_LIMIT),
        ("vllm", 4096, None),  # it refuses what does not fit beside the prompt, and ends with its context
        ("vllm", MAX_TOKENS_LIMIT + 10, None),
        ("unknown", 4096, 4088),  # six tokens of prompt, and a quarter more
        ("unknown", 131072, MAX_TOKENS_LIMIT),
        ("tgi", 0, None),
        ("litellm", 200000, None),  # providers refuse more than their models can write
    ],
)
def test_an_answer_is_bounded_by_the_protocol_or_the_context(
    family: str, context_tokens: int, limit: int | None
) -> None:
    assert limit == sent(family, context_tokens).get("max_tokens")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_bound_of_the_request_s_own_is_kept(name: str) -> None:
    assert 5 == sent("ollama", 4096, **{name: 5})[name]
    assert {"messages", "model", name} == sent("ollama", 4096, **{name: 5}).keys()


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_minus_one_is_no_bound(name: str) -> None:
    """As LM Studio's programs say it."""
    assert {"messages": HELLO, "max_tokens": 4096, "model": "m"} == sent("ollama", 4096, **{name: -1})
    assert {"messages": HELLO, "model": "m"} == sent("vllm", 4096, **{name: -1})


def test_a_long_prompt_leaves_an_eighth_where_nobody_knows() -> None:
    assert 512 == sent("unknown", 4096, messages=[{"role": "user", "content": "word " * 5000}])["max_tokens"]


def test_embeddings_have_no_length() -> None:
    assert {"input": "hi", "model": "m"} == sent("ollama", 4096, "embeddings")
