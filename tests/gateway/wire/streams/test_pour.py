"""What passes without being read, and how it is told later."""

from math import inf

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.events import DONE, EventSplitter
from gateway.wire.streams.pour import TOGETHER_BYTES, Pour, Put, Tell

WORD = b'data: {"a":1}\n\n'
PLAIN = [
    b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"an \\"error\\" of \\"usage\\"\\n\\n"}}],"usage":null}\n\n',
    b'event: content_block_delta\ndata: {"delta":{"text":"a"}}\n\n',
    b'event: response.output_text.delta\ndata: {"delta":"b"}\n\n',
]
NOT_PLAIN = [
    DONE,
    b'data: {"error":{"message":"no"}}\n\n',
    b'data: { "error" : "no"}\n\n',
    b'data: {"type":"error"}\n\n',
    b'event: error\ndata: {"delta":1}\n\n',
    b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n',
    b'data: {"usage" : null}\n\n',
    b"event: message_stop\ndata: {}\n\n",
    b'event: response.completed\ndata: {"delta\ndata: {"}\n\n',
    b'data:{"a":1}\n\n',
    b'data: {"a":1}\r\n\r\n',
    b'data: {"a":1}\r\r',
    b'data: {"a":1}\n',
    b'data: {"a":1}\ndata: {"b":1}\n\n',
    b'id: 7\ndata: {"a":1}\n\n',
    b": a comment\n\n",
    b"data: nonsense\n\n",
    b"\n\n",
    b"",
    b'\xef\xbb\xbfdata: {"a":1}\n\n',
]


def into(told: list[bytes]) -> Tell:
    def tell(events: bytes, count: int) -> None:
        assert count == events.count(b"\n\n")
        told.append(events)

    return tell


def pour_of(*told: Tell, put: Put = lambda events: True, is_named: bool = False) -> Pour:
    clock = iter(range(1, 10_000)).__next__
    return Pour(clock, lambda pour: put, *told or (lambda events, count: None,), is_named=is_named)


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("event", PLAIN)
def test_chunks_of_an_answer_pass(event: bytes, count: int) -> None:
    written = list[bytes]()
    pour = pour_of(put=lambda events: written.append(events) is None, is_named=event.startswith(b"event"))

    assert pour.take(event * count)

    assert ([event * count], count, 1) == (written, pour.count, pour.at)


@pytest.mark.parametrize("event", [b'data: {"type":"response.completed"}\n\n', PLAIN[0], 2 * PLAIN[0]])
def test_where_events_have_names_one_without_is_read(event: bytes) -> None:
    """The type of one tells the end, where its server writes no names."""
    assert not pour_of(is_named=True).take(event)


@given(st.lists(st.sampled_from([*PLAIN, *NOT_PLAIN]), max_size=5), st.integers(0, 20), st.booleans())
def test_what_passes_is_what_would_come_out_and_nothing_that_has_to_be_read(
    pieces: list[bytes], cut: int, is_named: bool
) -> None:
    """Alone, in a row or cut short: a piece passes as the splitter would pass it, and calls for nothing else."""
    for sent in (whole := b"".join(pieces), whole[cut:], whole[: len(whole) - cut]):
        if not (pour := pour_of(is_named=is_named)).take(sent):
            assert (0, -inf) == (pour.count, pour.at)
            continue
        events = EventSplitter(with_comments=True).feed(sent)
        assert pour.count == len(events) and sent == b"".join(event.raw for event in events)
        for event in events:
            assert not (event.is_done or event.is_comment or event.is_error or event.ends_stream)
            assert not msgspec.json.decode(event.data).get("usage")
    if len(set(pieces) & set(NOT_PLAIN) - {b""}):
        assert not pour_of(is_named=is_named).take(whole)


def test_nothing_passes_before_there_is_an_outlet_nor_after_it_was_closed() -> None:
    told, outlets = list[bytes](), [None, None, lambda events: False, lambda events: True]
    pour = Pour(lambda: 1.0, lambda pour: outlets.pop(0), into(told))

    passed = [pour.take(WORD) for _ in range(5)]
    pour.close()

    assert [False, False, False, True, True, False] == [*passed, pour.take(WORD)]
    assert ([2 * WORD], 2) == (told, pour.count)


def test_what_cannot_be_written_now_has_not_passed() -> None:
    told = list[bytes]()
    pour = pour_of(into(told), put=lambda events: False)

    assert not pour.take(WORD)

    pour.tell_on()
    assert ([], 0, -inf) == (told, pour.count, pour.at)


def test_words_are_told_together_in_their_order_and_none_is_left() -> None:
    told, besides = list[bytes](), list[bytes]()
    pour, words = pour_of(into(told)), [b'data: {"a":%d}\n\n' % number for number in range(1000)]
    pour.tell(into(besides))

    assert all(map(pour.take, words))
    assert 1000 == pour.count
    pour.tell_on()
    pour.tell_on()

    assert b"".join(words) == b"".join(told) and told == besides
    assert len(b"".join(words)) // TOGETHER_BYTES + 1 == len(told) and 1000 == pour.count


def test_what_is_large_waits_for_nothing() -> None:
    told, large = list[bytes](), b'data: {"a":"%b"}\n\n' % (b"x" * TOGETHER_BYTES)
    pour = pour_of(into(told))

    pour.take(WORD)
    pour.take(large)

    assert [WORD + large] == told
