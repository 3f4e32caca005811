"""Asks an engine questions and grades its answers.

It speaks with the engine as any OpenAI client does, over HTTP.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from profiler.answers import Answer, AnswerStore
from profiler.engine import Engine, EngineError, content_of, open_session, ran_out, request_json
from profiler.grading.grades import graded, max_tokens
from profiler.grading.programs import Job
from profiler.question import Question
from profiler.sandbox import NoWall, passes

if TYPE_CHECKING:
    import aiohttp

THOUGHT_TOKENS = 8192  # of an answer, where a reasoning model has not come to an end with fewer
REPLY_CHARS = 4000  # characters of a reply that are stored


@dataclass(frozen=True, slots=True)
class MeasureConfig:
    """How to ask."""

    concurrency: int = 2  # questions in flight; more help only engines that batch
    timeout_s: float = 120.0  # s for one answer: several times what a small model on a busy core needs
    retries: int = 2  # of one question
    give_up_after: int = 3  # questions that fail in a row until the engine counts as broken
    max_tokens: int | None = None  # of one answer; None: by its grade, and THOUGHT_TOKENS where thoughts took all
    walled: bool = True  # code in answers runs behind a wall; False: as this user, who must trust the engine
    first_delay_s: float = 1.0  # s before the first retry; it doubles, or is what retry-after says, up to 30 s


@dataclass(frozen=True, slots=True)
class Tally:
    """How one run went."""

    asked: int  # questions answered in this run
    failed: int  # questions left for the next run
    gave_up: bool  # whether `give_up_after` questions in a row failed
    problem: str  # the last failure; "" without one


async def measure(
    questions: Sequence[Question],
    engine: Engine,
    store: AnswerStore,
    config: MeasureConfig,
    on_answer: Callable[[Answer], None] = lambda answer: None,
) -> Tally:
    """Ask the questions that are not stored yet, and store each graded answer at once.

    Stops when `give_up_after` questions in a row fail. A question that fails alone is left for the next run.
    """
    waiting = iter([question for question in questions if question.id not in store.answers])
    failures: list[str] = []
    asked = in_a_row = 0

    async def work(session: "aiohttp.ClientSession") -> None:
        nonlocal asked, in_a_row
        while in_a_row < config.give_up_after and (question := next(waiting, None)):
            try:
                answer = await _ask(session, engine, question, config)
            except EngineError as error:
                in_a_row += 1
                failures.append(str(error))
                continue
            in_a_row = 0
            asked += 1
            store.add(replace(answer, make=engine.make))
            on_answer(answer)

    async with open_session(config.timeout_s, engine.headers) as session, asyncio.TaskGroup() as group:
        for _ in range(config.concurrency):
            group.create_task(work(session))
    gave_up = in_a_row >= config.give_up_after
    return Tally(asked, len(failures) + sum(1 for _ in waiting), gave_up, failures[-1] if failures else "")


def body_of(question: Question, model: str, most: int | None = None) -> dict[str, Any]:
    """The chat that asks a model this question, for at most so many tokens; None: what its grade is worth."""
    tokens = most or max_tokens(question.grade)
    return {"model": model, "messages": question.messages, "temperature": 0, "max_tokens": tokens}


async def answered(question: Question, reply: str, seconds: float, config: MeasureConfig) -> Answer:
    """The graded answer that this reply is, which took the engine so many seconds.

    Raises EngineError where its code would have to run, and no wall stands.
    """
    right = graded(question.grade, reply, question.answer, question.choices, question.query)
    if isinstance(right, Job):
        right = await _runs(right, config)
    cut, seconds = reply[:REPLY_CHARS], round(seconds, 3)
    return Answer(question.id, question.query, question.task, cut, right, seconds, question.reference)


async def _ask(session: "aiohttp.ClientSession", engine: Engine, question: Question, config: MeasureConfig) -> Answer:
    began, reply = time.monotonic(), None
    for most in (config.max_tokens, THOUGHT_TOKENS):
        reply = await _with_retries(
            session, f"{engine.v1}/chat/completions", body_of(question, engine.model, most), config
        )
        if config.max_tokens or not ran_out(reply):
            break
    return await answered(question, content_of(reply, engine.v1), time.monotonic() - began, config)


async def _runs(job: Job, config: MeasureConfig) -> float:
    try:
        run = partial(passes, job.code, job.tests, walled=config.walled, programs=job.programs)
        return float(await asyncio.to_thread(run))
    except NoWall as error:
        raise EngineError(f"code in an answer was not run: {error}", may_pass=False) from error


async def _with_retries(session: "aiohttp.ClientSession", url: str, body: Any, config: MeasureConfig) -> Any:
    delay = config.first_delay_s
    for left in range(config.retries, -1, -1):
        try:
            return await request_json(session, "POST", url, body)
        except EngineError as error:
            if not left or not error.may_pass:
                raise
            await asyncio.sleep(max(delay, min(error.retry_after_s, 30.0)))
            delay *= 2
    raise AssertionError("the loop returns or raises")
