"""What PPAI does not know of a body, to its leaves: a table of what an attacker would slip in."""

import json
from typing import Any

import pytest

from gateway.wire.known import BODY_LIMIT_BYTES, INPUTS_LIMIT, MAX_TOKENS_LIMIT, PROMPTS_LIMIT, VALUES_LIMIT
from gateway.wire.request import read_request
from tests.gateway.wire.asked import IMAGE, URL, chat, image, tool, user

UNKNOWN: list[tuple[Any, str]] = [
    (user("hi", Content=[{"type": "image_url", "image_url": {"url": URL}}]), "messages"),  # Go engines match it
    (user("hi", images=[URL]), "messages"),
    (user("hi", audio={"id": "x"}), "messages.audio"),
    (user("hi", provider_specific_fields={}), "messages"),
    (user([{"type": "text", "text": "hi", "image_url": {"url": URL}}]), "messages.content"),
    (user([{"type": "text", "text": "hi", "TEXT": "x"}]), "messages.content"),
    (user([{"type": "video_url", "video_url": {"url": URL}}]), "messages.video_url"),
    (user([{"type": "my own", "text": "x"}]), "messages.unknown"),
    (user([{"type": "text", "text": None}]), "messages.text"),
    (image(URL), "messages.image_url"),
    (image("data:image/svg+xml;base64,AAAA"), "messages.image_url"),
    (image("data:text/html,x"), "messages.image_url"),
    (image(IMAGE, detail=URL), "messages.image_url"),
    (image(IMAGE, uuid="x"), "messages.image_url"),
    ({"role": "root", "content": "hi"}, "messages.role"),
    (
        {"role": "assistant", "tool_calls": [{"type": "mcp", "function": {"name": "f", "arguments": ""}}]},
        "messages.tool_calls",
    ),
]


@pytest.mark.parametrize(("message", "field"), UNKNOWN, ids=str)
def test_what_is_not_known_of_a_message_is_named_in_our_words(message: Any, field: str) -> None:
    """Wherever it stands: beside what is known too. Our own engine gets it as it is."""
    request = chat(user("first"), message)

    assert field == request.unknown
    assert {} == request.written


@pytest.mark.parametrize(
    ("tools", "field"),
    [
        ([{"type": "mcp", "server_label": "x", "server_url": URL}], "tools.mcp"),
        ([{"type": "web_search_20250305", "name": "web_search"}], "tools.unknown"),
        ([{"type": "code_interpreter", "container": {"type": "auto"}}], "tools.code_interpreter"),
        ([{**tool(), "server_url": URL}], "tools"),
        ([tool(url=URL)], "tools.function"),
        ([tool()] * 257, "tools"),
    ],
)
def test_a_tool_that_an_engine_would_run_is_not_known(tools: Any, field: str) -> None:
    assert field == chat(user("hi"), tools=tools).unknown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", PROMPTS_LIMIT + 1), ("n", 9999), ("n", 1.5), ("top_logprobs", 10**9), ("top_logprobs", -1),
        ("logprobs", 10**6),
        ("dimensions", 10**9), ("seed", 2**70), ("stop", [f"x{i}" for i in range(200)]), ("stop", "x" * 10**5),
        ("stop", 5), ("max_tokens", MAX_TOKENS_LIMIT + 1), ("max_completion_tokens", 10**9), ("presence_penalty", 1e9),
        ("frequency_penalty", -3), ("reasoning_effort", "my diary"), ("encoding_format", {"x": 1}),
        ("parallel_tool_calls", "yes"), ("tool_choice", {"type": "mcp"}), ("tool_choice", "f"), ("prompt", "beside"),
        ("input", "beside"),
    ],
)  # fmt: skip
def test_a_number_that_nobody_needs_is_not_known(name: str, value: Any) -> None:
    """And neither is a value of another kind; our own engine may take it."""
    request = chat(user("hi"), **{name: value})

    assert name == str(request.unknown).partition(".")[0]


@pytest.mark.parametrize(
    ("endpoint", "name", "value", "is_known"),
    [
        ("completions", "prompt", "a", True),
        ("completions", "prompt", ["a"] * PROMPTS_LIMIT, True),
        ("completions", "prompt", ["a"] * (PROMPTS_LIMIT + 1), False),
        ("completions", "prompt", [[1, 2]] * (PROMPTS_LIMIT + 1), False),
        ("completions", "prompt", list(range(5000)), True),  # one prompt, as token ids
        ("completions", "prompt", [[2**40]], False),
        ("completions", "prompt", [-1], False),
        ("embeddings", "input", ["a"] * INPUTS_LIMIT, True),
        ("embeddings", "input", ["a"] * (INPUTS_LIMIT + 1), False),
    ],
    ids=lambda value: str(value)[:30],
)
def test_prompts_are_few_and_token_ids_those_of_a_vocabulary(
    endpoint: str, name: str, value: Any, is_known: bool
) -> None:
    assert (None if is_known else name) == read_request(endpoint, json.dumps({name: value}).encode()).unknown


def test_prompts_times_answers_are_few() -> None:
    asked = {"prompt": ["a"] * 4, "n": PROMPTS_LIMIT // 4}

    assert None is read_request("completions", json.dumps(asked).encode()).unknown
    assert "n" == read_request("completions", json.dumps({**asked, "n": PROMPTS_LIMIT}).encode()).unknown


def test_a_body_larger_than_a_delegation_stays_here() -> None:
    """In bytes or in values: a peer would refuse it."""
    assert "size" == chat(user("x" * BODY_LIMIT_BYTES)).unknown
    assert "size" == chat(user([{"type": "text", "text": "x"}] * (VALUES_LIMIT // 5))).unknown
    assert None is chat(user([{"type": "text", "text": "x"}] * (VALUES_LIMIT // 6))).unknown
