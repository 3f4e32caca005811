"""What is read from a body, and how a wrong one is told."""

import json
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gateway.privacy.fields import delegation, may_travel
from gateway.wire.errors import InvalidRequest
from gateway.wire.reading.prompt import SESSION_CHARS
from gateway.wire.request import Request, encode_request, read_request
from gateway.wire.tokens import asking_for_usage

HELLO = {"messages": [{"role": "user", "content": "hi"}]}


def sent_as(request: Request, model: str) -> bytes:
    return b"".join(encode_request(request, model))


def body(**fields: object) -> bytes:
    return json.dumps({**HELLO, **fields}).encode()


@pytest.mark.parametrize(
    ("raw", "param", "code", "says"),
    [
        (b"{oops", None, "invalid_json", "not valid JSON"),
        (b"", None, "invalid_json", "not valid JSON"),
        (b"[]", None, None, "Expected `object`"),
        (b"{}", "messages", None, "missing required field"),
        (body(messages=[]), "messages", None, "is empty"),
        (body(messages="hi"), "messages", None, "Expected `array`"),
        (body(messages=[{"role": 1}]), "messages[0].role", None, "Expected `str`"),
        (body(messages=[{"role": "user", "content": 5}]), "messages[0].content", None, "Expected `str | array | null`"),
        (body(temperature="hot"), "temperature", None, "Expected `float | null`"),
        (body(stream="yes"), "stream", None, "Expected `bool | null`"),
        (body(model=5), "model", None, "Expected `str | null`"),
    ],
)
def test_a_wrong_body_is_named_by_its_field(raw: bytes, param: str | None, code: str | None, says: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request("chat/completions", raw)

    assert (400, param, code) == (caught.value.status, caught.value.param, caught.value.code)
    assert says in caught.value.message


def test_no_model_means_auto() -> None:
    assert "auto" == read_request("chat/completions", body()).model


def test_max_completion_tokens_is_max_tokens() -> None:
    assert 5 == read_request("chat/completions", body(max_completion_tokens=5)).max_tokens


def test_the_routed_text_is_what_the_user_said() -> None:
    turns = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "answer"},
        {"role": "user", "content": [{"type": "text", "text": "second"}]},
    ]

    call = read_request("chat/completions", body(messages=turns))

    assert ("second", ("first",), "be brief", ()) == (call.text, call.earlier, call.setting, call.tools)


def test_the_names_of_tools_are_read_and_outer_blanks_are_not() -> None:
    tools = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("read_file", "shell")]

    call = read_request("chat/completions", body(tools=tools, messages=[{"role": "user", "content": "\n why?  "}]))

    assert (("read_file", "shell"), "why?") == (call.tools, call.text)
    assert (64, ()) == (
        len(read_request("chat/completions", body(tools=tools * 60)).tools),
        read_request("chat/completions", body(tools=[{"type": "web_search", "name": 5}])).tools,
    )


def test_the_newest_turns_are_read_and_of_a_long_one_both_ends() -> None:
    turns = [{"role": "user", "content": f"turn {n}"} for n in range(20)]

    call = read_request("chat/completions", body(messages=[*turns, {"role": "user", "content": "a" * 9000 + "why?"}]))

    assert ("turn 19", "turn 18", "turn 17", "turn 16", "turn 15") == call.earlier
    assert (call.text[:500], call.text[-4:]) == ("a" * 500, "why?")
    assert len(call.text) <= 1001


def test_parts_and_tools_become_needs() -> None:
    parts = [{"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": {"url": "data:x"}}]

    call = read_request(
        "chat/completions", body(messages=[{"role": "user", "content": parts}], tools=[{"type": "function"}])
    )

    assert {"text", "image", "tools"} == call.needs
    assert call.prompt_tokens > 1000


def test_a_conversation_keeps_its_session() -> None:
    opening = [{"role": "system", "content": "s"}, {"role": "user", "content": "one"}]
    later = [*opening, {"role": "assistant", "content": "a"}, {"role": "user", "content": "two"}]

    first, second = (read_request("chat/completions", body(messages=turns)) for turns in (opening, later))

    assert first.session == second.session
    assert first.session != read_request("chat/completions", body()).session
    assert "mine" == read_request("chat/completions", body(), session="mine").session


def test_a_request_that_is_printed_shows_no_word_of_it() -> None:
    """As in the words of an error."""
    assert "canary" not in repr(
        read_request("chat/completions", body(messages=[{"role": "user", "content": "canary"}]))
    )


def test_a_request_in_which_nothing_changes_is_sent_byte_for_byte() -> None:
    raw = b' {"model" : "m","messages":[{"role":"user","content":"hi"}], "x": 1.50, "x": 2 } '

    assert raw == sent_as(read_request("chat/completions", raw), "m")


def test_rewriting_the_model_keeps_every_other_byte() -> None:
    raw = b'{"model" : "auto", "prompt":"hi", "x": [1, 2.50], "y":{"b" : 1e2}, "s":"\\u00e9"}'

    sent = sent_as(read_request("completions", raw), "m")

    assert b'{"model":"m","prompt":"hi","x":[1, 2.50],"y":{"b" : 1e2},"s":"\\u00e9"}' == sent


@pytest.mark.parametrize("model", ["m", "n"])
def test_of_a_field_that_stands_twice_the_last_is_read_and_sent(model: str) -> None:
    """JSON does not say which one counts; whoever decodes what we send on must see what we routed by."""
    raw = (
        b'{"model":"a","stream":true,"messages":[{"role":"user","content":"first"}],"model":"m",'
        b'"messages":[{"role":"user","content":"no","content":"second"}],"stream":false}'
    )
    request = read_request("chat/completions", raw)

    sent = json.loads(sent_as(request, model))

    assert ("m", "second", False) == (request.model, request.text, request.stream)
    assert (model, [{"role": "user", "content": "second"}], False) == (
        sent["model"],
        sent["messages"],
        sent["stream"],
    )


def test_a_part_of_a_larger_message_is_written_anew() -> None:
    """Its bytes may hold a field twice, of which only one was judged."""
    outer = msgspec.json.decode(b'{"body":{"prompt":"hi","n":9,"n":1,"model":"m"}}', type=dict[str, msgspec.Raw])

    assert b'{"prompt":"hi","n":1,"model":"m"}' == sent_as(read_request("completions", outer["body"]), "m")


def test_a_body_is_decoded_once_and_its_fields_are_parts_of_it() -> None:
    """What travels, what asks for usage and what renames take the fields as they are: these hold no JSON at all."""
    whole = read_request("chat/completions", body(stream=True))
    unread = {"messages": msgspec.Raw(b"nor these")}
    request = whole.changed({**whole.fields, **unread}, unread)

    travel = may_travel(request, trusted=True)

    assert b'"messages":nor these' in sent_as(request, "m")
    assert b'"messages":nor these' in b"".join(delegation("chat/completions", "a", "m", travel))


def decoding(work: Callable[[], object]) -> int:
    """How often `work` runs a decoder over anything."""
    calls: list[str] = []

    def watch(frame: object, event: str, called: object) -> None:
        if event == "c_call" and isinstance(getattr(called, "__self__", None), msgspec.json.Decoder):
            calls.append(called.__name__)  # type: ignore[attr-defined]

    sys.setprofile(watch)
    try:
        work()
    finally:
        sys.setprofile(None)
    return len(calls)


@pytest.mark.parametrize("stream", [False, True])
def test_what_our_own_engine_gets_was_read_once(stream: bool) -> None:
    """Also where it is asked for its usage: what is ours stands at the end of what came."""
    raw = body(model="m", stream=stream)

    assert 1 == decoding(lambda: sent_as(asking_for_usage(read_request("chat/completions", raw)), "m"))


def test_what_travels_or_has_another_model_was_read_twice() -> None:
    """Once for what it asks, once for where its fields begin and end."""

    def work() -> None:
        request = asking_for_usage(read_request("chat/completions", body(stream=True)))
        may_travel(request, trusted=True)
        may_travel(request, trusted=False)
        sent_as(request, "m")

    assert 2 == decoding(work)


def test_an_image_is_never_copied() -> None:
    """It stays a part of the body, also on its way to an engine or a peer."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * (1 << 20)}}
    raw = body(messages=[{"role": "user", "content": [{"type": "text", "text": "what is it?"}, image]}])

    tracemalloc.start()
    try:
        request = read_request("chat/completions", raw)
        travel = may_travel(request, trusted=True)
        sent = [*encode_request(request, "m"), *delegation("chat/completions", "a", "m", travel)]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 1 << 19  # slices of it are looked at
    assert 2 == sum(len(piece) > 1 << 20 for piece in sent)


def test_a_body_nested_without_end_is_the_clients_mistake() -> None:
    nested = b'{"messages":[{"role":"user","content":"hi"}],"x":' + b"[" * 5000 + b"]" * 5000 + b"}"

    with pytest.raises(InvalidRequest, match="not valid JSON"):
        read_request("chat/completions", nested)


@pytest.mark.parametrize("prompt", ["once upon", ["once", "upon"], [1, 2, 3], [[1, 2], [3]]])
def test_completions_take_every_prompt_form(prompt: object) -> None:
    assert "completions" == read_request("completions", json.dumps({"prompt": prompt}).encode()).endpoint


def test_lengths_may_be_written_as_some_languages_write_them_and_stay_within_what_arrays_hold() -> None:
    assert 100 == read_request("chat/completions", body(max_tokens=100.0)).max_tokens
    assert 2**31 == read_request("chat/completions", body(max_tokens=1e300)).max_tokens
    assert (0, 0) == tuple(read_request("chat/completions", body(max_tokens=n)).max_tokens for n in (0.5, 0))
    assert read_request("chat/completions", body(max_tokens=-1)).max_tokens is None  # no bound


def test_tools_that_may_not_be_used_need_none() -> None:
    tools = [{"type": "function", "function": {"name": "look"}}]

    needs = [read_request("chat/completions", body(tools=tools, tool_choice=c)).needs for c in ("none", "auto", None)]

    assert [frozenset({"text"}), {"text", "tools"}, {"text", "tools"}] == needs


def test_a_long_name_of_a_conversation_is_remembered_by_its_hash() -> None:
    """Thousands are remembered, and an application may send megabytes."""
    sessions = [read_request("chat/completions", body(user=end + "x" * 1_000_000)).session for end in "aab"]

    assert sessions[0] == sessions[1] != sessions[2]
    assert SESSION_CHARS > len(sessions[0])
    assert SESSION_CHARS > len(read_request("chat/completions", body(), session="x" * 60_000).session)


def test_a_user_s_number_names_a_session() -> None:
    assert "123" == read_request("chat/completions", body(user=123)).session


def test_the_middle_of_a_huge_opening_does_not_identify_it() -> None:
    """A conversation is named by what opens it, without hashing megabytes."""
    sessions = {
        read_request(
            "chat/completions", body(messages=[{"role": "user", "content": start + "x" * 200_000 + end}])
        ).session
        for start, end in (("a", "b"), ("a", "c"), ("d", "b"), ("a", "b"))
    }

    assert 3 == len(sessions)


@pytest.mark.parametrize("endpoint", ["responses", "messages"])
def test_what_only_our_engine_is_asked_keeps_its_fields_too(endpoint: str) -> None:
    raw = b'{"model":"auto","messages":[{"role":"user","content":"hi"}],"input":"hi","x":1.50}'

    sent = sent_as(read_request(endpoint, raw), "m")

    assert b'{"model":"m","messages":[{"role":"user","content":"hi"}],"input":"hi","x":1.50}' == sent


@pytest.mark.parametrize(("endpoint", "field"), [("responses", "input"), ("messages", "messages")])
def test_a_conversation_of_the_other_apis_keeps_its_session_too(endpoint: str, field: str) -> None:
    """What its turns say counts, and not an image in them."""

    def asked(opening: str, *later: str) -> Request:
        parts = [{"type": "image", "source": {"data": "A" * 9000}}, {"type": "text", "text": opening}]
        turns = [{"role": "user", "content": parts}, *({"role": "user", "content": text} for text in later)]
        return read_request(endpoint, json.dumps({field: turns, "max_tokens": 9}).encode())

    first, second, other = asked("a" * 5000), asked("a" * 5000, "and then?"), asked("b" * 5000)

    assert first.session == second.session != other.session
    assert 2200 < first.prompt_tokens < second.prompt_tokens < first.prompt_tokens + 10 < 2500


FUNCTION = {"type": "function", "name": "f", "parameters": {}}
ANTHROPIC = {"name": "f", "input_schema": {}}


@pytest.mark.parametrize(
    ("endpoint", "fields", "needs_tools"),
    [
        ("responses", {"tools": [FUNCTION]}, True),
        ("responses", {"tools": [{"type": "web_search"}, {"type": "custom", "name": "f"}]}, True),
        ("responses", {"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "f"}}, True),
        ("messages", {"tools": [ANTHROPIC]}, True),
        ("messages", {"tools": [ANTHROPIC], "tool_choice": {"type": "any"}}, True),
        ("responses", {"tools": [FUNCTION], "tool_choice": "none"}, False),  # as in an agent's last turn
        ("messages", {"tools": [ANTHROPIC], "tool_choice": {"type": "none"}}, False),
        ("responses", {"tools": [{"type": "web_search"}]}, False),  # the engine's own
        ("messages", {"tools": []}, False),
        ("messages", {"tools": None}, False),
        ("messages", {"tools": "mine"}, False),  # the engine says what is wrong with it
        ("messages", {"tools": [{"type": {}}]}, False),
        ("messages/count_tokens", {"tools": [ANTHROPIC]}, False),  # none is called
    ],
)
def test_a_program_s_tools_are_a_need_by_every_api(endpoint: str, fields: dict[str, Any], needs_tools: bool) -> None:
    body = {"input": "hi", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, **fields}

    assert needs_tools == ("tools" in read_request(endpoint, json.dumps(body).encode()).needs)


@pytest.mark.parametrize(
    "said",
    [
        {}, {"stream": True}, {"model": None}, {"model": ""}, {"max_tokens": 9}, {"max_tokens": -1},
        {"max_completion_tokens": 7, "max_tokens": 9}, {"temperature": 0.5, "stop": ["x"], "seed": 1},
    ],
)  # fmt: skip
@pytest.mark.parametrize("seldom", [{"n": 1}, {"tools": []}, {"user": ""}, {"stream_options": {}}, {"models": []}])
def test_a_chat_that_says_what_others_leave_unsaid_asks_the_same(said: dict[str, Any], seldom: dict[str, Any]) -> None:
    plain = read_request("chat/completions", body(messages=[{"role": "user", "content": "Why?"}], **said), "s1")
    other = read_request(
        "chat/completions", body(messages=[{"role": "user", "content": "Why?"}], **said, **seldom), "s1"
    )

    for name in set(plain.__struct_fields__) - {"content", "prompt"}:
        assert getattr(plain, name) == getattr(other, name), name
    assert (plain.prompt_tokens, plain.session) == (other.prompt_tokens, other.session)
