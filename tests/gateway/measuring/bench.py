"""Measuring before a scripted engine, with a clock of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from gateway.capacity.door import Door
from gateway.capacity.rules import AdmissionConfig
from gateway.measuring.asking import IdleMeasuring
from gateway.measuring.idle import ProfileConfig
from gateway.measuring.owned.domains import Domains
from gateway.measuring.profiles import Profiles
from gateway.measuring.targets import Configured, Target
from gateway.topics.reader import RelevanceReader
from gateway.upstream import Patience, Reply, Upstream
from gateway.wire.codec import Pieces
from profiler.answers import stored
from profiler.ladder import load_ladder
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


HAND = """
import sys
from pathlib import Path
from profiler.answers import AnswerStore
with AnswerStore(Path(sys.argv[1]), "scripted-1", patience_s=20.0) as store:
    print(len(store.answers), flush=True)
    sys.stdin.read()
"""
