"""An engine's answer, as a stream or in one piece, and what is none."""

from typing import Any

import pytest

from gateway.measuring.reply import Reply, read_reply
from gateway.upstream import UpstreamError
from profiler.engine import EngineError
from tests.fakes import ScriptedEngine
from tests.peers import ready_engine

BODY = {"model": "scripted-1", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}


async def read(within_s: float = 5.0, **behaviour: Any) -> Reply | EngineError | UpstreamError:
    async with ScriptedEngine(**behaviour).serving() as scripted, ready_engine(scripted) as engine:
        try:
            return await read_reply(engine, BODY, within_s)
        except (EngineError, UpstreamError) as error:
            return error


async def test_words_come_as_a_stream_and_are_one_text() -> None:
    assert Reply("one two", "stop") == await read(answer=lambda body: "one two")


async def test_an_engine_without_streams_is_read_too() -> None:
    page = b'{"choices":[{"message":{"content":"one two"},"finish_reason":"length"}]}'

    assert Reply("one two", "length") == await read(raw=[page], headers={"content-type": "application/json"})


@pytest.mark.parametrize(
    ("text", "reason", "expected"), [("", "length", True), ("<think>hm", "length", True), ("7", "length", False)]
)
async def test_tokens_that_all_went_into_thought_are_seen(text: str, reason: str, expected: bool) -> None:
    reply = await read(answer=lambda body: text, finish_reason=reason)

    assert isinstance(reply, Reply)
    assert expected == reply.ran_out


REFUSED: dict[str, dict[str, Any]] = {
    "a refusal": {"status": 400},
    "a failure": {"status": 500},
    "a page": {"raw": [b"<html>"], "headers": {"content-type": "text/html"}},
    "an error in the middle": {"raw": [b'data: {"error":{"message":"no"}}\n\n']},
    "another kind of event": {"raw": [b'data: {"choices":7}\n\n']},
    "an answer to nothing": {"raw": [b'{"choices":[]}'], "headers": {"content-type": "application/json"}},
}


@pytest.mark.parametrize("behaviour", REFUSED.values(), ids=REFUSED)
async def test_what_is_no_answer_is_an_error_of_the_engines(behaviour: dict[str, Any]) -> None:
    assert isinstance(await read(**behaviour), EngineError)


@pytest.mark.parametrize("behaviour", [{"cut_after": 1}, {"delay_s": 60.0, "within_s": 0.1}], ids=["cut", "stalled"])
async def test_what_breaks_off_or_stalls_is_no_answer(behaviour: dict[str, Any]) -> None:
    assert isinstance(await read(**behaviour), UpstreamError)
