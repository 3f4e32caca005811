"""Where an answer comes from: in annotations as the SDK reads them, and in a last line, once, before the end."""

import json
from typing import Any

import msgspec
import pytest
from openai.types.chat import ChatCompletion
from openai.types.chat.chat_completion_message import Annotation

from gateway.agent.citing import NOT_FROM_DOCUMENTS, NamedStream, Sources, fixes_form, named_whole
from gateway.agent.parts import Passage
from gateway.wire.codec import raw
from gateway.wire.events import DONE, Event, EventSplitter
from tests.gateway.agent.engine import STREAM, WHOLE, WORDS, chunk

HOLIDAYS = Passage("hand book.md", "Holidays > Rest", "30 days.", 0.8)
SICK = Passage("hand book.md", "", "Call in.", 0.7)
CITED = Sources("librarian", (HOLIDAYS, HOLIDAYS, SICK), True)
LINE = "\n\nSources: hand book.md, Holidays > Rest; hand book.md"
URLS = ["ppai:librarian/hand%20book.md#Holidays%20%3E%20Rest", "ppai:librarian/hand%20book.md"]


def passed(sources: Sources, *pieces: bytes) -> list[Any]:
    named, splitter = NamedStream("librarian", sources), EventSplitter()
    events = [event for piece in pieces for event in splitter.feed(piece)]
    return [json.loads(one.data) for event in events if not event.is_done for one in named.passed(event)]


def text_of(chunks: list[Any], index: int = 0) -> str:
    choices = [choice for one in chunks for choice in one["choices"] if choice["index"] == index]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def test_a_whole_answer_has_its_line_and_an_annotation_a_place() -> None:
    answer = ChatCompletion.model_validate(
        {**json.loads(named_whole(msgspec.json.encode(WHOLE), "librarian", CITED)), "created": 1}
    )

    message = answer.choices[0].message
    assert f"one two{LINE}" == message.content
    assert URLS == [note.url_citation.url for note in message.annotations or ()]
    spans = [(note.url_citation.start_index, note.url_citation.end_index) for note in message.annotations or ()]
    assert ["hand book.md, Holidays > Rest", "hand book.md"] == [message.content[begin:end] for begin, end in spans]
    assert ("librarian", 9) == (answer.model, answer.usage and answer.usage.total_tokens)


def test_a_stream_has_both_in_one_chunk_before_its_end() -> None:
    chunks = passed(CITED, *STREAM)

    assert f"one two{LINE}" == text_of(chunks)
    noted = [one for one in chunks if any("annotations" in choice["delta"] for choice in one["choices"])]
    assert [chunks[-2]] == noted
    notes = [Annotation.model_validate(note) for note in noted[0]["choices"][0]["delta"]["annotations"]]
    assert URLS == [note.url_citation.url for note in notes]
    begin, end = notes[0].url_citation.start_index, notes[0].url_citation.end_index
    assert "hand book.md, Holidays > Rest" == f"one two{LINE}"[begin:end]
    assert ["stop"] == [c["finish_reason"] for one in chunks for c in one["choices"] if c["finish_reason"]]
    assert {"librarian"} == {one["model"] for one in chunks}
    assert {"from_documents": True} == noted[0]["ppai"]


@pytest.mark.parametrize(
    ("sources", "line", "noted"),
    [
        (Sources("a", (), None), "", False),
        (Sources("a", (), False), f"\n\n{NOT_FROM_DOCUMENTS}", False),
        (Sources("a", (), False, has_line=False), "", False),
        (Sources("a", (SICK,), True), "\n\nSource: hand book.md", True),
        (Sources("a", (SICK,), True, has_line=False), "", True),
        (Sources("a", (SICK,), True, has_line=False, has_annotations=False), "", False),
    ],
)
def test_whole_and_streamed_say_the_same(sources: Sources, line: str, noted: bool) -> None:
    whole = json.loads(named_whole(msgspec.json.encode(WHOLE), "a", sources))
    chunks = passed(sources, *STREAM)

    message = whole["choices"][0]["message"]
    assert (f"one two{line}", noted) == (message["content"], "annotations" in message)
    assert (f"one two{line}", noted) == (text_of(chunks), '"annotations"' in json.dumps(chunks))
    told = None if sources.is_from_documents is None else {"from_documents": sources.is_from_documents}
    assert (told, told) == (whole.get("ppai"), next((c["ppai"] for c in chunks if "ppai" in c), None))


def test_every_choice_gets_its_own_and_words_in_the_last_chunk_stay_before_it() -> None:
    chunks = passed(
        Sources("a", (SICK,), True),
        chunk({"content": "left"}), chunk({"content": "right"}, index=1),
        chunk({"content": "!"}, "stop"), chunk({}, "length", index=1), DONE,
    )  # fmt: skip

    assert ["left!\n\nSource: hand book.md", "right\n\nSource: hand book.md"] == [text_of(chunks, n) for n in (0, 1)]
    ends = [choice["index"] for one in chunks for choice in one["choices"] if choice["finish_reason"]]
    assert [0, 1] == ends


def test_a_call_of_a_clients_tool_is_not_cited_and_a_usage_comes_once() -> None:
    call = {"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f", "arguments": "{}"}}]}
    ended = passed(CITED, chunk(call), chunk({}, "tool_calls"))
    usage = passed(CITED, *WORDS, chunk({}, "stop", usage={"total_tokens": 9}))
    whole = {**WHOLE, "choices": [{"index": 0, "message": {"content": None, **call}, "finish_reason": "tool_calls"}]}

    assert "" == text_of(ended)
    assert 1 == sum("usage" in one for one in usage)
    assert None is json.loads(named_whole(msgspec.json.encode(whole), "a", CITED))["choices"][0]["message"]["content"]


@pytest.mark.parametrize("data", [b"not json", b'{"error": {"message": "x"}}', b"[1]"])
def test_what_is_no_chunk_is_passed_as_it_is(data: bytes) -> None:
    event = Event(b"data: " + data + b"\n\n", data)

    assert [event] == NamedStream("a", CITED).passed(event)
    assert data == named_whole(data, "a", CITED)


@pytest.mark.parametrize(
    ("form", "is_fixed"),
    [(None, False), ({"type": "text"}, False), ({"type": "json_object"}, True), ({"type": "json_schema"}, True)],
)
def test_a_form_that_the_client_fixed_has_no_room_for_a_line(form: Any, is_fixed: bool) -> None:
    assert is_fixed == fixes_form({"response_format": raw(form)})
    assert not fixes_form({})
