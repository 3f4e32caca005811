"""Measuring while idle, with a real engine behind the real door: when it asks, when it stops, what it publishes."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from gateway.capacity.door import Door
from gateway.capacity.rules import AdmissionConfig
from gateway.measuring.asking import LOOK_S, IdleMeasuring
from gateway.measuring.idle import FAILURES, QUIET_S, SHARE, SPAN_S, ProfileConfig
from gateway.measuring.owned.domains import Domains
from gateway.measuring.profiles import Profiles
from gateway.measuring.targets import Configured, Target
from gateway.topics.reader import RelevanceReader
from gateway.upstream import Patience, Reply, Upstream
from gateway.wire.codec import Pieces
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


@dataclass(frozen=True)
class Prompted:
    """A personal agent that only says to the model who it is, and asks it for nobody else's sake than a peer's."""

    def over(self, engine: Upstream, *, is_own: bool) -> Upstream:
        assert not is_own, "what is measured is told to others: it is what they would get"
        return PromptedEngine(engine)


@dataclass(frozen=True)
class PromptedEngine:
    engine: Upstream

    def open(
        self, endpoint: str, body: Pieces, headers: Mapping[str, str], *, stream: bool, patience: Patience
    ) -> AbstractAsyncContextManager[Reply]:
        asked = msgspec.json.decode(b"".join(bytes(piece) for piece in body))
        asked["messages"] = [{"role": "system", "content": "You are the porter."}, *asked["messages"]]
        return self.engine.open(endpoint, (msgspec.json.encode(asked),), headers, stream=stream, patience=patience)


ROOMS = [f"What is the code of room {n}?\tC{n}" for n in range(20)]


def written(folder: Path, lines: Sequence[str] = ROOMS) -> Path:
    (folder / "questions.tsv").write_text("\n".join(lines))
    return folder / "questions.tsv"


def porter(body: dict[str, Any]) -> str:
    """Knows every code as the porter, and none else."""
    asked = body["messages"][-1]["content"]
    if not asked.startswith("What is the code"):
        return str(int(asked.split()[2]) + 1)
    return f"It is C{asked.split()[-1].rstrip('?')}." if body["messages"][0]["role"] == "system" else "Who knows."


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
    domains: Domains
    published: list[int] = field(default_factory=list)  # questions behind each vector
    asked_at: list[float] = field(default_factory=list)
    on_battery: bool = False
    others: list[Target] = field(default_factory=list)  # agents of another engine
    likely: dict[str, float] = field(default_factory=dict)  # how strongly topics attract a text; 1 where it is not said

    def measuring(self, questions: Sequence[Question] = SUMS, **changes: Any) -> IdleMeasuring:
        return IdleMeasuring(
            changes.pop("config", ProfileConfig()), self.folder, lambda: [self.target, *self.others],
            self.profiles, self.reader, self._note, self.clock, domains=self.domains, attracts=self._attracts,
            pause=self.clock.pause, on_battery=lambda: self.on_battery,
            questions=lambda: questions, wall_problem=changes.pop("wall_problem", lambda programs: "no wall"),
        )  # fmt: skip

    def _note(self) -> None:
        profile = self.profiles.of(self.target.agent).get(GATE.space)
        self.published.append(sum(profile.evidence) if profile else 0)

    async def _attracts(self, topics: Sequence[str], texts: Sequence[str]) -> Sequence[float] | None:
        return [self.likely.get(text, 1.0) for text in texts]

    def personal(self, questions: Path | None = None, digest: str = "aaaaaaaa", **changes: Any) -> Target:
        """The bench's model with an agent before it that knows the codes of rooms."""
        configured = Configured(Prompted(), digest, self.engine.model, questions, ("The codes of rooms",), **changes)
        return replace(self.target, agent="porter", configured=configured)

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
            domains = Domains(folder / "domains.json", clock)
            yield Bench(scripted, door, clock, profiles, folder / "profile", reader, target, domains, asked_at=asked.at)


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


async def test_an_owners_questions_are_asked_of_the_agent_and_of_its_model_alone(tmp_path: Path) -> None:
    """And what others are told of it is the share right with what it has, and without; the questions stay here."""
    async with bench(tmp_path, answer=porter) as at:
        at.target = at.personal(written(tmp_path))
        at.likely = {"What is the code of room 0?": 0.4}
        async with running(at.measuring(SUMS[:60])) as measuring:
            await until(lambda: "every question" in measuring.progress()["agents"][0]["why_not"])
            (row,) = measuring.progress()["agents"]

    domain = {"questions": 20, "right": 21 / 22, "right_without": 1 / 22, "recall": 20 / 22, "stale": False}
    assert domain == row["domain"]
    assert (60, 60, "") == (row["answers"], row["published"], row["questions_problem"])
    roles = [body["messages"][0]["role"] for body in at.engine.asked]
    assert ["system"] * 20 + ["user"] * 20 + ["system"] * 60 == roles
    assert [0, 0, 60] == at.published, "after 12 questions of the owner's, after all of them, and with the vector"


async def test_an_agent_that_is_configured_otherwise_is_measured_anew(tmp_path: Path) -> None:
    """Its answers and its vector are of how it was; what its model alone answered stays."""
    async with bench(tmp_path, answer=porter) as at:
        at.target = at.personal(written(tmp_path))
        async with running(at.measuring(SUMS[:60])) as measuring:
            await until(lambda: at.published == [0, 0, 60])
            at.target = at.personal(tmp_path / "questions.tsv", "bbbbbbbb")
            at.profiles.served([("porter", at.target.make)])
            at.domains.served([("porter", at.target.make)])
            stale = (at.domains.of("porter").questions, sum(at.profiles.of("porter")[GATE.space].evidence))
            await until(lambda: at.published[3:] == [8, 8, 60])

        assert (8, 8) == stale
        assert (20, False) == (at.domains.of("porter").questions, at.domains.is_stale("porter"))
        assert 20 + 20 + 60 + 20 + 60 == len(at.engine.asked)
        assert not measuring.progress()["agents"][0]["stale"]


async def test_questions_that_cannot_be_asked_keep_nobody_from_the_others(tmp_path: Path) -> None:
    async with bench(tmp_path, answer=porter) as at:
        at.target = at.personal(written(tmp_path, ROOMS[:3]))
        async with running(at.measuring(SUMS[:2])) as measuring:
            await until(lambda: "every question" in measuring.progress()["agents"][0]["why_not"])
            assert "holds 3 questions" in measuring.progress()["agents"][0]["questions_problem"]
            assert 2 == len(at.engine.asked)

            written(tmp_path)
            await until(lambda: at.domains.of("porter").questions == 20)

        assert "" == measuring.progress()["agents"][0]["questions_problem"]


async def test_one_question_more_is_asked_and_nothing_else(tmp_path: Path) -> None:
    async with bench(tmp_path, answer=porter) as at:
        at.target = at.personal(written(tmp_path))
        async with running(at.measuring(SUMS[:1])):
            await until(lambda: len(at.engine.asked) == 41)
            written(tmp_path, [*ROOMS, "What is the code of room 77?\tC77"])
            await until(lambda: at.domains.of("porter").questions == 21)

        assert 43 == len(at.engine.asked)


async def test_an_agent_is_asked_once_its_documents_are_read(tmp_path: Path) -> None:
    async with bench(tmp_path, answer=porter) as at:
        at.target = at.personal(is_read=False)
        async with running(at.measuring(SUMS[:1])) as measuring:
            await until(lambda: "still being read" in measuring.progress()["agents"][0]["why_not"])
            assert [] == at.engine.asked

            at.target = at.personal()
            await until(lambda: len(at.engine.asked) == 1)
