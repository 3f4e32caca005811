"""Fields that engines have beyond OpenAI's: what is known of them, and their bounds."""

from typing import Any

import pytest

from gateway.privacy.names import KNOWN
from gateway.wire.request import read_request
from gateway.wire.rewriting import SCHEMA_DEPTH
from gateway.wire.sampling import BIASES_LIMIT, KWARGS_LIMIT, PATTERN_CHARS, SAMPLING, TEXTS_LIMIT
from tests.gateway.wire.asked import URL, chat, nested, user, written


def unknown(**fields: Any) -> str | None:
    return chat(user("hi"), **fields).unknown


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"logit_bias": {str(token): 1 for token in range(BIASES_LIMIT)}}, None),
        ({"logit_bias": {str(token): 1 for token in range(BIASES_LIMIT + 1)}}, "logit_bias"),
        ({"logit_bias": {"5": 101}}, "logit_bias"),
        ({"logit_bias": {"5": {}}}, "logit_bias"),
        ({"logit_bias": {"my diary": 1}}, "logit_bias"),
        ({"logit_bias": {"9999999": 1}}, "logit_bias"),
        ({"logit_bias": [[5, 1]]}, "logit_bias"),
        ({"stop_token_ids": [1] * (TEXTS_LIMIT + 1)}, "stop_token_ids"),
        ({"stop_token_ids": [-1]}, "stop_token_ids"),
        ({"bad_words": ["x" * 257]}, "bad_words"),
        ({"n_probs": 21}, "n_probs"),
        ({"verbosity": "my diary"}, "verbosity"),
        ({"grammar": "x" * (PATTERN_CHARS + 1)}, "grammar"),
        ({"chat_template_kwargs": {f"x{i}": i for i in range(KWARGS_LIMIT + 1)}}, "chat_template_kwargs"),
        ({"chat_template_kwargs": {"chat_template": "{% for x in range(9**9) %}{% endfor %}"}}, "chat_template_kwargs"),
        ({"chat_template_kwargs": {"tokenize": True}}, "chat_template_kwargs"),
        ({"chat_template_kwargs": {"x": nested(SCHEMA_DEPTH + 1)}}, "chat_template_kwargs"),
        ({"structured_outputs": {"json": "{}"}}, "structured_outputs"),
        ({"structured_outputs": {"json": {"$ref": URL}}}, "structured_outputs"),
        ({"structured_outputs": {"json": nested(SCHEMA_DEPTH + 1)}}, "structured_outputs"),
        ({"structured_outputs": {"backend": "x"}}, "structured_outputs"),
        ({"guided_json": {"$ref": URL}}, "guided_json"),
        ({"reasoning": {"url": URL}}, "reasoning"),
        ({"thinking": {"type": "my diary"}}, "thinking"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_field_of_engines_is_known_within_bounds(fields: dict[str, Any], field: str | None) -> None:
    """Numbers, words, schemas and what a template is given; never a template itself."""
    said = unknown(**fields)

    assert field == (said and said.partition(".")[0])


def test_what_holds_others_is_written_anew() -> None:
    request = chat(user("hi"), logit_bias={"5": 1.5}, chat_template_kwargs={"a:b": ["::"]}, top_k=4)

    assert None is request.unknown
    assert {"messages", "logit_bias", "chat_template_kwargs"} == request.written.keys()
    assert ({"5": 1.5}, {"a:b": ["::"]}) == (written(request, "logit_bias"), written(request, "chat_template_kwargs"))


@pytest.mark.parametrize(
    "field",
    [
        b'"logit_bias":{"5":1,"5":2}',
        b'"guided_json":{"a":{"b":1,"b":2}}',
        b'"reasoning":{"effort":"low","effort":"high"}',
        b'"top_k":1,"top_k":2',
    ],
)
def test_a_key_of_theirs_stands_once(field: bytes) -> None:
    body = b'{"messages":[{"role":"user","content":"x"}],' + field + b"}"

    assert "duplicate" == read_request("chat/completions", body).unknown


def test_a_null_has_no_bounds() -> None:
    assert None is unknown(**dict.fromkeys(SAMPLING))


def test_the_names_of_all_may_be_said() -> None:
    assert SAMPLING <= KNOWN
