"""Chunks of engines of all kinds, gathered to what was said and called."""

import msgspec
import pytest

from gateway.agent.hearing import Heard, Usage, heard_whole
from gateway.agent.loop import Call
from gateway.wire.codec import UNREADABLE


def chunk(finish: str | None = None, **delta: object) -> bytes:
    return msgspec.json.encode({"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def piece(index: int | None = None, id: str | None = None, name: str | None = None, arguments: object = None) -> dict:
    function = {key: it for key, it in {"name": name, "arguments": arguments}.items() if it is not None}
    return {key: it for key, it in {"index": index, "id": id, "function": function}.items() if it is not None}


CALLS = {
    "OpenAI: pieces, joined by their index": (
        [[piece(0, "a", "f", "")], [piece(1, "b", "g", "")], [piece(1, arguments='{"y"')], [piece(0, arguments="{}")],
         [piece(1, arguments=": 1}")]],
        [Call("a", "f", "{}"), Call("b", "g", '{"y": 1}')],
    ),
    "all whole, all with index 0, as some servers send them": (
        [[piece(0, "a", "f", "{}")], [piece(0, "b", "f", '{"x":1}')]],
        [Call("a", "f", "{}"), Call("b", "f", '{"x":1}')],
    ),
    "without an index, arguments as an object": (
        [[piece(None, "a", "f", {"x": 1})]], [Call("a", "f", '{"x":1}')],
    ),
    "without an id": ([[piece(0, None, "f", "{}")]], [Call("", "f", "{}")]),
    "the id in every piece": (
        [[piece(0, "a", "f", "{")], [piece(0, "a", None, "}")]], [Call("a", "f", "{}")],
    ),
    "no object at all": ([["oops", {"index": "x", "function": None}]], [Call("", "", "")]),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_calls_are_gathered_from_their_pieces_and_not_passed_on(name: str) -> None:
    pieces, expected = CALLS[name]
    heard = Heard(Usage(), {})

    passed = [heard.chunk(chunk(tool_calls=calls)) for calls in pieces]

    assert (expected, [None] * len(pieces)) == (list(heard.said.calls), passed)


def test_a_chunk_of_words_passes_as_it_came() -> None:
    data = chunk(role="assistant", content="Hi", reasoning_content=None)

    assert Heard(Usage(), {}).chunk(data) is data


def test_words_that_stand_beside_a_call_or_an_end_pass_without_them() -> None:
    heard = Heard(Usage(), {})

    passed = heard.chunk(chunk("stop", content="Hi", tool_calls=[piece(0, "a", "f", "{}")]))

    assert passed is not None
    (choice,) = msgspec.json.decode(passed)["choices"]
    assert ({"content": "Hi"}, None) == (choice["delta"], choice["finish_reason"])


def test_thoughts_pass_too() -> None:
    assert Heard(Usage(), {}).chunk(data := chunk(reasoning_content="hm")) is data


def test_a_later_step_has_the_first_ones_head_and_begins_no_second_message() -> None:
    heard = Heard(Usage(), {"id": "first"}, "\n\n", has_begun=True)

    assert heard.chunk(chunk(role="assistant", content="")) is None
    passed = msgspec.json.decode(heard.chunk(chunk(content="Hi")) or b"")

    assert ("first", {"content": "\n\nHi"}) == (passed["id"], passed["choices"][0]["delta"])


def test_usage_is_added_up_over_steps_and_hostile_counts_are_none() -> None:
    usage = Usage()
    for counts in (
        {"prompt_tokens": 3, "completion_tokens": 2},
        {"prompt_tokens": 4, "completion_tokens": -9},
        "x",
        None,
    ):
        usage.add(counts)

    assert (7, 2) == (usage.counts["prompt_tokens"], usage.counts["completion_tokens"])


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"null", b'"x"'])
def test_what_is_no_chunk_is_unreadable(data: bytes) -> None:
    with pytest.raises(UNREADABLE):
        Heard(Usage(), {}).chunk(data)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": []},
        {"choices": [None]},
        {"choices": [{"message": "x"}]},
        {"choices": [{"message": {"tool_calls": ["x"]}}]},
    ],
)
def test_a_whole_answer_of_another_form_says_nothing(body: dict) -> None:
    said = heard_whole(body, Usage())

    assert ("", ()) == (said.text, said.calls)
