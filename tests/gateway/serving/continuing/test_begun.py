"""Which answers another may go on with."""

from typing import Any

import pytest

from gateway.serving.continuing.begun import KINDS, begun
from tests.gateway.serving.continuing.parts import read

CALL = {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "1", "output": "7"}
SCHEMA = {"type": "json_schema", "name": "a", "schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("endpoint", "fields", "expected"),
    [
        ("chat/completions", {}, True),
        ("completions", {}, True),
        ("chat/completions", {"tools": [{"type": "function", "function": {"name": "f"}}]}, True),
        ("chat/completions", {"logprobs": False, "n": 1, "response_format": None}, True),
        ("chat/completions", {"stream": False}, False),
        ("chat/completions", {"n": 2}, False),
        ("chat/completions", {"logprobs": True}, False),
        ("chat/completions", {"response_format": {"type": "json_object"}}, False),
        ("chat/completions", {"guided_json": {"type": "object"}}, False),
        ("chat/completions", {"continue_final_message": True}, False),
        ("chat/completions", {"messages": [{"role": "assistant", "content": "I"}]}, False),
        ("completions", {"prompt": ["a", "b"]}, False),
        ("completions", {"prompt": [1, 2]}, False),
        ("completions", {"echo": True}, False),
        ("completions", {"suffix": "end"}, False),
        ("messages", {"tools": [{"name": "f", "input_schema": {}}], "thinking": {"type": "adaptive"}}, True),
        ("messages", {"output_config": {"effort": "low"}}, True),
        ("messages", {"output_config": {"format": SCHEMA}}, False),
        ("messages", {"messages": [{"role": "assistant", "content": "I"}]}, False),
        ("messages", {"stream": False}, False),
        ("responses", {"reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"]}, True),
        ("responses", {"input": [{"role": "user", "content": "hi"}, CALL, RESULT]}, True),
        ("responses", {"text": {"format": {"type": "text"}, "verbosity": "low"}}, True),
        ("responses", {"text": {"format": SCHEMA}}, False),
        ("responses", {"include": ["message.output_text.logprobs"]}, False),
        ("responses", {"top_logprobs": 2}, False),
        ("responses", {"previous_response_id": "resp_1"}, False),
        ("responses", {"conversation": "c"}, False),
        ("responses", {"background": True}, False),
        ("responses", {"prompt": {"id": "p"}}, False),
        ("responses", {"input": [{"role": "assistant", "content": "I"}]}, False),
        ("responses", {"input": [{"role": "user", "content": "hi"}, CALL]}, False),
        ("responses", {"input": []}, False),
        ("responses", {"input": [7]}, False),
        ("embeddings", {}, False),
    ],
)
def test_what_may_go_on_elsewhere(endpoint: str, fields: dict[str, Any], expected: bool) -> None:
    assert expected is (begun(read(endpoint, **fields)) is not None)


def test_each_kind_of_stream_has_its_way() -> None:
    assert {"chat/completions", "completions", "messages", "responses"} == set(KINDS)
