"""An engine's answer while it is open, read by read (see also test_openai_http.py)."""

import asyncio

import pytest

from gateway.engines.asked import Asked
from gateway.engines.openai_http import OpenAIEngine
from gateway.upstream import Patience, UpstreamError, reads
from gateway.wire.events import DONE, Event
from gateway.wire.streams.pour import Pour
from tests.fakes import ScriptedEngine

PATIENCE = Patience(first_event_s=2, idle_s=2, whole_s=2)
WORDS = [b'data: {"choices":[{"delta":{"content":"w%d"}}]}\n\n' % number for number in range(6)]
ENDED = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'


def opened(engine: OpenAIEngine) -> Asked:
    return engine.open("chat/completions", (b'{"stream":true}',), {}, stream=True, patience=PATIENCE)


@pytest.mark.parametrize(
    ("raw", "together"),
    [
        ([b"".join(WORDS), ENDED + DONE], [6, 2]),
        ([WORDS[0], WORDS[1][:9], WORDS[1][9:] + WORDS[2], ENDED + DONE + WORDS[3]], [1, 2, 2]),
        ([b": hm\n\n" + WORDS[0], ENDED], [2, 1, 1]),
    ],
    ids=["whole reads", "half an event, and what comes behind the end", "a comment, and no end"],
)
async def test_events_that_come_together_are_read_together(raw: list[bytes], together: list[int]) -> None:
    async with ScriptedEngine(raw=raw, token_s=0.02).serving() as engine:
        async with opened(OpenAIEngine(engine.url)) as reply:
            read = [events async for events in reads(reply, None)]
        async with opened(OpenAIEngine(engine.url)) as reply:
            one_by_one = [event async for event in reply.events()]

    assert together == [len(events) for events in read]
    assert one_by_one == [event for events in read for event in events]
    assert Event(DONE, b"[DONE]") == one_by_one[-1]


async def test_what_is_taken_does_not_come_out_and_counts_as_the_last_that_came() -> None:
    """An answer without [DONE] is whole where the last that was taken said that it is finished, and else cut."""
    for raw, is_whole in (([*WORDS, ENDED], True), (WORDS, False), ([*WORDS[:2], ENDED, *WORDS[2:]], False)):
        taken, read = list[bytes](), list[Event]()

        def tell(events: bytes, count: int, taken: list[bytes] = taken) -> None:
            taken.append(events)

        pour = Pour(asyncio.get_running_loop().time, lambda pour: lambda events: True, tell)
        async with ScriptedEngine(raw=raw, token_s=0.01).serving() as engine:
            client = OpenAIEngine(engine.url)
            try:
                async with opened(client) as reply:
                    async for events in reads(reply, pour):
                        read += events
                assert is_whole
            except UpstreamError as error:
                assert not is_whole and "stream_cut_short" == error.code
            assert 0 == client.in_flight

        pour.close()
        assert b"".join(raw) == b"".join(taken)
        assert [DONE] * is_whole == [event.raw for event in read]


@pytest.mark.parametrize("is_named", [True, False])
async def test_what_comes_behind_the_end_of_named_events_does_not_cut_them(is_named: bool) -> None:
    """However much that is, read or poured, and whether or not a server writes the names."""
    ended = b'event: response.completed\ndata: {"x":1}\n\n' if is_named else b'data: {"type":"response.completed"}\n\n'
    raw = [ended, *3 * [b'event: more.delta\ndata: {"x":1}\n\n'], *3 * [b'event: more\ndata: {"x":1}\n\n']]
    for count in range(1, len(raw) + 1):
        pour = Pour(
            asyncio.get_running_loop().time, lambda pour: lambda events: True, lambda events, count: None, is_named=True
        )
        read = list[Event]()
        async with (
            ScriptedEngine(raw=raw[:count], token_s=0.01).serving() as engine,
            opened(OpenAIEngine(engine.url)) as reply,
        ):
            async for events in reads(reply, pour):
                read += events
        pour.close()

        assert (ended, count) == (read[0].raw, len(read) + pour.count)
