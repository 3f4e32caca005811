"""Asking a scripted engine over real sockets."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from profiler.answers import Answer, AnswerStore
from profiler.engine import Engine, EngineError, first_model
from profiler.measure import MeasureConfig, measure
from profiler.question import Question
from tests.fakes import ScriptedEngine

QUESTIONS = [Question(f"What is {n} plus one?", "sums", str(n + 1), "number") for n in range(12)]
ONE_AT_A_TIME = MeasureConfig(concurrency=1, first_delay_s=0.0)


def adds_one(body: dict[str, Any]) -> str:
    return str(int(body["messages"][0]["content"].split()[2]) + 1)


async def test_every_question_is_asked_and_graded_once(tmp_path: Path) -> None:
    seen: list[Answer] = []
    async with ScriptedEngine(answer=adds_one).serving() as engine:
        with AnswerStore(tmp_path, "m") as store:
            tally = await measure(QUESTIONS, Engine(engine.url, "m"), store, MeasureConfig(), seen.append)

            assert (12, 0, False) == (tally.asked, tally.failed, tally.gave_up)
            assert {q.id for q in QUESTIONS} == set(store.answers)
            assert [1.0] * 12 == [answer.right for answer in seen]
            assert 12 == len(engine.asked)
            assert ("m", 0) == (engine.asked[0]["model"], engine.asked[0]["temperature"])


async def test_what_is_stored_is_not_asked(tmp_path: Path) -> None:
    async with ScriptedEngine(answer=adds_one).serving() as engine:
        with AnswerStore(tmp_path, "m") as store:
            await measure(QUESTIONS[:8], Engine(engine.url, "m"), store, MeasureConfig())
        with AnswerStore(tmp_path, "m") as store:
            tally = await measure(QUESTIONS, Engine(engine.url + "/v1", "m"), store, MeasureConfig())

        assert 4 == tally.asked
        assert 12 == len(engine.asked)


async def test_an_engine_of_500s_is_given_up_and_answers_are_kept(tmp_path: Path) -> None:
    async with ScriptedEngine(answer=adds_one).serving() as engine:
        with AnswerStore(tmp_path, "m") as store:
            await measure(QUESTIONS[:5], Engine(engine.url, "m"), store, ONE_AT_A_TIME)
            engine.status = 500
            tally = await measure(QUESTIONS, Engine(engine.url, "m"), store, ONE_AT_A_TIME)

            assert (0, 7, True) == (tally.asked, tally.failed, tally.gave_up)
            assert "answered 500" in tally.problem
            assert 5 == len(store.answers)
            assert 5 + 3 * 3 == len(engine.asked)  # three questions, each tried three times


async def test_a_refused_request_is_not_repeated(tmp_path: Path) -> None:
    """A 404 for the model stays a 404."""
    async with ScriptedEngine(status=404).serving() as engine:
        with AnswerStore(tmp_path, "m") as store:
            tally = await measure(QUESTIONS, Engine(engine.url, "m"), store, ONE_AT_A_TIME)

        assert (3, True) == (len(engine.asked), tally.gave_up)


@asynccontextmanager
async def served(handler: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """A server that answers chats as the handler says; yields its URL."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("nonsense", [b"<html>hello</html>", b"{}", b'{"choices": []}', b"[]", b'{"choices": [{}]}'])
async def test_nonsense_is_not_an_answer(tmp_path: Path, nonsense: bytes) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=nonsense)

    async with served(handler) as url:
        with AnswerStore(tmp_path, "m") as store:
            tally = await measure(QUESTIONS, Engine(url, "m"), store, ONE_AT_A_TIME)

            assert (True, {}) == (tally.gave_up, store.answers)
            assert "is no" in tally.problem or "is not JSON" in tally.problem


async def test_one_bad_question_does_not_stop_the_others(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        body = await request.json()
        if "7 plus" in body["messages"][0]["content"]:
            return web.Response(status=400)
        return web.json_response({"choices": [{"message": {"content": adds_one(body)}}]})

    async with served(handler) as url:
        with AnswerStore(tmp_path, "m") as store:
            tally = await measure(QUESTIONS, Engine(url, "m"), store, ONE_AT_A_TIME)

            assert (11, 1, False) == (tally.asked, tally.failed, tally.gave_up)
            assert QUESTIONS[7].id not in store.answers


async def test_a_passing_failure_is_waited_out(tmp_path: Path) -> None:
    failures = iter([503, 429])

    async def handler(request: web.Request) -> web.Response:
        if status := next(failures, None):
            return web.Response(status=status)
        return web.json_response({"choices": [{"message": {"content": adds_one(await request.json())}}]})

    async with served(handler) as url:
        with AnswerStore(tmp_path, "m") as store:
            tally = await measure(QUESTIONS, Engine(url, "m"), store, ONE_AT_A_TIME)

        assert (12, 0) == (tally.asked, tally.failed)


async def test_no_engine_says_so() -> None:
    with pytest.raises(EngineError, match=r"no answer from http://127\.0\.0\.1:9/v1/models"):
        await first_model("http://127.0.0.1:9", {})


async def test_first_model_is_the_engines() -> None:
    async with ScriptedEngine(model="tiny").serving() as engine:
        assert "tiny" == await first_model(engine.url + "/", {})
