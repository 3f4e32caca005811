"""One answer passes on without anybody who knows who else might answer."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.models.same import NAME_CHARS
from gateway.serving.relaying import Relay, Terms, renamer
from gateway.upstream import UpstreamError
from gateway.wire.events import Event, EventSplitter
from gateway.wire.streams.pour import TOGETHER_BYTES, Pour
from gateway.wire.tokens import Counted, Seen
from tests.gateway.serving.forwarding import DONE, SAID, USED, Recorder

WHOLE = b'{"model":"m-1","choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}'


class Said:
    """A reply in memory, whole or event by event."""

    def __init__(self, *body: bytes, is_stream: bool = False) -> None:
        self.status, self.content_type, self.retry_after, self.is_stream = 200, "", None, is_stream
        self._body = body

    async def read(self) -> bytes:
        return b"".join(self._body)

    async def events(self) -> AsyncIterator[Event]:
        for event in EventSplitter().feed(await self.read()):
            yield event


def relay_of(**terms: object) -> Relay:
    asked = {"endpoint": "chat/completions", "stream": False, "include_usage": False, **terms}
    return Relay(Terms(**{"model": "m-1", "shown_model": "m-1", **asked}), Counted(), lambda: 5.0)  # type: ignore[arg-type]


async def passed(reply: Said, **terms: object) -> tuple[Recorder, Relay]:
    client, relay = Recorder(), relay_of(stream=reply.is_stream, **terms)
    await relay.pass_on(reply, client, {"x-ppai-peer": "ada"})
    return client, relay


async def test_a_whole_answer_is_counted_and_named_as_it_was_asked() -> None:
    client, relay = await passed(Said(WHOLE), shown_model="auto")

    assert WHOLE.replace(b"m-1", b"auto") == client.body
    assert ((3, 2), 5.0, "ada") == (relay.counted.said, relay.first_event_at, client.headers["x-ppai-peer"])


def test_a_name_is_remembered_only_where_it_is_no_longer_than_one_of_a_model() -> None:
    """A program may ask for any, of any length, where names that nobody has mean `auto`."""
    names = ["m" * NAME_CHARS, "m" * (NAME_CHARS + 1)]

    assert [True, False] == [renamer("messages", "m-1", name) is renamer("messages", "m-1", name) for name in names]


@pytest.mark.parametrize(("include_usage", "passes"), [(False, SAID + DONE), (True, SAID + USED + DONE)])
async def test_usage_that_the_client_did_not_ask_for_is_counted_alone(include_usage: bool, passes: bytes) -> None:
    client, relay = await passed(Said(SAID, USED, DONE, is_stream=True), include_usage=include_usage)

    assert (passes, (3, 1)) == (client.body, relay.counted.said)


async def test_an_answer_that_is_none_reaches_nobody() -> None:
    with pytest.raises(UpstreamError, match="out of memory"):
        await passed(Said(b'{"error": {"message": "out of memory"}}'))


class Kept:
    """Who keeps what a client was sent."""

    events = b""

    def add(self, events: bytes) -> None:
        self.events += events


class Poured(Said):
    """Of which all but the first word is offered to be passed on as it comes; then it ends so."""

    ending: BaseException

    async def reads(self, pour: Pour) -> AsyncIterator[list[Event]]:
        yield [Event(self._body[0], self._body[0][6:-2])]
        assert all(map(pour.take, self._body[1:]))
        raise self.ending


@pytest.mark.parametrize("ending", [TimeoutError(), asyncio.CancelledError()], ids=repr)
@pytest.mark.parametrize("words", [2, 30, 300])
@pytest.mark.parametrize("shown", ["m-1", "asked"])
async def test_words_that_pass_as_they_come_are_counted_and_heard_however_the_stream_ends(
    ending: BaseException, words: int, shown: str
) -> None:
    sizes = [TOGETHER_BYTES if number == 5 else number for number in range(words)]
    said = [b'data: {"model":"m-1","text":"%b"}\n\n' % (b"w" * size) for size in sizes]
    reply, relay, client, kept, apart = (
        Poured(*said, is_stream=True),
        relay_of(shown_model=shown, stream=True),
        Recorder(),
        Kept(),
        Seen(),
    )
    reply.ending, relay.heard = ending, kept

    with pytest.raises(type(ending)):
        await relay.pass_on(reply, client, {})

    for each in said:
        apart.event(len(each) - len(b"data: \n\n"))
    assert apart == relay.counted.seen
    assert b"".join(said).replace(b"m-1", shown.encode()) == client.body == kept.events
