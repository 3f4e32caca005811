"""A stream that breaks off goes on with somebody else; where that cannot be, the client is told why it broke."""

import json

import pytest

from tests import agents
from tests.fakes import ScriptedEngine, going_on
from tests.gateway.serving.forwarding import TEXT, GoingOn, forward, text_of


@pytest.mark.parametrize("cut_after", range(1, 15))
async def test_a_stream_cut_after_any_event_goes_on_without_a_token_lost_or_doubled(cut_after: int) -> None:
    """Cut after its last word it lacks only its end, and nobody is asked."""
    asked = {"stream_options": {"include_usage": True}}
    async with (
        ScriptedEngine(**going_on(TEXT), cut_after=cut_after).serving() as first,
        ScriptedEngine(**going_on(TEXT)).serving() as second,
    ):
        client, attempts = await forward(first, second, kind=GoingOn, **asked)

    assert TEXT == text_of(client) and client.body.endswith(b"data: [DONE]\n\n") and b'"error"' not in client.body
    usage = json.loads(client.body.split(b"data: ")[-2])["usage"]
    assert 12 == usage["completion_tokens"]
    is_cut = cut_after < 14
    assert is_cut == (b": continued by p1\n\n" in client.body) == bool(second.asked)
    assert ["failed", "ok"][: 1 + is_cut] == [attempt.status for attempt in attempts] or cut_after == 14


@pytest.mark.parametrize(("endpoint", "cut_after"), [("messages", 5), ("messages", 15), ("responses", 6)])
async def test_a_stream_of_named_events_goes_on_under_the_name_that_was_asked_for(
    endpoint: str, cut_after: int
) -> None:
    """tests/gateway/serving/continuing/test_begun.py breaks it off at each of its events."""
    apis = agents.going_on(TEXT)
    async with (
        ScriptedEngine(apis=apis, cut_after=cut_after).serving() as first,
        ScriptedEngine(apis=apis).serving() as second,
    ):
        asked = {"endpoint": endpoint, "shown": "asked", "model": "scripted-1"}
        client, attempts = await forward(first, second, kind=GoingOn, **asked)  # type: ignore[arg-type]

    text, usage = agents.heard(endpoint, client.body)
    assert (TEXT, 7, 12) == (text, usage["input_tokens"], usage["output_tokens"])
    assert b"scripted-1" not in client.body and 1 == client.body.count(b": continued by p1\n\n")
    assert ["failed", "ok"] == [attempt.status for attempt in attempts]
    assert TEXT.startswith(agents.begun(second.asked[0], "messages" if endpoint == "messages" else "input"))


async def test_it_goes_on_again_where_who_goes_on_breaks_off_too() -> None:
    async with (
        ScriptedEngine(**going_on(TEXT), cut_after=4).serving() as first,
        ScriptedEngine(**going_on(TEXT), cut_after=5).serving() as second,
        ScriptedEngine(**going_on(TEXT)).serving() as third,
    ):
        client, attempts = await forward(first, second, third, kind=GoingOn)

    assert TEXT == text_of(client) and b": continued by p2" in client.body
    assert ["failed", "failed", "ok"] == [attempt.status for attempt in attempts]


@pytest.mark.parametrize(
    "second",
    [
        {"status": 503},
        {"status": 400, "error": b'{"error":{"message":"no such turn"}}'},
        {"page": b"<html>"},
        {"raw": [b"data: nonsense\n\n"]},
        {"raw": [b'data: {"error":{"message":"no"}}\n\n']},
    ],
)
async def test_where_nobody_goes_on_the_client_is_told_why_it_broke(second: dict[str, object]) -> None:
    async with (
        ScriptedEngine(**going_on(TEXT), cut_after=4).serving() as first,
        ScriptedEngine(**{**going_on(TEXT), **second}).serving() as other,
    ):
        client, attempts = await forward(first, other, kind=GoingOn)

    assert "w0 w1 w2" == text_of(client) and b'"error"' in client.body and b"[DONE]" not in client.body
    assert 1 == client.body.count(b'"error"') and 2 == len(attempts)


@pytest.mark.parametrize(
    "said",
    [
        {"delta": {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{"}}]}},
        {"delta": {"reasoning_content": "hm"}},
        {"delta": {"content": "a"}, "logprobs": {"content": [{"token": "a"}]}},
    ],
)
async def test_what_is_more_than_text_breaks_off(said: dict[str, object]) -> None:
    event = {"id": "c", "choices": [{"index": 0, **said}]}
    async with (
        ScriptedEngine(raw=[b"data: " + json.dumps(event).encode() + b"\n\n"]).serving() as first,
        ScriptedEngine(**going_on(TEXT)).serving() as second,
    ):
        client, _ = await forward(first, second, kind=GoingOn)

    assert b"stream_cut_short" in client.body and [] == second.asked
