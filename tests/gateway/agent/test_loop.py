"""What follows from what a model said, whatever it said."""

import json
import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.agent.loop import Call, Finish, HandOver, InForm, Loop, Run, Said
from gateway.agent.parts import Result, Tool
from gateway.wire.codec import read_fields, write_fields

OURS = [Tool(name, "does it", {"type": "object"}) for name in ("sum", "search__find")]
THEIRS = {"type": "function", "function": {"name": "weather", "parameters": {}}}
NAMES = ("sum", "search__find", "weather", "own__sum", "rm", "")


def loop_of(steps: int = 8, **body: object) -> Loop:
    fields = {"model": "m", "messages": [{"role": "user", "content": "?"}], **body}
    return Loop(read_fields(msgspec.json.encode(fields)), OURS, steps)


def asked(loop: Loop) -> dict:
    return json.loads(b"".join(write_fields(loop.ask())))


CALL = st.builds(
    Call, st.sampled_from(["", "a", "b"]), st.sampled_from(NAMES), st.sampled_from(["", "{}", "{", '{"a":1}'])
)
SAID = st.builds(Said, st.sampled_from(["", "words"]), st.lists(CALL, max_size=4).map(tuple))


@settings(max_examples=200, deadline=None)
@given(st.lists(SAID, min_size=10, max_size=10), st.integers(1, 6), st.booleans(), st.booleans())
def test_it_always_ends_and_never_tells_what_is_the_agents(
    script: list[Said], steps: int, has_theirs: bool, has_form: bool
) -> None:
    """Whatever a model says: so many steps at most, and what goes out are calls of the client's own tools alone."""
    body: dict[str, object] = {"tools": [THEIRS]} if has_theirs else {}
    loop = loop_of(steps, **body, **({"response_format": {"type": "json_object"}} if has_form else {}))
    first = asked(loop)

    for step, said in enumerate(script):
        assert step <= steps  # one more where a form was asked for
        following = loop.hear(said)
        if isinstance(following, Finish):
            break
        if isinstance(following, HandOver):
            assert has_theirs and {"weather"} == {call.name for call in following.calls}
            break
        if isinstance(following, Run):
            assert {name for _, name, _ in following.calls} <= {tool.name for tool in OURS}
            calls = [*(call for call, _, _ in following.calls), *(call for call, _ in following.refused)]
            assert len(calls) == len({call.id for call in calls}) == len(said.calls)
            loop.hear_results([(call, Result("done")) for call in calls])
        assert isinstance(following, Run | InForm)
        body_now = asked(loop)
        assert body_now.get("tools", first["tools"]) == first["tools"]
        assert body_now["messages"][0] == first["messages"][0]
    else:
        raise AssertionError("it did not end")


def test_every_call_has_its_result_in_the_history() -> None:
    """Templates of some models raise where a call has none."""
    loop = loop_of()
    following = loop.hear(Said("", (Call("a", "sum", "{}"), Call("a", "rm", "{}"), Call("", "sum", "{"))))
    assert isinstance(following, Run)

    results = [(call, Result("x")) for call, _, _ in following.calls] + list(following.refused)
    random.Random(1).shuffle(results)
    loop.hear_results(results)

    assistant, *told = asked(loop)["messages"][1:]
    assert {call["id"] for call in assistant["tool_calls"]} == {message["tool_call_id"] for message in told}


def test_a_bound_that_is_used_up_ends_the_answer() -> None:
    loop = loop_of(max_tokens=3)

    assert Finish("length") == loop.hear(Said("a b c", (Call("a", "sum", "{}"),), tokens=3))


def test_messages_keep_their_exact_bytes() -> None:
    body = b'{"model":"m","messages":[{"role":"user",  "content":"\\u00e4", "x": 1.50}]}'

    written = b"".join(write_fields(Loop(read_fields(body), OURS, 8).ask()))

    assert b'{"role":"user",  "content":"\\u00e4", "x": 1.50}' in written
