"""What of Responses and Messages may leave this machine: one test a row of the tables in docs/protocol.md."""

import json
from typing import Any

import pytest

from gateway.privacy import agent_fields as table
from gateway.privacy.fields import Travel, Unacceptable, delegation, may_travel, read_delegation
from gateway.wire.known import MAX_TOKENS_LIMIT
from gateway.wire.request import encode_request, read_request

PIXELS = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"}
SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}}
CALL = {  # as the SDKs give an answer back
    "type": "function_call",
    "call_id": "c",
    "name": "f",
    "arguments": "{}",
    "id": None,
    "status": "completed",
    "namespace": None,
    "caller": None,
    "async_": None,
    "parsed_arguments": None,
}
RESULT = {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "5"}]}
THOUGHT = {"type": "reasoning", "id": "r", "summary": [], "content": None, "encrypted_content": "gAAA"}
SAID = {"type": "output_text", "text": "hi", "annotations": [], "logprobs": None, "parsed": None}
CUSTOM = {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: X"}}
LEAST: dict[str, dict[str, Any]] = {
    "responses": {"input": "hi"},
    "messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5},
    "messages/count_tokens": {"messages": [{"role": "user", "content": "hi"}]},
}
RESPONSES: dict[str, Any] = {
    "input": [
        {"role": "developer", "content": "be brief"},
        {
            "type": "message",
            "role": "user",
            "content": [PIXELS],
        },
        {"type": "message", "role": "assistant", "content": [SAID], "phase": None, "id": "m", "status": "completed"},
        THOUGHT,
        CALL,
        RESULT,
    ],
    "instructions": "be kind",
    "model": "m",
    "stream": True,
    "stream_options": {"include_obfuscation": False},
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "truncation": "disabled",
    "tools": [
        {"type": "function", "name": "f", "parameters": SCHEMA, "strict": False, "async": True},
        {"type": "custom", "name": "p", "format": {"type": "text"}},
        {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "g", "parameters": SCHEMA}]},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "max_tool_calls": 3,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "text": {"format": {"type": "text"}, "verbosity": "low"},
    "max_output_tokens": MAX_TOKENS_LIMIT,
    "temperature": 0.5,
    "top_p": 0.9,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "top_logprobs": 2,
}
CACHED = {"type": "ephemeral", "ttl": "1h"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
CALLED = {  # as the SDKs give an answer back
    "type": "tool_use",
    "id": "t",
    "name": "f",
    "input": {"a": [1, 2.5, None]},
    "caller": None,
    "toolset_name": None,
}
BACK = {"type": "tool_result", "tool_use_id": "t", "content": [IMAGE], "is_error": False}
MESSAGES: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": CACHED}, IMAGE]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "redacted_thinking", "data": "x"},
                CALLED,
            ],
        },
        {
            "role": "user",
            "content": [BACK],
        },
    ],
    "system": [{"type": "text", "text": "be kind", "cache_control": CACHED}],
    "model": "m",
    "stream": True,
    "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA, "cache_control": CACHED}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "max_tokens": 32000,
    "stop_sequences": ["\n"],
    "temperature": 1,
    "top_p": 0.9,
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
}
DROPPED: dict[str, dict[str, Any]] = {
    "responses": {
        "client_metadata": {"installation": "i", "session": "s"},
        "prompt_cache_key": "thread-1",
        "prompt_cache_options": {"mode": "explicit"},
        "prompt_cache_retention": "24h",
        "metadata": {"ticket": "4711"},
        "user": "alice",
        "safety_identifier": "s",
        "service_tier": "auto",
        "background": False,
        "previous_response_id": None,
    },
    "messages": {
        "metadata": {"user_id": "user_1_account__session_2"},
        "service_tier": "auto",
        "cache_control": CACHED,
        "inference_geo": "us",
        "speed": "fast",
        "user_profile_id": "u",
        "workspace_id": "w",
    },
}
PINS: dict[str, list[tuple[dict[str, Any], str]]] = {
    "responses": [
        ({"store": True}, "store"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"messages": []}, "messages"),
        ({"max_tokens": 5}, "max_tokens"),
        ({"max_output_tokens": MAX_TOKENS_LIMIT + 1}, "max_output_tokens"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"include": ["file_search_call.results"]}, "include"),
        ({"tools": [{"type": "web_search"}]}, "tools.web_search"),
        ({"tools": [{"type": "mcp", "server_url": "https://example.org"}]}, "tools.mcp"),
        ({"tools": [{"type": "code_interpreter"}]}, "tools.code_interpreter"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}]}, "tools.tools"),
        ({"tools": [{"type": "function", "name": "f", "parameters": {"$ref": "https://x"}}]}, "tools"),
        ({"input": [{"type": "item_reference", "id": "m"}]}, "input.item_reference"),
        ({"input": [{**CALL, "parsed_arguments": {"x": 1}}]}, "input.parsed_arguments"),
        ({"input": [{"type": "web_search_call", "id": "w"}]}, "input.unknown"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "input.input_file"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://x/a.png"}]}]},
            "input.image",
        ),
        ({"input": [{**RESULT, "output": [{"type": "input_image", "image_url": "file:///etc"}]}]}, "input.image"),
        ({"input": [{"role": "user", "content": "hi", "output": [{"type": "input_text", "text": "x"}]}]}, "input"),
    ],
    "messages": [
        ({"container": "c"}, "container"),
        ({"mcp_servers": [{"type": "url", "url": "https://x"}]}, "mcp_servers"),
        ({"max_tokens": MAX_TOKENS_LIMIT + 1}, "max_tokens"),
        ({"input": "hi"}, "input"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.unknown"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools.unknown"),
        ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, "context_management.edits"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://x"}}]}
                ]
            },
            "messages.source",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "document", "source": {}}]}]}, "messages.document"),
        ({"messages": [{"role": "user", "content": [{"type": "server_tool_use"}]}]}, "messages.server_tool_use"),
    ],
}
DEMANDING: list[tuple[str, dict[str, Any]]] = [
    ("responses", {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}}),
    ("responses", {"tools": [CUSTOM]}),
    ("responses", {"tools": [{"type": "function", "name": "f", "strict": True}]}),
    ("responses", {"tools": [{"type": "function", "name": "f"}], "tool_choice": {"type": "function", "name": "f"}}),
    ("messages", {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}),
    ("messages", {"tools": [{"name": "f", "input_schema": SCHEMA}], "tool_choice": {"type": "any"}}),
    ("messages", {"top_k": 5}),
]
ROWS = [("responses", name) for name in RESPONSES] + [("messages", name) for name in MESSAGES]
FULL = {"responses": RESPONSES, "messages": MESSAGES}


def travel_of(endpoint: str, fields: dict[str, Any], *, trusted: bool = True) -> Travel:
    return may_travel(read_request(endpoint, json.dumps({**LEAST[endpoint], **fields}).encode()), trusted=trusted)


def delegated(endpoint: str, fields: dict[str, Any], *, trusted: bool = True) -> dict[str, Any]:
    """What the other peer's engine gets."""
    payload = b"".join(delegation(endpoint, "a", "m", travel_of(endpoint, fields, trusted=trusted)))
    return json.loads(b"".join(encode_request(read_delegation(payload, trusted=trusted)[1], "m")))


def test_the_tables_have_a_row_for_every_field() -> None:
    assert (table.RESPONSES, table.MESSAGES) == (RESPONSES.keys(), MESSAGES.keys())
    assert table.AGENTS_DROPPED < DROPPED["responses"].keys() | DROPPED["messages"].keys()


@pytest.mark.parametrize(("endpoint", "name"), ROWS)
def test_a_field_of_the_api_travels_as_it_is(endpoint: str, name: str) -> None:
    sent = delegated(endpoint, {name: FULL[endpoint][name]}, trusted=False)

    assert FULL[endpoint][name] == sent[name] or name == "model"


@pytest.mark.parametrize("endpoint", ["responses", "messages", "messages/count_tokens"])
def test_all_of_them_travel_together(endpoint: str) -> None:
    fields = FULL[endpoint.partition("/")[0]]

    assert {**fields, "model": "m"} == delegated(endpoint, fields)


@pytest.mark.parametrize(("endpoint", "name"), [(api, name) for api in DROPPED for name in DROPPED[api]])
def test_who_asks_is_dropped(endpoint: str, name: str) -> None:
    travel = travel_of(endpoint, {name: DROPPED[endpoint][name]}, trusted=False)

    assert (None, False) == (travel.pinned_by, name in travel.fields)


@pytest.mark.parametrize(
    ("endpoint", "fields", "field"), [(api, fields, field) for api in PINS for fields, field in PINS[api]], ids=str
)
def test_what_an_engine_would_keep_fetch_or_run_stays_here(endpoint: str, fields: dict[str, Any], field: str) -> None:
    """And is refused where it comes all the same."""
    travel = travel_of(endpoint, fields)
    body = {**LEAST[endpoint], **fields}

    assert ({}, f"field:{field}") == (travel.fields, travel.pinned_by)
    with pytest.raises(Unacceptable):
        read_delegation(json.dumps({"endpoint": endpoint, "agent": "a", "body": body}).encode(), trusted=True)


@pytest.mark.parametrize(("endpoint", "fields"), DEMANDING, ids=str)
def test_what_makes_an_engine_compile_travels_to_who_is_trusted(endpoint: str, fields: dict[str, Any]) -> None:
    trusted = travel_of(endpoint, fields)

    assert (None, True) == (trusted.pinned_by, bool(trusted.guarded))
    assert (travel_of(endpoint, fields, trusted=False).pinned_by or "").startswith("field:")


@pytest.mark.parametrize("said", [{}, {"store": False}, {"store": None}])
def test_what_travels_says_that_nothing_is_to_be_kept(said: dict[str, Any]) -> None:
    assert delegated("responses", said)["store"] is False


def test_a_delegation_that_does_not_say_so_is_refused() -> None:
    with pytest.raises(Unacceptable, match="`store`"):
        read_delegation(b'{"endpoint":"responses","agent":"a","body":{"input":"hi"}}', trusted=True)


@pytest.mark.parametrize("endpoint", LEAST)
def test_our_own_engine_gets_every_byte(endpoint: str) -> None:
    body = json.dumps({**LEAST[endpoint], "model": "m", "store": True, "mcp_servers": [1.50]}).encode()

    assert (body,) == encode_request(read_request(endpoint, body), "m")


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("responses", {"input": [RESULT]}),
        ("responses", {"input": [RESULT, {"role": "user", "content": "and?"}, THOUGHT, CALL]}),
        ("messages", {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]}),
    ],
)
def test_a_result_without_its_call_travels_and_the_engine_judges_it(endpoint: str, body: dict[str, Any]) -> None:
    assert body.items() <= delegated(endpoint, body).items()


def test_a_large_image_travels_whole() -> None:
    data = "A" * (4 << 20)
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    asked = [{"role": "user", "content": [image, {"type": "text", "text": "what is it?"}]}]
    item = [{"role": "user", "content": [{"type": "input_image", "image_url": f"data:image/png;base64,{data}"}]}]

    assert asked == delegated("messages", {"messages": asked})["messages"]
    assert item == delegated("responses", {"input": item})["input"]
