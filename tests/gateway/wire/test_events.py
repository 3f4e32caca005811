"""Whole events only, whatever the chunks."""

from itertools import pairwise
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.events import (
    DONE,
    EVENT_LIMIT_BYTES,
    EventSplitter,
    OversizedEvent,
    calls_tool,
    encode_event,
)

STREAM = (
    b'data: {"a":1}\n\n: keep-alive\n\ndata: {"b":2}\r\n\r\nevent: ping\n\nid: 7\ndata: {"c":3}\n\nretry: 5\n\n' + DONE
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_chunk_boundaries_do_not_matter(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    splitter = EventSplitter()

    events = [event for a, b in pairwise(edges) for event in splitter.feed(STREAM[a:b])]

    assert [b'{"a":1}', b'{"b":2}', b'{"c":3}', b"[DONE]"] == [event.data for event in events]
    assert splitter.is_between


@given(st.lists(st.sampled_from([b"data: x", b"\n", b"\r", b"\r\n", b"\n\n", b": c"]), max_size=16), st.integers(1, 5))
def test_bytes_one_by_one_make_the_blocks_that_they_make_at_once(pieces: list[bytes], step: int) -> None:
    """Whatever line ends meet: a blank line may begin in one chunk and end in the next."""
    sent = b"".join(pieces) + b"\n\n"
    splitter = EventSplitter()

    events = [event for at in range(0, len(sent), step) for event in splitter.feed(sent[at : at + step])]

    assert EventSplitter().feed(sent) == events


def test_a_byte_of_an_unfinished_event_costs_the_same_however_long_the_event_is() -> None:
    """Work follows the bytes that came, not those that are kept."""

    def cost_s(kept_bytes: int) -> float:
        splitter = EventSplitter()
        splitter.feed(b"data: " + b"x" * kept_bytes)
        began = perf_counter()
        for _ in range(2000):
            splitter.feed(b"y")
        return perf_counter() - began

    short, long = (min(cost_s(size) for _ in range(3)) for size in (1_000, 1_000_000))

    assert long < 10 * short  # searching all of it again: 10,000 times


def test_what_breaks_sdks_never_passes() -> None:
    """No `id:`, no event without data, no CRLF, each event ends in exactly one blank line."""
    sent = b"".join(event.raw for event in EventSplitter().feed(STREAM))

    assert b'data: {"a":1}\n\ndata: {"b":2}\n\ndata: {"c":3}\n\ndata: [DONE]\n\n' == sent


def test_common_events_pass_byte_for_byte() -> None:
    raw = b'data: {"x": "\xc3\xa9",  "y":[1 ,2]}\n\n'

    (event,) = EventSplitter().feed(raw)

    assert raw == event.raw


def test_half_an_event_is_kept_back() -> None:
    splitter = EventSplitter()

    assert [] == splitter.feed(b'data: {"a"')
    assert not splitter.is_between


def test_an_endless_event_is_refused() -> None:
    with pytest.raises(OversizedEvent):
        EventSplitter().feed(b"data: " + b"x" * EVENT_LIMIT_BYTES)


@pytest.mark.parametrize("line", [b"data:\n", b": comment\n", b"data: {}\r\n"])
def test_an_event_of_endless_lines_is_refused(line: bytes) -> None:
    """Reading them costs far more than their bytes."""
    with pytest.raises(OversizedEvent):
        EventSplitter().feed(line * 10_000 + b"\n")


def test_an_event_over_the_limit_is_refused_also_where_its_end_has_come() -> None:
    with pytest.raises(OversizedEvent):
        EventSplitter().feed(b"data: " + b"x" * EVENT_LIMIT_BYTES + b"\n\n" + DONE)


def test_named_events_round_trip() -> None:
    (event,) = EventSplitter().feed(encode_event(b"{}", "refused"))

    assert b"event: refused\ndata: {}\n\n" == event.raw
    assert b"{}" == event.data


def test_a_name_is_read_wherever_it_stands() -> None:
    (event,) = EventSplitter().feed(b'data: {"x":1}\nevent: error\n\n')

    assert (b"error", b'event: error\ndata: {"x":1}\n\n') == (event.name, event.raw)


def test_events_parted_by_one_line_end_are_events() -> None:
    """And data of several lines, which is no JSON a line, stays one event (WHATWG)."""
    told = EventSplitter().feed(b'data: {"a":1}\ndata: {"b":2}\ndata: [DONE]\n\ndata: two\ndata: lines\n\n')

    assert [b'{"a":1}', b'{"b":2}', b"[DONE]", b"two\nlines"] == [event.data for event in told]
    assert b'data: {"a":1}\n\n' == told[0].raw


# --- tools

CALL = b'[{"id":"1","type":"function","function":{"name":"run_shell","arguments":"{}"}}]'


@pytest.mark.parametrize(
    "answer",
    [
        b'{"choices":[{"message":{"role":"assistant","content":null,"tool_calls":%b}}]}' % CALL,
        b'{"choices":[{"delta":{"tool_calls" : %b}}]}' % CALL,
        b'{"choices":[{"delta":{"function_call":{"name":"run_shell","arguments":""}}}]}',
        b'{"choices":[{"delta":{"function_call":{"arguments":"{"}}}]}',
        rb'{"choices":[{"delta":{"tool\u005Fc\u0061lls":' + CALL + b"}}]}",
        b'{"choices":[{"delta":{"Tool_Calls":%b}}]}' % CALL,
        '{"choices":[{"delta":{"tool_call\u017f":[1]}}]}'.encode(),
        rb'{"choices":[{"delta":{"tool_call\u017F":[1]}}]}',
        b'{"choices":[{"delta":{"tool_calls":%b,"tool_calls":null,"content":"\\u00e9"}}]}' % CALL,
        b'{"choices":[{"delta":{"tool_calls":\n\t%b}}]}' % CALL,
        b'{"choices":[{"delta":{"tool_calls":{}}}]}',
        b'{"choices":[{"delta":{"content":"\xff","tool_calls":[1]}}]}',
    ],
)
def test_a_call_is_found_in_any_spelling(answer: bytes) -> None:
    assert calls_tool(answer)


@pytest.mark.parametrize(
    "answer",
    [
        b"[DONE]",
        b'{"choices":[{"message":{"content":"hi","tool_calls":[],"function_call":null}}]}',
        b'{"choices":[{"message":{"content":"hi","tool_calls": [ ] }}],"x":"\\u00e9"}',
        b'{"choices":[{"delta":{"content":"\\"tool_calls\\": [1]"}}]}',
        b'{"choices":[{"delta":{"content":"\\\\\\u0022tool_calls\\u0022: [1]"}}]}',
        b'{"choices":[{"delta":{"content":"x"},"finish_reason":"tool_calls"}]}',
        b'{"choices":[{"delta":{"content":"tool_calls"}}]}',
    ],
)
def test_a_text_about_calls_is_none(answer: bytes) -> None:
    assert not calls_tool(answer)


@pytest.mark.parametrize("cut", range(1, 12))
def test_comments_come_out_where_they_are_asked_for(cut: int) -> None:
    """Alone, and never those inside an event; a ping without data stays in."""
    sent = b": wait\n\nevent: ping\n\nid: 1\n:a\n:b\n\n: c\ndata: {}\n\n"
    splitter = EventSplitter(with_comments=True)
    pieces = [sent[at : at + cut] for at in range(0, len(sent), cut)]
    events = [event for piece in pieces for event in splitter.feed(piece)]

    assert [b": wait\n\n", b":a\n:b\n\n", b"data: {}\n\n"] == [event.raw for event in events]
    assert [True, True, False] == [event.is_comment for event in events]
    assert [b"data: {}\n\n"] == [event.raw for event in EventSplitter().feed(sent)]


@pytest.mark.parametrize(
    ("event", "ends"),
    [
        (b'data: {"type":"response.completed"}', True),  # `transformers serve` names no event
        (b'data: {"response":{"type":"other"}, "type": "message_stop"}', True),
        (b"event: response.completed\ndata: {}", True),
        (b'event: response.created\ndata: {"type":"response.completed"}', False),
        (b'data: {"response":{"type":"response.completed"},"type":"response.created"}', False),
        (b'data: {"type":"response.completed"', False),
        (b'data: {"type":["response.completed"]}', False),
    ],
)
def test_what_ends_a_stream_of_named_events_is_told_by_its_name_or_else_its_type(event: bytes, ends: bool) -> None:
    (read,) = EventSplitter().feed(event + b"\n\n")
    assert ends is read.ends_stream
