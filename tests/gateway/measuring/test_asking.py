"""Measuring while idle, with a real engine behind the real door: when it asks, when it stops, what it publishes."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from gateway.capacity.door import Door
from gateway.capacity.rules import AdmissionConfig
from gateway.measuring.asking import LOOK_S, IdleMeasuring, Target
from gateway.measuring.idle import FAILURES, QUIET_S, SHARE, SPAN_S, ProfileConfig
from gateway.measuring.profiles import Profiles
from gateway.topics.reader import RelevanceReader
from profiler.answers import stored
from profiler.ladder import load_ladder
from profiler.measure import THOUGHT_TOKENS
from profiler.qagate import QAGate, shipped_gate
from profiler.question import Question
from tests.fakes import ScriptedEngine
from tests.peers import ready_engine

GATE = QAGate.load(shipped_gate())
SUMS = [Question(f"What is {n} plus one?", "sums", str(n + 1), "number") for n in range(130)]
CODE = Question("Write f(x) that adds one.", "python", "assert f(1) == 2", "code")


@dataclass
class Clock:
    """Time that passes when somebody waits for it."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


class Noted(list[Any]):
    """A list that knows when each item came."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self.at = clock, list[float]()

    def append(self, item: Any) -> None:
        self.at.append(self._clock.now)
        super().append(item)


@dataclass
class Bench:
    """One agent behind its door, and what measures it."""

    engine: ScriptedEngine
    door: Door
    clock: Clock
    profiles: Profiles
    folder: Path
    reader: RelevanceReader
    target: Target
    published: list[int] = field(default_factory=list)  # questions behind each vector
    asked_at: list[float] = field(default_factory=list)
    on_battery: bool = False
    others: list[Target] = field(default_factory=list)  # agents of another engine

    def measuring(self, questions: Sequence[Question] = SUMS, **changes: Any) -> IdleMeasuring:
        return IdleMeasuring(
            changes.pop("config", ProfileConfig()), self.folder, lambda: [self.target, *self.others],
            self.profiles, self.reader, self._note, self.clock,
            pause=self.clock.pause, on_battery=lambda: self.on_battery,
            questions=lambda: questions, wall_problem=changes.pop("wall_problem", lambda programs: "no wall"),
        )  # fmt: skip

    def _note(self) -> None:
        self.published.append(sum(self.profiles.of(self.target.agent)[GATE.space].evidence))

    def answers(self) -> list[str]:
        """Ids of the questions whose answers are stored."""
        return [answer.question for answer in stored(self.folder).get(self.target.agent, ())]


@asynccontextmanager
async def bench(folder: Path, seconds: float = 1.0, **behaviour: Any) -> AsyncIterator[Bench]:
    """Each answer takes the engine so many seconds of the bench's clock, and is right."""
    clock = Clock()
    asked = Noted(clock)

    def answer(body: dict[str, Any]) -> str:
        clock.now += seconds
        return str(int(body["messages"][0]["content"].split()[2]) + 1)

    scripted = ScriptedEngine(**{"answer": answer, "asked": asked, **behaviour})
    with ThreadPoolExecutor(1) as worker:
        async with scripted.serving(), ready_engine(scripted) as engine:
            door = Door(engine, AdmissionConfig(), clock, lambda: 1.0)
            model = engine.state.models[0]
            reader = RelevanceReader(GATE, lambda: load_ladder(shipped_gate(), "fast", no_encoder), worker)
            profiles = Profiles(folder / "profiles.json", clock)
            target = Target(model.name, model, door)
            yield Bench(scripted, door, clock, profiles, folder / "profile", reader, target, asked_at=asked.at)


def no_encoder() -> Any:
    raise AssertionError("the fast one reads alone")


@asynccontextmanager
async def running(measuring: IdleMeasuring) -> AsyncIterator[IdleMeasuring]:
    task = asyncio.create_task(measuring.run())
    try:
        yield measuring
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


async def test_every_question_is_asked_once_and_the_vector_is_published_at_each_doubling(tmp_path: Path) -> None:
    async with bench(tmp_path) as at, running(at.measuring()):
        await until(lambda: at.published[-1:] == [130])

        assert [60, 120, 130] == at.published
        assert {question.id for question in SUMS} == set(at.answers())
        assert 130 == len(at.engine.asked)
        assert not at.door.has_served, "no request has come: what is measured is in no count"


async def test_nothing_is_asked_in_the_first_five_minutes_after_anything(tmp_path: Path) -> None:
    async with bench(tmp_path, metrics="vllm:num_requests_running 0\nvllm:num_requests_waiting 0\n") as at:
        at.clock.now = 100.0
        turn = await at.door.own_turn(100.0)
        at.clock.now = 200.0
        at.door.leave(turn)  # type: ignore[arg-type]
        async with running(at.measuring()):
            await until(lambda: len(at.asked_at) > 3)

    assert 200.0 + QUIET_S <= at.asked_at[0] < 200.0 + QUIET_S + 2 * LOOK_S


async def test_at_most_a_tenth_of_any_hour_goes_into_it(tmp_path: Path) -> None:
    """30 s each: 12 in an hour, whatever hour one looks at."""
    async with bench(tmp_path, seconds=30.0) as at, running(at.measuring()):
        await until(lambda: len(at.asked_at) > 40)

    for first in at.asked_at:
        assert SHARE * SPAN_S >= 30.0 * sum(first <= moment < first + SPAN_S for moment in at.asked_at)


async def test_who_comes_does_not_wait_for_a_question(tmp_path: Path) -> None:
    """It is hung up on at once, and asked again later: an answer was never lost, and nothing counts as failed."""
    async with bench(tmp_path, delay_s=60.0) as at, running(at.measuring(SUMS[:1])) as measuring:
        await at.engine.until(lambda engine: engine.active == 1)

        async with asyncio.timeout(2):
            turn = await at.door.own_turn(at.clock())
            await at.engine.until(lambda engine: engine.hung_up == 1)
        at.door.leave(turn)  # type: ignore[arg-type]
        at.engine.delay_s = 0.0

        await until(lambda: "whether it is busy" in measuring.progress()["agents"][0]["why_not"])
        assert [] == at.answers()
        assert 1 == len(at.engine.asked)


async def test_a_question_ends_when_the_plug_is_pulled(tmp_path: Path) -> None:
    async with bench(tmp_path, delay_s=60.0) as at, running(at.measuring()) as measuring:
        await at.engine.until(lambda engine: engine.active == 1)

        at.on_battery = True

        await at.engine.until(lambda engine: engine.hung_up == 1)
        await until(lambda: "battery" in measuring.progress()["agents"][0]["why_not"])


HAND = """
import sys
from pathlib import Path
from profiler.answers import AnswerStore
with AnswerStore(Path(sys.argv[1]), "scripted-1", patience_s=20.0) as store:
    print(len(store.answers), flush=True)
    sys.stdin.read()
"""


async def test_another_process_takes_the_answers_over(tmp_path: Path) -> None:
    """`ppai-profile` by hand: the peer gives its question up, and asks again when the other is done."""
    async with bench(tmp_path) as at, running(at.measuring()) as measuring:
        await until(lambda: len(at.answers()) >= 3)
        at.engine.delay_s = 60.0
        await at.engine.until(lambda engine: engine.active == 1)

        command = [sys.executable, "-c", HAND, str(at.folder)]
        hand = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert hand.stdout and hand.stdin
            first = await hand.stdout.readline()
            kept = at.answers()
            await until(lambda: "another ppai-profile" in measuring.progress()["agents"][0]["why_not"])
            asked, at.engine.delay_s = len(at.engine.asked), 0.0

            assert len(kept) == int(first)
            assert 1 == at.engine.hung_up
            assert asked == len(at.engine.asked)
        finally:
            hand.stdin.close()
            await hand.wait()

        await until(lambda: len(at.answers()) > len(kept))


async def test_code_is_asked_for_only_behind_a_wall(tmp_path: Path) -> None:
    async with bench(tmp_path) as at, running(at.measuring([CODE, *SUMS[:3]])) as measuring:
        await until(lambda: "every question" in measuring.progress()["agents"][0]["why_not"])

        assert {question.id for question in SUMS[:3]} == set(at.answers())
        assert CODE.prompt not in [body["messages"][-1]["content"] for body in at.engine.asked]

    async with (
        bench(tmp_path, answer=lambda body: "def f(x): return x + 1") as at,
        running(at.measuring([CODE], wall_problem=lambda programs: "")),
    ):
        await at.engine.until(lambda engine: len(engine.asked) > 0)


async def test_an_engine_that_fails_is_left_alone_for_an_hour(tmp_path: Path) -> None:
    async with bench(tmp_path, status=500) as at, running(at.measuring()) as measuring:
        await until(lambda: "tried again in an hour" in measuring.progress()["agents"][0]["why_not"])
        assert FAILURES == len(at.engine.asked)
        at.engine.status = 200

        await until(lambda: len(at.answers()) > 0)

        failed, tried_again = at.asked_at[FAILURES - 1 : FAILURES + 1]
        assert SPAN_S <= tried_again - failed < SPAN_S + 2 * LOOK_S


async def test_what_is_stored_is_asked_no_more(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        async with running(at.measuring(SUMS[:70])):
            await until(lambda: at.published == [60, 70])
        async with running(at.measuring(SUMS[:80])):
            await until(lambda: at.published == [60, 70, 80])

        assert 80 == len(at.engine.asked)


async def test_a_model_that_was_replaced_is_measured_anew(tmp_path: Path) -> None:
    """Its old answers stay in the file; its old vector counts less until the new one is there."""
    async with bench(tmp_path) as at:
        at.target = replace(at.target, model=replace(at.target.model, quantisation="Q8_0"))
        async with running(at.measuring(SUMS[:70])) as measuring:
            await until(lambda: at.published == [60, 70])

            at.target = replace(at.target, model=replace(at.target.model, quantisation="Q4_0"))
            at.profiles.served([(at.target.agent, at.target.make)])
            stale = sum(at.profiles.of(at.target.agent)[GATE.space].evidence)
            await until(lambda: at.published == [60, 70, 60, 70])

        assert stale <= 35
        assert not measuring.progress()["agents"][0]["stale"]
        assert 140 == len(at.engine.asked)
        assert 140 == len((at.folder / "scripted-1.jsonl").read_bytes().splitlines())


async def test_a_model_that_thinks_first_is_given_room(tmp_path: Path) -> None:
    """It spends all tokens that the answer needs on thought, and would be graded as if it knew nothing."""

    def thinks(body: dict[str, Any]) -> str:
        return "<think>hm" if body["max_tokens"] < THOUGHT_TOKENS else "<think>hm</think> 1"

    async with bench(tmp_path, answer=thinks, finish_reason="length") as at, running(at.measuring(SUMS[:1])):
        await until(lambda: len(at.answers()) == 1)

        assert [320, THOUGHT_TOKENS] == [body["max_tokens"] for body in at.engine.asked]
        (answer,) = stored(at.folder)[at.target.agent]
        assert 1.0 == answer.right


async def test_off_is_off(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        measuring = at.measuring(config=ProfileConfig(auto="off"))
        await measuring.run()

        assert "profile.auto is off" == measuring.progress()["agents"][0]["why_not"]


async def test_another_programs_job_starts_the_five_minutes_anew(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.clock.now = QUIET_S
        engine = at.door.engine
        engine._engine.state = replace(engine.state, others=1, load_source="metrics")  # type: ignore[attr-defined]
        measuring = at.measuring()
        measuring.seen()
        engine._engine.state = replace(engine.state, others=0)  # type: ignore[attr-defined]
        async with running(measuring):
            await until(lambda: len(at.asked_at) > 0)

    assert at.asked_at[0] >= 2 * QUIET_S


async def test_how_far_it_is_can_be_shown_as_json(tmp_path: Path) -> None:
    async with bench(tmp_path) as at, running(at.measuring(SUMS[:60])) as measuring:
        await until(lambda: at.published == [60])
        await until(lambda: "every question" in measuring.progress()["agents"][0]["why_not"])

        shown = msgspec.json.decode(msgspec.json.encode(measuring.progress()))

    row = {"name": "scripted-1", "answers": 60, "published": 60, "stale": False, "asking": False}
    assert {"auto": "idle", "questions": 60, "agents": [{**row, "why_not": "it was asked every question"}]} == shown


async def test_what_says_most_is_asked_first(tmp_path: Path) -> None:
    """One question of each category before the second of any, wherever they stand in the set."""
    kinds = [replace(question, category=f"kind {n // 10}") for n, question in enumerate(SUMS[:60])]
    async with bench(tmp_path) as at, running(at.measuring(kinds)):
        await until(lambda: len(at.answers()) >= 6)

        category_of = {question.id: question.category for question in kinds}
        assert 6 == len({category_of[question] for question in at.answers()[:6]})


async def test_a_long_answer_is_given_up_where_the_tenth_of_the_hour_ends(tmp_path: Path) -> None:
    """It is no fault of the engine, and the question is asked again when there is time."""
    async with bench(tmp_path, delay_s=60.0) as at, running(at.measuring(SUMS[:1])) as measuring:
        await at.engine.until(lambda engine: engine.active == 1)

        at.clock.now += SHARE * SPAN_S

        await at.engine.until(lambda engine: engine.hung_up == 1)
        await until(lambda: "of the last hour" in measuring.progress()["agents"][0]["why_not"])
        at.engine.delay_s = 0.0
        await until(lambda: len(at.answers()) == 1)


async def test_a_question_is_not_laid_aside_because_the_engine_was_gone(tmp_path: Path) -> None:
    """One that the engine refuses is, until the next start."""
    async with bench(tmp_path, status=400) as at, running(at.measuring(SUMS[:4])) as measuring:
        await until(lambda: "every question" in measuring.progress()["agents"][0]["why_not"])
        assert 4 == len(at.engine.asked)

    def hangs_up(body: dict[str, Any]) -> str:
        for transport in engine.transports:
            transport.abort()
        return "1"

    async with bench(tmp_path, answer=hangs_up) as at:
        engine = at.engine
        async with running(at.measuring(SUMS[:1])) as measuring:
            await until(lambda: "does not answer" in measuring.progress()["agents"][0]["why_not"])
            at.engine.answer = lambda body: "1"
            await at.door.engine._engine.refresh()  # type: ignore[attr-defined]

            await until(lambda: len(at.answers()) == 1)


async def test_an_engine_is_left_alone_while_another_of_this_machine_is_used(tmp_path: Path) -> None:
    """They may share a graphics card. Of the other's own model nothing is asked: it runs elsewhere."""
    async with bench(tmp_path, delay_s=60.0) as at, ready_engine(at.engine) as other:
        beside = Door(other, AdmissionConfig(), at.clock, lambda: 1.0)
        elsewhere = replace(other.state, place="cloud")
        other._engine.state = elsewhere  # type: ignore[union-attr]
        at.others.append(Target("other", elsewhere.models[0], beside))
        async with running(at.measuring(SUMS[:1])) as measuring:
            await at.engine.until(lambda engine: engine.active == 1)

            turn = await beside.own_turn(at.clock())

            await at.engine.until(lambda engine: engine.hung_up == 1)
            await until(lambda: "is used" in measuring.progress()["agents"][0]["why_not"])
            at.engine.delay_s, left = 0.0, at.clock.now
            beside.leave(turn)  # type: ignore[arg-type]
            await until(lambda: len(at.answers()) == 1)

        assert at.asked_at[-1] >= left + QUIET_S
