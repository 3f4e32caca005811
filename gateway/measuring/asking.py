"""Asks our own agents questions while nobody uses their engines, and publishes what they turn out to be good at.

When it may: idle.py. Questions, grading and folding are the profiler's; answers are stored as those of `ppai-profile`,
which takes the store over whenever a person runs it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from discovery.records import Domain
from gateway.measuring.idle import SPAN_S, Known, ProfileConfig, Spent, is_due, why_not, why_stop
from gateway.measuring.lent import LentEncoder
from gateway.measuring.owned import domains
from gateway.measuring.owned.coming import Coming, coming
from gateway.measuring.owned.domains import Domains
from gateway.measuring.owned.sheets import Attracts, Sheet, attracts_nothing, fold_now, fold_owned, owned_sheets
from gateway.measuring.power import is_on_battery
from gateway.measuring.profiles import Profiles
from gateway.measuring.reply import Reply, read_reply
from gateway.measuring.targets import Configured, Door, Target
from gateway.topics.reader import RelevanceReader
from gateway.upstream import UpstreamError
from gateway.wire.errors import InvalidRequest
from profiler import sandbox
from profiler.answers import AnswerStore, StoreError
from profiler.encoder import Floats
from profiler.engine import EngineError
from profiler.folding import fold
from profiler.grading.grades import RUNS_CODE
from profiler.measure import THOUGHT_TOKENS, MeasureConfig, answered, body_of
from profiler.queries import as_asked_now, in_order, load_questions
from profiler.question import QueryError, Question

log = logging.getLogger(__name__)

LOOK_S = 5.0  # s between two looks whether a question may be asked
WATCH_S = 0.5  # s between two looks, during a question, whether it must be given up
LAG_S = 5.0  # s after a question in which an engine's figures may still show it
QUESTION_S = 120.0  # s for one answer
_ASKING = "asking"


class IdleMeasuring:
    """`run` measures; the rest says how far it is."""

    def __init__(
        self,
        config: ProfileConfig,
        folder: Path,
        targets: Callable[[], Sequence[Target]],
        profiles: Profiles,
        reader: RelevanceReader,
        published: Callable[[], None],
        clock: Callable[[], float],
        *,
        domains: Domains,
        attracts: Attracts = attracts_nothing,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_battery: Callable[[], bool] = is_on_battery,
        kept_shut: Callable[[], str] = lambda: "",
        questions: Callable[[], Sequence[Question]] = lambda: load_questions("builtin"),
        wall_problem: Callable[[bool], str] = sandbox.problem,
    ) -> None:
        """`folder` holds the stored answers; `targets` are our agents now; `attracts` says what their topics attract.

        `published` is called when others are to hear of a vector, or of what an owner's questions found.
        """
        self._config, self._folder, self._targets, self._profiles = config, folder, targets, profiles
        self._reader, self._published, self._clock, self._pause = reader, published, clock, pause
        self._domains, self._attracts = domains, attracts
        self._on_battery, self._load, self._wall_problem = on_battery, questions, wall_problem
        self._kept_shut = kept_shut  # why the owner lets others have nothing now
        self._questions: tuple[Question, ...] = ()
        self._walls: dict[bool, bool] = {}  # whether a wall stands: one for code, one that holds programs too
        self._spent = Spent()
        self._ended = -LAG_S  # when the last question did
        self._foreign: dict[Door, float] = {}  # when another program's job was seen at the engine
        self._failures: dict[str, tuple[int, float]] = {}  # by agent: in a row, and when the last one was
        self._skipped: set[tuple[str, str]] = set()  # (agent, question) that failed: left for the next start
        self._answered: dict[tuple[str, str], int] = {}  # answers stored, by (agent, make)
        self._finished: set[tuple[object, ...]] = set()  # Target.state of those of whom no question is left
        self._owned: dict[tuple[object, ...], str] = {}  # by Target.state, why its owner's questions cannot be asked
        self._why: dict[str, str] = {}  # why an agent is not asked now, or `_ASKING`
        self._folded: dict[tuple[str, str], int] = {}  # answers behind the vector published last, by (agent, make)
        self._rows: dict[str, Floats] = {}  # embeddings, by text

    async def run(self) -> None:
        """Measure whenever it may be done, one question at a time, until cancelled."""
        while self._config.auto == "idle":
            target = self._next()
            if target is not None:
                await self._measure(target)
            await self._pause(LOOK_S)

    def seen(self) -> None:
        """Engines were looked at: another program's job there starts the time anew in which nobody must use it."""
        now = self._clock()
        for target in self._targets():
            if target.door.engine.state.others and now - self._ended > LAG_S:
                self._foreign[target.door] = now

    def progress(self) -> dict[str, Any]:
        """How far it is, for `ppai status`."""
        return {
            "auto": self._config.auto,
            "questions": len(self._questions) or None,
            "agents": [self._row(target) for target in self._targets()],
        }

    def makes(self) -> dict[str, str]:
        """Our agents now, each with its make."""
        return {target.agent: target.make for target in self._targets()}

    async def fold_now(self, agent: str) -> Domain:
        """Publish what the owner's questions to a personal agent found, from the answers that are stored.

        Raises InvalidRequest: it is none of ours, or was not asked, or its questions cannot be read.
        """
        target = next((one for one in self._targets() if one.agent == agent), None)
        try:
            if await fold_now(self._folder, agent, target, self._domains, self._attracts):
                self._published()
        except (QueryError, StoreError) as error:
            raise InvalidRequest(str(error), param="agent") from error
        return self._domains.of(agent)

    async def coming(self, agent: str) -> Coming:
        """Which of an agent's owner's questions would come to it by its topics. Raises InvalidRequest."""
        target = next((one for one in self._targets() if one.agent == agent), None)
        try:
            sheets = await owned_sheets(target) if target else ()
        except QueryError as error:
            raise InvalidRequest(str(error), param="agent") from error
        topics = target.configured.topics if target and target.configured else ()
        if not sheets or not topics:
            raise InvalidRequest(f"`{agent}` has no topics, or no questions", status=404, param="agent")
        found = await coming(topics, sheets[0].questions, self._attracts)
        if found is None:
            raise InvalidRequest("no encoder reads topics here: see ppai status", status=503, param="agent")
        return found

    def _row(self, target: Target) -> dict[str, Any]:
        space = self._reader.gate.space
        row = {
            "name": target.agent,
            "answers": max(self._answered.get((target.agent, target.make), 0), self._evidence(target)),
            "published": self._evidence(target),
            "stale": self._profiles.is_stale(target.agent, space),
            "asking": self._why.get(target.agent) == _ASKING and not self._is_finished(target),
            "why_not": self._why_not_shown(target),
        }
        return row | self._owned_row(target, target.configured) if target.configured else row

    def _owned_row(self, target: Target, configured: Configured) -> dict[str, Any]:
        """What a personal agent has beside: by what it is measured, and what its owner's questions found."""
        domain = self._domains.of(target.agent)
        return {
            "make": target.make,
            "base": configured.base,
            "base_make": target.alone.make,
            "questions_file": str(configured.questions or ""),
            "questions_problem": self._owned.get(target.state, ""),
            "domain": asdict(domain) | {"stale": self._domains.is_stale(target.agent)} if domain.questions else None,
        }

    def _why_not_shown(self, target: Target) -> str:
        if self._config.auto == "off":
            return "profile.auto is off"
        if self._is_finished(target):
            return "it was asked every question"
        why = self._why.get(target.agent, "")
        return "" if why == _ASKING else why

    def _is_finished(self, target: Target) -> bool:
        return target.state in self._finished

    def _evidence(self, target: Target) -> int:
        """Answers behind the vector that is published in our gate's space; 0 where its model was replaced since."""
        space = self._reader.gate.space
        profile = self._profiles.of(target.agent).get(space)
        return 0 if profile is None or self._profiles.is_stale(target.agent, space) else sum(profile.evidence)

    def _next(self) -> Target | None:
        """The agent with the fewest answers of those that may be asked; None where there is none."""
        self._why = {target.agent: why_not(self._known(target)) for target in self._targets()}
        may = [target for target in self._targets() if not self._why[target.agent] and not self._is_finished(target)]
        return min(may, key=lambda target: self._answered.get((target.agent, target.make), 0), default=None)

    def _known(self, target: Target, store: AnswerStore | None = None, began: float | None = None) -> Known:
        """What the rules look at; `began`: when the question began that is being answered."""
        now, state = self._clock(), target.door.engine.state
        failures, failed_at = self._failures.get(target.agent, (0, now))
        return Known(
            state=state,
            model=next((model for model in state.models if model.id == target.model.id), target.model),
            quiet_s=self._quiet_s(now),
            has_served=target.door.has_served,
            is_on_battery=self._on_battery(),
            kept_shut=self._kept_shut(),
            is_wanted=store is not None and store.is_wanted,
            spent_s=self._spent.seconds(now) + (now - began if began is not None else 0.0),
            failures=failures if now - failed_at < SPAN_S else 0,
            is_read=target.is_read,
        )

    def _quiet_s(self, now: float) -> float:
        """Seconds since any engine of ours was used: two of them may share a graphics card, and a person."""
        doors = {target.door for target in self._targets()}
        return min((min(door.quiet_s, now - self._foreign.get(door, -np.inf)) for door in doors), default=0.0)

    async def _measure(self, target: Target) -> None:
        """Ask this agent until it may not be asked any more, or no question is left."""
        state = target.state
        try:
            for sheet in await self._sheets(target):
                if not await self._worked_off(sheet, target.agent):
                    return
            self._finished.add(state)
        except (StoreError, QueryError) as error:
            self._why[target.agent] = str(error)
        except OSError as error:  # no room for an answer: what is stored stays
            self._why[target.agent] = f"an answer cannot be stored: {error.strerror}"

    async def _sheets(self, target: Target) -> tuple[Sheet, ...]:
        """What it is asked. Its owner's questions come first: they are few, and say most of what it is for."""
        if not self._questions:
            self._questions = tuple(await asyncio.to_thread(self._load))
        self._owned.pop(target.state, None)
        owned: tuple[Sheet, ...] = ()
        try:
            owned = await owned_sheets(target)
        except QueryError as error:
            self._owned[target.state] = str(error)
        return *owned, Sheet(target, self._questions)

    async def _worked_off(self, sheet: Sheet, agent: str) -> bool:
        """Ask what is on it, until the agent may not be asked any more; whether nothing is left."""
        async with _held(AnswerStore(self._folder, sheet.asked.agent, sheet.asked.make)) as store:
            while (question := await self._question_for(sheet, store)) is not None:
                self._why[agent] = why_not(self._known(sheet.asked, store)) or _ASKING
                if self._why[agent] != _ASKING:
                    return False
                await self._ask(sheet.asked, store, question)
                await self._pause(0.0)
        return True

    async def _question_for(self, sheet: Sheet, store: AnswerStore) -> Question | None:
        """The next question, once that is published which is due; None where none is left."""
        target, count = sheet.asked, sum(question.id in store.answers for question in sheet.questions)
        if sheet.owned_by is not None:
            await self._publish_owned(sheet, count)
        else:
            self._answered[target.agent, target.make] = count
            published = max(self._evidence(target), self._folded.get((target.agent, target.make), 0))
            if is_due(count, published, len(sheet.questions)):
                await self._publish(target, store)
                self._folded[target.agent, target.make] = count
        asked = {answer.question: answer.right for answer in store.answers.values()}
        for question in await asyncio.to_thread(in_order, sheet.questions, asked):
            if (target.agent, question.id) in self._skipped:
                continue
            if question.grade not in RUNS_CODE or await self._has_wall(question.grade == "shell"):
                return question
        return None

    async def _has_wall(self, programs: bool) -> bool:
        """Whether what is in an answer can run without reaching anything of this machine; tried once."""
        if programs not in self._walls:
            self._walls[programs] = not await asyncio.to_thread(self._wall_problem, programs)
        return self._walls[programs]

    async def _ask(self, target: Target, store: AnswerStore, question: Question) -> None:
        """One question, its answer graded and stored; given up where it must be."""
        began = self._clock()
        asking = asyncio.create_task(self._reply(target, question), name="idle question")
        try:
            while not asking.done() and not why_stop(self._known(target, store, began)):
                await asyncio.wait({asking}, timeout=WATCH_S)
        finally:
            if asking.cancel():
                await asyncio.wait({asking})
            self._ended = self._clock()
            self._spent.add(self._ended - began, self._ended)
        if asking.cancelled():
            return
        try:
            answer = await answered(question, asking.result(), self._ended - began, MeasureConfig())
        except (UpstreamError, EngineError) as error:
            if not isinstance(error, UpstreamError) or error.code != "wanted":
                self._failed(target, question, error)
        else:
            self._failures.pop(target.agent, None)
            await asyncio.to_thread(store.add, replace(answer, make=target.make))

    async def _reply(self, target: Target, question: Question) -> str:
        """What the engine answers. Raises UpstreamError, with `wanted` where a request came, and EngineError."""
        reply = Reply("", "")
        for max_tokens in (None, THOUGHT_TOKENS):
            body = body_of(question, target.model.name, max_tokens)
            async with target.door.spare_turn() as engine:
                reply = await read_reply(target.over(engine), body, QUESTION_S)
            if not reply.ran_out:
                break
        return reply.text

    def _failed(self, target: Target, question: Question, error: UpstreamError | EngineError) -> None:
        """A question is laid aside until the next start, unless the engine was gone, of which it is not the cause."""
        if not isinstance(error, UpstreamError) or error.code != "engine_unreachable":
            self._skipped.add((target.agent, question.id))
        failures, _ = self._failures.get(target.agent, (0, 0.0))
        self._failures[target.agent] = failures + 1, self._clock()
        log.info("idle_question_failed model=%s why=%s", target.agent[:64], str(error)[:200])

    async def _publish(self, target: Target, store: AnswerStore) -> None:
        """Fold what is stored into a vector, and publish it. Without an encoder nothing is."""
        best = await self._reader.in_worker(lambda ladder: ladder.best)
        if best is None:
            return
        gate, encoder = best
        asked = (store.answers[question.id] for question in self._questions if question.id in store.answers)
        answers = as_asked_now(asked, self._questions)
        lent = LentEncoder(encoder, asyncio.get_running_loop(), self._reader, self._rows)
        found = await asyncio.to_thread(fold, gate, lent, answers, self._questions)
        self._profiles.keep(target.agent, gate.space, found.values, found.evidence, target.make)
        self._published()

    async def _publish_owned(self, sheet: Sheet, count: int) -> None:
        """Publish what the owner's questions found, where so many answers are worth it."""
        is_worth_it = domains.is_due(count, len(sheet.questions))
        if is_worth_it and await fold_owned(self._folder, sheet, self._domains, self._attracts):
            self._published()


@asynccontextmanager
async def _held(store: AnswerStore) -> AsyncIterator[AnswerStore]:
    """The store, opened in a thread; closed however this ends, also where it is cancelled while the thread opens it."""
    opening = asyncio.create_task(asyncio.to_thread(store.__enter__), name="answers")
    try:
        await asyncio.shield(opening)
    except asyncio.CancelledError:
        await asyncio.wait({opening})
        if opening.exception() is None:
            store.__exit__()
        raise
    try:
        yield store
    finally:
        store.__exit__()  # without a wait, in which it could be cancelled
