"""What of a body may leave this machine: one test a row of the table in docs/protocol.md."""

import json
import random
import re
from typing import Any

import pytest

from gateway.privacy import fields as table
from gateway.privacy.fields import (
    Travel,
    Unacceptable,
    delegation,
    free_travel,
    is_free,
    may_travel,
    read_delegation,
    who_takes,
)
from gateway.wire.bodies import TURNS, begun_turn
from gateway.wire.errors import InvalidRequest
from gateway.wire.known import MAX_TOKENS_LIMIT, PROMPTS_LIMIT
from gateway.wire.request import encode_request, read_request
from gateway.wire.sampling import NUMBER_LIMIT, SAMPLING
from gateway.wire.tokens import asking_for_usage

MESSAGES = [{"role": "user", "content": "hi"}]
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
DATA_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}

TRAVELS: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "be brief"},
        *MESSAGES,
        {"role": "assistant", "content": None, "refusal": None, "audio": None, "annotations": [], "tool_calls": [CALL]},
        {"role": "tool", "content": "5", "tool_call_id": "c"},
    ],
    "prompt": "once upon",
    "input": ["one", "two"],
    "model": "m",
    "stream": True,
    "stream_options": {"include_usage": True},
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"$ref": "#/d", "d": {"x": [1, 2.5]}}}}],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "temperature": 0.5,
    "top_p": 0.9,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "seed": 7,
    "stop": ["\n"],
    "logprobs": True,
    "top_logprobs": 2,
    "max_tokens": MAX_TOKENS_LIMIT,
    "max_completion_tokens": 1,
    "reasoning_effort": "low",
    "encoding_format": "base64",
    "dimensions": 64,
    "n": 1,
}
DROPPED: dict[str, Any] = {
    "user": "alice",
    "metadata": {"ticket": "4711"},
    "store": True,
    "service_tier": "default",
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "models": ["qwen3-8b", "auto"],
    "prompt_cache_retention": "24h",
    "prediction": {"type": "content", "content": "def f():"},
    "cache_prompt": True,
    "id_slot": 3,
    "keep_alive": "5m",
    "priority": -1,
    "request_id": "alice-1",
    "rid": "alice-1",
}
DEFAULTS: dict[str, list[Any]] = {  # what says nothing; another value of the same field
    "best_of": [1, 2],
    "echo": [False, True],
    "logit_bias": [{}, {"5": "many"}],
    "modalities": [["text"], ["text", "audio"]],
    "use_beam_search": [False, True],
    "background": [False, True],
}
SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}}
TRUSTED: dict[str, Any] = {  # but for plain numbers and switches
    "response_format": {"type": "json_object"},
    "verbosity": "low",
    "think": "high",
    "reasoning_format": "none",
    "reasoning": {"effort": "low", "max_tokens": 100, "enabled": None},
    "thinking": {"type": "enabled", "budget_tokens": 100},
    "n_probs": 5,
    "logit_bias": {"5": -100, "17": 1.5},
    "stop_token_ids": [1, 2],
    "allowed_token_ids": [1, 2],
    "bad_words": ["no"],
    "dry_sequence_breakers": ["\n", ":"],
    "structured_outputs": {"json": SCHEMA, "regex": None, "disable_any_whitespace": True},
    "chat_template_kwargs": {"enable_thinking": False, "effort": "low", "builtin_tools": ["search"], "x": None},
    "guided_json": SCHEMA,
    "json_schema": SCHEMA,
    "guided_regex": "a+",
    "guided_grammar": "root ::= x",
    "regex": "a+",
    "ebnf": "root ::= x",
    "grammar": "root ::= x",
    "structural_tag": "{}",
    "guided_choice": ["yes", "no"],
}
PLAIN = sorted(SAMPLING - TRUSTED.keys())  # each is a number, or true or false
PINS: dict[str, tuple[Any, str]] = {
    "n": (PROMPTS_LIMIT + 1, "n"),
    "max_tokens": (MAX_TOKENS_LIMIT + 1, "max_tokens"),
    "max_completion_tokens": (MAX_TOKENS_LIMIT + 1, "max_completion_tokens"),
    "lora_request": ({"path": "/etc"}, "lora_request"),
    "chat_template": ("{{ x }}", "chat_template"),
    "n_predict": (10, "n_predict"),
    "cache_salt": ("s", "cache_salt"),
    "prompt_logprobs": (1, "prompt_logprobs"),
}
PARTS: list[tuple[Any, str | None]] = [
    ({"type": "text", "text": "hi"}, None),
    (DATA_IMAGE, None),
    ({"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest"}}, "messages.image_url"),
    ({"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}, "messages.image_url"),
    ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "messages.image_url"),
    ({"type": "image_url", "image_url": {"url": 7}}, "messages.image_url"),
    ({"type": "image_url", "image_url": {}}, "messages.image_url"),
    ({"type": "image_url", "image_url": "data:image/png;base64,AAAA"}, "messages.image_url"),
    ({"type": "image_url"}, "messages.image_url"),
    ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "messages.input_audio"),
    ({"type": "file", "file": {"file_id": "f"}}, "messages.file"),
    ({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}, "messages.video_url"),
]


ENDPOINTS = {"prompt": "completions", "input": "embeddings"}  # of fields that are no chat's


def travel_of(fields: dict[str, Any], *, trusted: bool = False, endpoint: str = "chat/completions") -> Travel:
    return may_travel(read_request(endpoint, json.dumps(fields).encode()), trusted=trusted)


def pinned_by(fields: dict[str, Any], *, trusted: bool = False) -> str | None:
    return travel_of(fields, trusted=trusted).pinned_by


def refusal_of(fields: dict[str, Any], *, trusted: bool = False) -> str:
    payload = json.dumps({"endpoint": "chat/completions", "agent": "a", "body": fields}).encode()
    with pytest.raises(Unacceptable) as caught:
        read_delegation(payload, trusted=trusted)
    return str(caught.value)


def test_the_table_has_a_row_for_every_field() -> None:
    assert table.TRAVELS == TRAVELS.keys()
    assert table.DROPPED == DROPPED.keys()
    assert table.DEFAULTS == {name: values[0] for name, values in DEFAULTS.items()}
    assert {*TRUSTED, *PLAIN} == table.TRUSTED_ONLY


@pytest.mark.parametrize("name", TRAVELS)
def test_travels_unchanged(name: str) -> None:
    """And the other side takes it."""
    endpoint = ENDPOINTS.get(name, "chat/completions")
    fields = {**({} if name in ENDPOINTS else {"messages": MESSAGES}), name: TRAVELS[name]}
    payload = b"".join(delegation(endpoint, "agent", "m", travel_of(fields, endpoint=endpoint)))

    agent, request = read_delegation(payload, trusted=False)

    assert (endpoint, "agent") == (request.endpoint, agent)
    assert {**fields, "model": "m"} == json.loads(b"".join(encode_request(request, "m")))


@pytest.mark.parametrize("name", DROPPED)
def test_is_dropped(name: str) -> None:
    """And refused where somebody sends it all the same."""
    travel = travel_of({"messages": MESSAGES, name: DROPPED[name]}, trusted=True)

    assert None is travel.pinned_by
    assert {"messages"} == travel.fields.keys()
    assert f"field `{name}` may not travel" == refusal_of({"messages": MESSAGES, name: DROPPED[name]}, trusted=True)


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_default_needs_nothing(name: str) -> None:
    """It is left out, in every network; any other value is judged."""
    default, other = DEFAULTS[name]
    travel = travel_of({"messages": MESSAGES, name: default})

    assert (None, {"messages"}, frozenset()) == (travel.pinned_by, travel.fields.keys(), travel.guarded)
    reason = pinned_by({"messages": MESSAGES, name: other}, trusted=True)
    assert reason is not None and reason.startswith(f"field:{name}")


@pytest.mark.parametrize("name", PINS)
def test_pins_the_request_here(name: str) -> None:
    """Among the trusted too. And is refused where somebody sends it all the same."""
    value, field = PINS[name]

    assert f"field:{field}" == pinned_by({"messages": MESSAGES, name: value}, trusted=True)
    assert f"field `{field}` may not travel" == refusal_of({"messages": MESSAGES, name: value}, trusted=True)


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_field_of_engines_is_a_number_or_a_switch(name: str) -> None:
    """Within bounds, among the trusted."""
    values = {True: True, 40: False, 0.5: False, -1: False, NUMBER_LIMIT: False}
    travels = [pinned_by({"messages": MESSAGES, name: value}, trusted=True) is None for value in values]

    assert travels in ([*values.values()], [not is_switch for is_switch in values.values()])
    assert f"field:{name}" == pinned_by({"messages": MESSAGES, name: travels[0] or 40})
    for bad in (NUMBER_LIMIT + 1, -NUMBER_LIMIT - 1, "1", [1], {"x": 1}):
        assert f"field `{name}` may not travel" == refusal_of({"messages": MESSAGES, name: bad}, trusted=True)


@pytest.mark.parametrize("name", [*TRUSTED, "n"])
def test_what_asks_more_of_an_engine_travels_among_the_trusted_only(name: str) -> None:
    """Unchanged; and is known as what not every peer takes."""
    fields = {"messages": MESSAGES, name: TRUSTED.get(name, PROMPTS_LIMIT)}
    travel = travel_of(fields, trusted=True)

    _, request = read_delegation(b"".join(delegation("chat/completions", "a", "m", travel)), trusted=True)

    assert {name} == travel.guarded
    assert {**fields, "model": "m"} == json.loads(b"".join(encode_request(request, "m")))
    assert f"field:{name}" == pinned_by(fields)
    assert f"field `{name}` may not travel" == refusal_of(fields)


def test_who_takes_a_field_is_told() -> None:
    assert "not `open`" in who_takes("field:top_k")
    assert "not `open`" in who_takes("field:logit_bias+top_k")
    assert "alone" in who_takes("field:messages.image_url")


@pytest.mark.parametrize(("part", "field"), PARTS, ids=str)
def test_what_an_engine_would_fetch_or_does_not_know_pins(part: Any, field: str | None) -> None:
    """Only words and images inside the body travel; the receiver judges by the same table."""
    fields = {"messages": [*MESSAGES, {"role": "user", "content": [{"type": "text", "text": "look"}, part]}]}

    assert (field and f"field:{field}") == pinned_by(fields)
    if field:
        assert f"field `{field}` may not travel" == refusal_of(fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": MESSAGES, "my secret": 1},
        {"messages": [{"role": "user", "content": [{"type": "my secret", "text": "x"}]}]},
    ],
)
def test_an_invented_name_stands_in_no_reason_and_no_refusal(fields: dict[str, Any]) -> None:
    """It may hold words of a prompt, and reasons go into headers and the route log."""
    assert "secret" not in (pinned_by(fields) or "") + refusal_of(fields)
    assert (pinned_by(fields) or "").endswith("unknown")


def test_a_null_says_nothing() -> None:
    """SDKs send unset options as null: they neither pin nor travel."""
    travel = travel_of({"messages": MESSAGES, "n": None, "response_format": None, "logit_bias": None, "top_k": None})

    assert (None, {"messages"}) == (travel.pinned_by, set(travel.fields))


def test_nothing_travels_of_a_pinned_request() -> None:
    assert {} == travel_of({"messages": MESSAGES, "best_of": 3}, trusted=True).fields


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "not a delegation"),
        (b"[]", "not a delegation"),
        (b'{"endpoint":"chat/completions","agent":"a"}', "not a delegation"),
        (b'{"endpoint":"chat/completions","agent":"a","body":[]}', "Expected `object`"),
        (b'{"endpoint":"chat/completions","agent":"a","body":{},"hops":1}', "not a delegation"),
        (b'{"endpoint":"chat/completions","agent":"\xff","body":{}}', "not a delegation"),
        (b'{"endpoint":"models","agent":"a","body":{}}', "only chat/completions, completions, embeddings, "),
        (b'{"endpoint":"../admin","agent":"a","body":{}}', "only chat/completions, completions, embeddings, "),
        (b'{"endpoint":"chat/completions","agent":"a","body":{}}', "missing required field `messages`"),
        (b'{"endpoint":"completions","agent":"a","body":{"prompt":"x","max_tokens":"many"}}', "`$.max_tokens`"),
        (b'{"endpoint":"completions","agent":"a","body":{"prompt":"x","messages":7}}', "field `messages`"),
    ],
)
def test_a_malformed_delegation_is_unacceptable(payload: bytes, said: str) -> None:
    with pytest.raises(Unacceptable, match=re.escape(said)):
        read_delegation(payload, trusted=True)


@pytest.mark.parametrize(
    ("body", "is_sent_as_it_came"),
    [
        (b'{"messages":[{"role":"user","content":"hi"}],"model":"m","max_tokens":4}', True),
        (b'{"messages":[{"role":"user","content":"hi"}],"model":"m","stop":["a","b"]}', True),
        (b'{"messages":[{"role":"user", "content":"hi"}],"model":"m"}', False),
        (b'{"messages":[{"content":"hi","role":"user"}],"model":"m"}', False),
        (b'{"messages":[{"role":"user","content":"hi"}],"mode\\u006c":"m"}', False),
        (b'{"messages":[{"role":"user","content":"hi"}],"model":"m","stop":null}', False),
    ],
)
def test_what_came_as_we_would_write_it_goes_to_the_engine_as_it_came(body: bytes, is_sent_as_it_came: bool) -> None:
    _, request = read_delegation(b'{"endpoint":"chat/completions","agent":"a","body":%b}' % body, trusted=False)

    sent = b"".join(encode_request(request, "m"))

    assert is_sent_as_it_came == (sent == body) == request.content.is_as_written
    assert {name: value for name, value in json.loads(body).items() if value is not None} == json.loads(sent)


BEGUN = b'{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"I"}],"stream":true}'


def begun(endpoint: bytes, body: bytes, continues: bytes = b"true") -> bytes:
    return b'{"endpoint":"%b","agent":"a","continue":%b,"body":%b}' % (endpoint, continues, body)


def test_an_answer_that_was_begun_is_sent_to_be_gone_on_with() -> None:
    travel = may_travel(read_request("chat/completions", BEGUN), trusted=False)

    agent, request = read_delegation(
        b"".join(delegation("chat/completions", "a", "m", travel, continues=True)), trusted=False
    )
    _, plain = read_delegation(b"".join(delegation("chat/completions", "a", "m", travel)), trusted=False)

    assert ("a", True, False) == (agent, request.continues, plain.continues)
    assert request.fields.keys() == plain.fields.keys()


@pytest.mark.parametrize("endpoint", ["messages", "responses"])
def test_an_answer_of_the_agents_apis_that_was_begun_is_sent_so_too(endpoint: str) -> None:
    bound = "max_tokens" if endpoint == "messages" else "max_output_tokens"
    asked = {TURNS[endpoint]: [*MESSAGES, begun_turn(endpoint, "I")], bound: 9, "stream": True}
    travel = may_travel(read_request(endpoint, json.dumps(asked, separators=(",", ":")).encode()), trusted=False)

    payload = b"".join(delegation(endpoint, "a", "m", travel, continues=True))
    _, request = read_delegation(payload, trusted=False)

    assert request.continues
    for other in (
        payload.replace(b'"assistant"', b'"user"'),
        payload.replace(b'"stream":true', b'"stream":false'),
        payload.replace(b'"incomplete"', b'"completed"').replace(b'"content":"I"', b'"content":""'),
        payload.replace(b'"incomplete"', b"7").replace(b'"content":"I"', b'"content":[]'),
    ):
        with pytest.raises(Unacceptable):
            read_delegation(other, trusted=False)


@pytest.mark.parametrize(
    "payload",
    [
        begun(b"responses", b'{"input":"hi","stream":true}'),
        begun(b"responses", b'{"input":[],"stream":true}'),
        begun(b"messages/count_tokens", b'{"messages":[{"role":"assistant","content":"I"}]}'),
        begun(b"chat/completions", b'{"messages":[{"role":"user","content":"hi"}],"stream":true}'),
        begun(b"chat/completions", BEGUN.replace(b',"stream":true', b"")),
        begun(b"chat/completions", BEGUN.replace(b'"I"', b'""')),
        begun(b"chat/completions", BEGUN.replace(b'"I"', b"null")),
        begun(b"chat/completions", BEGUN.replace(b'"I"', b'[{"type":"text","text":"I"}]')),
        begun(b"chat/completions", BEGUN, b'"yes"'),
        begun(b"completions", b'{"prompt":[1,2],"stream":true}'),
        begun(b"completions", b'{"prompt":"once"}'),
        begun(b"embeddings", b'{"input":"once"}'),
    ],
)
def test_what_was_not_begun_as_text_is_not_gone_on_with(payload: bytes) -> None:
    with pytest.raises(Unacceptable):
        read_delegation(payload, trusted=True)


@pytest.mark.parametrize(
    "messages",
    [
        b'[{"role":"user","content":"hi","name":"\xff"}]',  # no UTF-8 where nobody looks
        b'[{"role":"user","content":"hi","x":' + b"[" * 5000 + b"]" * 5000 + b"}]",  # nested deeper than a parser goes
    ],
    ids=["utf-8", "nesting"],
)
def test_hostile_bytes_inside_messages_are_unacceptable(messages: bytes) -> None:
    """Never an error of another kind: those would be taken for our own bugs."""
    with pytest.raises(Unacceptable):
        read_delegation(
            b'{"endpoint":"chat/completions","agent":"a","body":{"messages":' + messages + b"}}", trusted=True
        )


def test_an_unreadable_message_stays_here() -> None:
    """Our own client's bytes go to our own engine unchanged; what cannot be judged does not travel."""
    body = b'{"messages":[{"role":"user","content":"hi","name":"\xff"}]}'
    request = read_request("chat/completions", body)

    assert ("hi", body) == (request.text, b"".join(encode_request(request, "auto")))
    assert "field:unreadable" == may_travel(request, trusted=True).pinned_by


@pytest.mark.parametrize(
    ("part", "field"),
    [
        (rb'{"type":"image_url","image_url":{"url":"d\u0061ta:image/png;base64,AAAA"}}', None),  # an escape is no trick
        (
            b'{"type":"image_url","image_url":{"url":"' + rb"\u0064\u0061\u0074\u0061" + b':image\\/gif;base64,A"}}',
            None,
        ),
        (rb'{"type":"image_url","image_url":{"url":"\u0068ttp://10.0.0.1/"}}', "messages.image_url"),
        (b'{"type":"text","text":"x","type":"video_url"}', "messages.video_url"),
        (b'{"type":"image_url","image_url":{"url":"DATA:image/png;base64,A"}}', "messages.image_url"),
        (b'{"type":"image_url","image_url":null}', "messages.image_url"),
    ],
)
def test_a_part_is_judged_as_the_engine_will_read_it(part: bytes, field: str | None) -> None:
    """Escapes are read."""
    request = read_request("chat/completions", b'{"messages":[{"role":"user","content":[' + part + b"]}]}")

    assert (field and f"field:{field}") == may_travel(request, trusted=True).pinned_by


def test_a_name_that_somebody_invented_stands_in_no_reason_and_no_refusal() -> None:
    """It may be a word of a prompt; what OpenAI's API and engines call their fields is said, so that a user may act."""
    assert "field:unknown" == pinned_by({"messages": MESSAGES, "my diary": 1})
    assert "field `unknown` may not travel" == refusal_of({"messages": MESSAGES, "my diary": 1})
    assert "field:top_k" == pinned_by({"messages": MESSAGES, "top_k": 1})
    for payload in (
        b'{"endpoint":"my diary","agent":"a","body":{}}',
        b'{"endpoint":"completions","agent":"a","body":{},"my diary":1}',
        b'{"endpoint":"chat/completions","agent":"a","body":{"messages":["my diary"]}}',
        b'{"endpoint":"chat/completions","agent":"a","body":{"messages":[{"role":"my diary"}],"my diary":1}}',
    ):
        with pytest.raises(Unacceptable) as caught:
            read_delegation(payload, trusted=True)
        assert "diary" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b'"prompt":"x","temperature":2,"temperature":1',
        b'"prompt":"x","lora":1,"lora":null',
        b'"messages":null,"prompt":"x","prompt":"y"',
    ],
)
def test_a_field_that_stands_twice_is_refused(body: bytes) -> None:
    """An engine that takes the first of two would be asked for what nobody judged."""
    with pytest.raises(Unacceptable, match="`duplicate` may not travel"):
        read_delegation(b'{"endpoint":"completions","agent":"a","body":{' + body + b"}}", trusted=False)


def test_what_is_null_does_not_reach_an_engine() -> None:
    """Under other spellings of a name either."""
    body = b'{"prompt":"x","api_base":null,"N":null,"user":null}'

    _, request = read_delegation(b'{"endpoint":"completions","agent":"a","body":' + body + b"}", trusted=False)

    assert b'{"prompt":"x","model":"m"}' == b"".join(encode_request(request, "m"))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
        ({"tools": [{"type": "function", "function": {"name": "f", "strict": True}}]}, "tools"),
    ],
)
def test_a_schema_that_an_engine_must_compile_travels_among_the_trusted_only(
    fields: dict[str, Any], field: str
) -> None:
    """As a response_format."""
    asked = {"messages": MESSAGES, "tools": TRAVELS["tools"], **fields}

    assert None is pinned_by(asked, trusted=True)
    assert f"field:{field}" == pinned_by(asked)
    assert f"field `{field}` may not travel" == refusal_of(asked)


def test_messages_beside_a_prompt_stay_here() -> None:
    """No engine reads them there, and nobody has judged them."""
    assert "field:messages" == travel_of({"prompt": "hi", "messages": MESSAGES}, endpoint="completions").pinned_by
    assert travel_of({"prompt": "hi", "messages": None}, endpoint="completions").pinned_by is None


VALUES = [None, 0, 1, 2, -1, 0.5, True, "x", "auto", "low", [], ["a"], [1, 2], {}, {"a": 1}]
WORDS = ["hi", "a: b", "[x]", "é", "\U0001f600", "\udc00", "a/b", '\\u003a "q"', None, [{"type": "text", "text": "hi"}]]
BESIDE: list[dict[str, Any]] = [  # what a turn holds besides
    *[{}] * 5, {"name": "n"}, {"name": None}, {"new": 1}, {"function_call": {"name": "f", "arguments": "{}"}},
]  # fmt: skip
# Each key as it may be written, most often plainly: twice, or escaped.
KEYS = [*['"role"'] * 4, '"role":"system","role"', '"r\\u006fle"'], [*['"name"'] * 4, '"name":"g","name"']


def drawn_body(lots: random.Random) -> bytes:
    """A chat with fields and values drawn by lot, in one of the ways in which programs write."""
    turn = {"role": "user", "content": lots.choice(WORDS), **lots.choice(BESIDE)}
    fields: list[tuple[str, Any]] = [("messages", [turn])]
    names = sorted({*TRAVELS, *DROPPED, *DEFAULTS, "top_k", "response_format", "new"})
    fields += [(lots.choice(names), lots.choice(VALUES)) for _ in range(lots.randrange(3))]
    lots.shuffle(fields)
    comma, colon = lots.choice([(",", ":"), (",", ":"), (", ", ": ")])
    written = (json.dumps(value, separators=(comma, colon), ensure_ascii=lots.random() < 0.3) for _, value in fields)
    body = comma.join(f'"{name}"{colon}{value}' for (name, _), value in zip(fields, written, strict=True))
    for ways in KEYS:
        body = body.replace(ways[0], lots.choice(ways))
    return f"{{{body}}}".encode("utf-8", "surrogatepass")


def test_what_a_look_sets_free_may_travel_whoever_is_trusted() -> None:
    lots, free = random.Random(5), 0
    for _ in range(4000):
        body = drawn_body(lots)
        try:
            request = asking_for_usage(read_request("chat/completions", body))
            if not is_free(request):
                continue
        except InvalidRequest:
            continue
        free += 1
        for trusted in (False, True):
            travel = may_travel(asking_for_usage(read_request("chat/completions", body)), trusted=trusted)
            assert (None, frozenset()) == (travel.pinned_by, travel.guarded), body
            assert travel == free_travel(request) == may_travel(request, trusted=trusted)
    assert free > 200


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model": "m", "max_tokens": 5, "user": "alice", "stream": True}, True),
        ({"n": 1}, False),
        ({"top_k": 5}, False),
        ({"stream_options": {"include_usage": True}}, False),
        ({"stop": ["a"]}, False),
    ],
    ids=str,
)
def test_a_chat_of_texts_as_sdks_write_it_is_set_free_by_a_look(fields: dict[str, Any], expected: bool) -> None:
    body = json.dumps({"messages": MESSAGES, **fields}, separators=(",", ":")).encode()

    assert expected == is_free(read_request("chat/completions", body))
    assert not is_free(read_request("chat/completions", body.replace(b"{", b"{ ", 1)))
    assert not is_free(read_request("chat/completions", body.replace(b"hi", b"h" * (1 << 14))))
