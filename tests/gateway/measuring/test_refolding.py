"""A new gate: stored answers are folded anew without asking, and whatever is in the way is said and loses nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from gateway.measuring.profiles import Profiles
from gateway.measuring.refolding import refold
from gateway.topics.reader import RelevanceReader
from profiler.answers import Answer, AnswerStore
from profiler.encoder import EncoderError, Floats
from profiler.ladder import Ladder
from profiler.qagate import Projector, QAGate
from profiler.question import Question

MAKE = "8030261248 Q4_K_M"
QUESTIONS = [
    Question(text, task, "1", "number") for text in ("a", "aa", "b") for task in ["sums" if "a" in text else "law"]
]


def gate(tasks: Sequence[str] = ("sums", "law"), alpha: float = 8.0) -> QAGate:
    """Reads "a" and "b" as the first two axes."""
    layer, nothing = np.eye(2, dtype=np.float32), np.zeros(2, np.float32)
    prior = np.full(len(tasks), 0.5, np.float32)
    projector = Projector("letters", layer, nothing, layer, nothing)
    return QAGate(
        (projector,), np.eye(2, dtype=np.float32)[: len(tasks)], prior, tuple(tasks), tuple(tasks), alpha=alpha
    )


class Letters:
    name, dim = "letters", 2

    def __init__(self, before: Callable[[str], None] = lambda text: None) -> None:
        self.read: list[str] = []
        self._before = before

    def encode(self, texts: Sequence[str]) -> Floats:
        for text in texts:
            self._before(text)
        self.read += texts
        return np.array([[text.count("a"), text.count("b")] for text in texts], np.float32)


@dataclass
class Home:
    """A home whose agent `small` was measured with another gate, of 3 prototypes."""

    folder: Path
    encoder: Letters = field(default_factory=Letters)
    said: list[str] = field(default_factory=list)
    published: int = 0

    def __post_init__(self) -> None:
        self.profiles = Profiles(self.folder / "profiles.json")

    def measured(self, agent: str = "small", right: float = 1.0, make: str = MAKE, answers: int = 3) -> None:
        self.profiles.keep(agent, "old", np.array([0.5, 0.5, 0.5]), [1, 1, 1], make)
        with AnswerStore(self.folder / "profile", agent, make) as store:
            for question in QUESTIONS[:answers]:
                store.add(Answer(question.id, question.query, question.task, "1", right, 0.1, make=make))

    @asynccontextmanager
    async def reader(self, opened: Callable[[], None] = lambda: None) -> AsyncIterator[RelevanceReader]:
        def load() -> Ladder:
            opened()
            return Ladder(gate(), self.encoder, None)

        with ThreadPoolExecutor(1) as worker:
            yield RelevanceReader(gate(), load, worker)

    async def start(self, opened: Callable[[], None] = lambda: None) -> None:
        async with self.reader(opened) as reader:
            await refold(
                self.folder / "profile", self.profiles, reader, self._note, self.said.append, lambda: QUESTIONS
            )

    def _note(self) -> None:
        self.published += 1


SPACE = gate().space


async def test_stored_answers_are_folded_anew_and_the_older_vector_stays(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.measured()

    await home.start()

    spaces = Profiles(tmp_path / "profiles.json").of("small")  # as a restart finds it
    assert ["old", SPACE] == list(spaces)
    assert (2, 1) == spaces[SPACE].evidence
    assert min(spaces[SPACE].capability) > 127
    assert (3, 1) == (len(spaces["old"].capability), home.published)
    assert ["folded anew, nothing is asked again" in home.said[0], "3 answers" in home.said[1]] == [True, True]


async def test_the_next_start_does_nothing_and_says_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.measured()
    await home.start()
    home.said.clear()
    home.encoder.read.clear()

    await home.start()

    assert ([], [], 1) == (home.said, home.encoder.read, home.published)


async def test_nobody_measured_needs_no_encoder(tmp_path: Path) -> None:
    home = Home(tmp_path)

    await home.start(lambda: pytest.fail("the encoder was loaded"))

    assert [] == home.said


async def test_measuring_again_ends_the_older_vector(tmp_path: Path) -> None:
    """As published it stays for peers of the older gate, until it lacks what was answered since."""
    home = Home(tmp_path)
    home.measured()
    await home.start()

    home.profiles.keep("small", SPACE, np.array([0.9, 0.2]), [2, 2], MAKE)

    assert [SPACE] == list(home.profiles.of("small"))


async def test_who_was_measured_meanwhile_keeps_that_vector(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.measured()
    home.encoder = Letters(lambda text: home.profiles.keep("small", SPACE, np.array([0.9, 0.2]), [9, 9], MAKE))

    await home.start()

    assert (9, 9) == home.profiles.of("small")[SPACE].evidence


async def test_a_stop_ends_it_between_two_texts_and_the_next_start_goes_on(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.measured("first")
    home.measured("second")
    tasks: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()
    whole, home.encoder = home.encoder, Letters(lambda text: loop.call_soon_threadsafe(tasks[0].cancel) and None)

    tasks.append(asyncio.create_task(home.start()))
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(tasks[0], 20)

    assert (1, 0) == (len(home.encoder.read), home.published)
    home.encoder = whole
    await home.start()
    assert ["old", SPACE] == list(home.profiles.of("first")) == list(home.profiles.of("second"))


async def test_an_agent_without_stored_answers_counts_as_unmeasured_and_is_told(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.measured("kept")
    home.profiles.keep("moved here", "old", np.array([0.5]), [3], MAKE)

    await home.start()

    assert ["old"] == list(home.profiles.of("moved here"))
    assert ["old", SPACE] == list(home.profiles.of("kept"))
    assert any("`moved here` counts as unmeasured" in line and "ppai-profile" in line for line in home.said)


async def test_answers_of_a_model_that_was_replaced_do_not_count(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.measured(right=0.0, make="1 Q8_0")
    home.measured(answers=2)

    await home.start()

    assert (2, 0) == home.profiles.of("small")[SPACE].evidence


async def test_a_damaged_line_costs_that_agent_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.measured("broken")
    home.measured("whole")
    with (tmp_path / "profile" / "broken.jsonl").open("a") as file:
        file.write("not an answer\n")

    await home.start()

    assert ["old"] == list(home.profiles.of("broken"))
    assert ["old", SPACE] == list(home.profiles.of("whole"))
    assert any("`broken` counts as unmeasured" in line and "broken.jsonl:4" in line for line in home.said)
    assert 4 == len((tmp_path / "profile" / "broken.jsonl").read_text().splitlines())  # nothing is lost


async def test_without_an_encoder_nothing_is_lost_and_it_is_told(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.measured()

    def absent() -> None:
        raise EncoderError("no encoder weights. Run: ppai pull encoder")

    await home.start(absent)

    assert ["old"] == list(home.profiles.of("small"))
    assert "ppai pull encoder" in home.said[-1]


async def test_an_encoder_that_fails_at_a_text_ends_no_peer(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.measured()

    def fails(text: str) -> None:
        raise RuntimeError("out of memory")

    home.encoder = Letters(fails)

    await home.start()

    assert ["old"] == list(home.profiles.of("small"))


async def test_without_room_on_the_disk_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    home.measured()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gateway.measuring.kept.write_private", full)

    await home.start()

    assert ["old"] == list(home.profiles.of("small"))
    assert "No space left" in home.said[-1]
