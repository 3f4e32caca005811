"""Messages, read once: what is asked, the setting, tools and their results, images, session, tokens, limits."""

import json
from typing import Any

import pytest

from gateway.wire.errors import InvalidRequest
from gateway.wire.request import Request, read_request

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 9000}}
CALL = {"type": "tool_use", "id": "t", "name": "read_file", "input": {"path": "a.py"}}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "print(1)"}
TOOL = {"name": "read_file", "input_schema": {}}
HI = [{"role": "user", "content": "hi"}]


def asked(endpoint: str = "messages", **fields: Any) -> Request:
    return read_request(endpoint, json.dumps({"model": "auto", "messages": HI, "max_tokens": 9, **fields}).encode())


def said(role: str, *blocks: Any) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": b} if isinstance(b, str) else b for b in blocks]}


@pytest.mark.parametrize("document", [(), ({"type": "document", "source": {}},)], ids=["known", "not known"])
def test_what_is_asked_is_what_the_user_said_last(document: tuple[Any, ...]) -> None:
    """A result of a tool is in the user's turn, and not said by the user."""
    turns = [said("user", "read a.py", *document), said("assistant", CALL), said("user", RESULT)]

    request = asked(messages=turns, system=[{"type": "text", "text": "be kind"}], tools=[TOOL])

    assert ("read a.py", ()) == (request.text, request.earlier)
    assert ("be kind", ("read_file",)) == (request.setting, request.tools)
    assert bool(document) == bool(request.unknown) == ("file" in request.needs)


def test_words_beside_a_result_are_the_users() -> None:
    assert "go on" == asked(messages=[*HI, said("assistant", CALL), said("user", RESULT, "go on")]).text


@pytest.mark.parametrize("turn", [said("user", "what?", IMAGE), said("user", {**RESULT, "content": [IMAGE]})], ids=str)
def test_an_image_counts_as_one_and_is_needed_wherever_it_stands(turn: dict[str, Any]) -> None:
    request = asked(messages=[turn])

    assert ("image" in request.needs, None) == (True, request.unknown)
    assert 1000 < request.prompt_tokens < 1100


@pytest.mark.parametrize(("choice", "needed"), [({"type": "auto"}, True), ({"type": "none"}, False)])
def test_tools_are_needed_unless_none_may_be_called(choice: dict[str, str], needed: bool) -> None:
    assert needed == ("tools" in asked(tools=[TOOL], tool_choice=choice).needs)


def test_counting_asks_for_a_number_and_no_stream() -> None:
    request = asked("messages/count_tokens", stream=True, tools=[TOOL])

    assert (False, 1, frozenset({"text"})) == (request.stream, request.max_tokens, request.needs)


def test_a_conversation_is_named_by_how_it_opens() -> None:
    longer = asked(messages=[*HI, said("assistant", "yes?"), said("user", "and?")])

    assert asked().session == longer.session != asked(system="other").session


def test_a_body_of_another_api_is_told_its_path() -> None:
    with pytest.raises(InvalidRequest, match="/v1/responses"):
        read_request("messages", b'{"input":"hi"}')
