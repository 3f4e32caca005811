"""One engine over a real socket: what counts as an answer, and whether asking again can help."""

import asyncio
import contextlib
import json

import pytest
from aiohttp import web

from profiler.engine import (
    BODY_LIMIT,
    Engine,
    EngineError,
    content_of,
    first_model,
    open_session,
    ran_out,
    request_json,
)
from tests.fakes import ScriptedEngine
from tests.profiler.test_cli import listening


@pytest.mark.parametrize("url", ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/"])
def test_an_engine_is_named_with_or_without_v1(url: str) -> None:
    assert "http://h:1/v1" == Engine(url, "m").v1


@pytest.mark.parametrize(
    "url", ["http://bob:hunter2@127.0.0.1:9", "http://hunter2@127.0.0.1:9/v1", "http://bob:hunter2@"]
)
async def test_a_password_in_the_url_stands_in_no_message(url: str) -> None:
    with pytest.raises(EngineError) as refused:
        await first_model(url, {})

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(("content", "text"), [("hi", "hi"), ("", ""), (None, "")])
def test_an_answer_that_is_all_thought_is_an_empty_one(content: str | None, text: str) -> None:
    assert text == content_of({"choices": [{"message": {"content": content}}]}, "http://h")


@pytest.mark.parametrize("reply", [None, [], {}, {"choices": []}, {"choices": [{"message": {"content": 7}}]}])
def test_what_is_no_completion_is_shown(reply: object) -> None:
    with pytest.raises(EngineError, match="http://h answered something that is no chat completion"):
        content_of(reply, "http://h")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("42\n\nSource: handbook.md, Rooms", "42"),
        ("42\n\nSources: a.md, b; c.md", "42"),
        ("42\n\nNot from this agent's documents.", "42"),
        ("Source: me\n\n42", "Source: me\n\n42"),
    ],
)
def test_where_an_agent_has_its_answer_from_is_no_part_of_it(said: str, expected: str) -> None:
    """Else the number that an answer ends on would be a paragraph's. A bare model that writes such a line keeps it."""
    reply = {"choices": [{"message": {"content": said}}]}

    assert expected == content_of({**reply, "ppai": {"from_documents": True}}, "http://h")
    assert said == content_of(reply, "http://h")


@pytest.mark.parametrize(
    ("status", "may_pass"), [(400, False), (401, False), (404, False), (408, True), (429, True), (500, True)]
)
async def test_whether_asking_again_can_help_follows_from_the_status(status: int, may_pass: bool) -> None:
    refusing = ScriptedEngine(status=status, headers={"retry-after": "7"})
    async with refusing.serving() as engine, open_session(5.0, {}) as session:
        with pytest.raises(EngineError, match=f"answered {status}: ") as caught:
            await request_json(session, "POST", f"{engine.url}/v1/chat/completions", {})

    assert (may_pass, 7.0) == (caught.value.may_pass, caught.value.retry_after_s)


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPFound("/elsewhere")

    asked: list[str] = []
    app = web.Application()
    app.router.add_get("/{path:.*}", elsewhere)
    async with listening(app) as url, open_session(5.0, {}) as session:
        with pytest.raises(EngineError, match="answered 302"):
            await request_json(session, "GET", f"{url}/v1/models")

    assert ["/v1/models"] == asked


async def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    async with ScriptedEngine(delay_s=60.0).serving() as engine, open_session(0.2, {}) as session:
        with pytest.raises(EngineError, match="no answer from"):
            await request_json(session, "POST", f"{engine.url}/v1/chat/completions", {})


@pytest.mark.parametrize("models", [b'{"data": []}', b'{"data": [{}]}', b"[]"])
async def test_an_engine_without_models_asks_for_a_name(models: bytes) -> None:
    async with ScriptedEngine(models=models).serving() as engine:
        with pytest.raises(EngineError, match="lists no model; name one with --model"):
            await first_model(engine.url, {})


async def test_an_answer_above_the_limit_is_not_read_to_its_end() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 64 * BODY_LIMIT:
                await response.write(b" " * 2**16)
                sent += 2**16
        written.set_result(sent)
        return response

    written: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    app = web.Application()
    app.router.add_get("/{path:.*}", endless)
    async with listening(app) as url, open_session(5.0, {}) as session:
        with pytest.raises(EngineError, match="answered more than 4 MiB"):
            await request_json(session, "GET", f"{url}/v1/models")

        assert await written < 16 * BODY_LIMIT


async def test_brackets_without_end_are_no_json() -> None:
    async with ScriptedEngine(models=b"[" * 100_000).serving() as engine:
        with pytest.raises(EngineError, match="not JSON"):
            await first_model(engine.url, {})


async def test_a_model_name_that_moves_the_cursor_is_not_taken() -> None:
    async with ScriptedEngine(models=json.dumps({"data": [{"id": "m\x1b[2J"}]}).encode()).serving() as engine:
        with pytest.raises(EngineError, match="cannot be printed: 'm") as caught:
            await first_model(engine.url, {})

    assert str(caught.value).isprintable()


async def test_an_odd_digit_in_retry_after_says_nothing() -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"retry-after": "\u0663"})

    app = web.Application()
    app.router.add_get("/{path:.*}", refuse)
    async with listening(app) as url, open_session(5.0, {}) as session:
        with pytest.raises(EngineError, match="answered 429") as caught:
            await request_json(session, "GET", f"{url}/v1/models")

    assert 0.0 == caught.value.retry_after_s


@pytest.mark.parametrize(
    ("content", "reason", "expected"),
    [
        (None, "length", True),
        (" \n", "length", True),
        ("<think>let me see", "length", True),
        ("<think>7</think> seven", "length", False),
        ("seve", "length", False),
        ("", "stop", False),
        (7, "length", False),
    ],
)
def test_a_model_that_thought_to_the_end_of_its_tokens_is_told_from_one_that_answered(
    content: object, reason: str, expected: bool
) -> None:
    assert expected == ran_out({"choices": [{"message": {"content": content}, "finish_reason": reason}]})


@pytest.mark.parametrize("reply", [None, [], {}, {"choices": []}, {"choices": [{"message": {"content": ""}}]}])
def test_what_is_no_completion_did_not_run_out(reply: object) -> None:
    assert not ran_out(reply)
