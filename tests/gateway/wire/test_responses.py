"""Responses, read once: what is asked, the setting, tools and their results, images, session, tokens, limits."""

import json
from typing import Any

import pytest

from gateway.wire.errors import InvalidRequest
from gateway.wire.request import Request, read_request

PIXELS = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 9000}
CALL = {"type": "function_call", "call_id": "c", "name": "read_file", "arguments": '{"path": "a.py"}'}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "print(1)"}
TOOL = {"type": "function", "name": "read_file", "parameters": {}}


def asked(**fields: Any) -> Request:
    return read_request("responses", json.dumps({"model": "auto", "input": "hi", **fields}).encode())


def user(*content: Any) -> dict[str, Any]:
    return {
        "role": "user",
        "content": [{"type": "input_text", "text": c} if isinstance(c, str) else c for c in content],
    }


@pytest.mark.parametrize("also", [{}, {"background": True}], ids=["known", "not known"])
def test_what_is_asked_is_what_the_user_said_last(also: dict[str, Any]) -> None:
    """Whether or not the body is known to its leaves."""
    items = [{"role": "developer", "content": "use tabs"}, user("read a.py"), CALL, RESULT, user("and fix it")]
    unknown = {"input": [*items, {"type": "web_search_call", "id": "w"}]} if also else {"input": items}

    request = asked(**unknown, instructions="be kind", tools=[TOOL])

    assert ("and fix it", ("read a.py",)) == (request.text, request.earlier)
    assert ("be kind\nuse tabs", ("read_file",)) == (request.setting, request.tools)
    assert {"text", "tools"} == request.needs
    assert bool(also) == bool(request.unknown)


def test_a_text_alone_is_what_the_user_says() -> None:
    assert "hi" == asked().text


def test_an_image_counts_as_one_and_is_needed_wherever_it_stands() -> None:
    shown = asked(input=[user("what?", PIXELS)])
    returned = asked(input=[user("what?"), CALL, {**RESULT, "output": [PIXELS]}])

    for request in (shown, returned):
        assert "image" in request.needs
        assert 1000 < request.prompt_tokens < 1100


def test_results_of_tools_and_tools_count_as_prompt() -> None:
    words = "word " * 1000

    assert 900 < asked(input=[user("read"), CALL, {**RESULT, "output": words}]).prompt_tokens < 1500
    assert 900 < asked(tools=[{**TOOL, "description": words}]).prompt_tokens < 1500


def test_a_conversation_is_named_by_the_client_or_by_how_it_opens() -> None:
    first, second = asked(input=[user("a")]), asked(input=[user("a"), CALL, RESULT, user("b")])

    assert first.session == second.session != asked(input=[user("other")]).session
    assert "thread-1" == asked(prompt_cache_key="thread-1", user="alice").session


@pytest.mark.parametrize(("said", "limit"), [({}, None), ({"max_output_tokens": 9}, 9), ({"max_output_tokens": 0}, 0)])
def test_its_limit(said: dict[str, Any], limit: int | None) -> None:
    assert limit == (asked(**said).max_tokens if said else asked().max_tokens)


def test_items_out_of_order_are_read_as_they_come() -> None:
    """A result without its call, a thought first: the engine judges it, and nothing is lost."""
    items = [RESULT, {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}, user("go on"), CALL]

    request = asked(input=items)

    assert ("go on", None) == (request.text, request.unknown)


def test_a_body_of_another_api_is_told_its_path() -> None:
    with pytest.raises(InvalidRequest, match="/v1/messages"):
        read_request("responses", b'{"messages":[{"role":"user","content":"hi"}]}')
