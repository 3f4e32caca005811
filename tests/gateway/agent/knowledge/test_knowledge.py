"""The documents of an agent: an answer only where they are near enough, and never an error."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.agent.knowledge import following
from gateway.agent.knowledge.knowledge import LEAST, Knowledge, source_of
from gateway.agent.settings import KnowledgeSettings
from gateway.home.folder import Home
from gateway.home.weights import WeightsMissing, locate
from profiler.encoder import EncoderError, load_encoder
from tests.gateway.agent.knowledge.made import WordEncoder

Make = Callable[..., Knowledge]
EVERYDAY = [f"everyday question number {n}" for n in range(10)]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "boats.md").write_text("# Keel\n\nThe keel of this boat is lead.\n\n# Mast\n\nIts mast is wood.")
    return folder


@pytest.fixture
def make(tmp_path: Path, docs: Path) -> Iterator[Make]:
    made: list[Knowledge] = []

    def make(*folders: Path, encoder: Callable = WordEncoder, **more: object) -> Knowledge:
        settings = KnowledgeSettings(tuple(map(str, folders or (docs,))))
        more = {"questions": lambda: EVERYDAY, **more}
        made.append(Knowledge(tmp_path / "knowledge" / "a.sqlite", settings, encoder, **more))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


async def finish(one: Knowledge) -> None:
    while await one.advance():
        pass


async def test_a_near_question_is_answered_and_another_is_not(make: Make) -> None:
    one = make()
    await finish(one)

    near, other = await one.find("what is the keel of this boat?"), await one.find("how do onions grow in sandy soil?")

    assert (True, False) == (near.is_enough, other.is_enough)
    assert ("boats.md", "Keel", "The keel of this boat is lead.") == (
        *(near.passages[0].document, near.passages[0].heading, near.passages[0].text),
    )
    assert one.progress.is_done
    assert (1, 0, 2, 2) == (one.progress.documents, one.progress.unread, one.progress.pieces, one.progress.vectors)


async def test_a_question_without_words_finds_nothing(make: Make) -> None:
    one = make()
    await finish(one)

    assert () == (await one.find("  \n")).passages


async def test_the_threshold_is_what_few_everyday_questions_reach_and_is_kept(make: Make, docs: Path) -> None:
    one = make(questions=lambda: ["what is the keel of this boat, said otherwise?"] * 20)
    await finish(one)
    assert one.threshold > LEAST
    one.close()

    again = make(questions=lambda: pytest.fail("they were asked again"))
    await finish(again)

    assert one.threshold == again.threshold


async def test_documents_that_change_while_it_runs_are_followed(
    make: Make, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LOOK_S", 0.05)
    one = make()
    running = asyncio.create_task(one.run())
    try:
        async with asyncio.timeout(20):
            while not one.progress.is_done:
                await asyncio.sleep(0.01)
            (docs / "boats.md").write_text("# Rudder\n\nThe rudder of this boat is plywood.")
            while "plywood" not in (await one.find("what is the rudder?")).passages[0].text:
                await asyncio.sleep(0.01)
        assert "lead" not in " ".join(passage.text for passage in (await one.find("keel lead")).passages)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_each_problem_is_said_once(make: Make, tmp_path: Path) -> None:
    said: list[str] = []
    one = make(tmp_path / "gone", say=said.append)

    for _ in range(3):
        await finish(one)

    assert 1 == len(said)
    assert said == list(one.progress.problems)


async def test_without_encoder_nothing_is_found_and_nothing_raised(make: Make) -> None:
    def missing() -> WordEncoder:
        raise EncoderError("no encoder weights. Run: ppai pull encoder")

    one = make(encoder=missing)
    await finish(one)

    assert () == (await one.find("what is the keel?")).passages
    assert ["Run: ppai pull encoder"] == [problem.rpartition(". ")[2] for problem in one.progress.problems]


async def test_a_damaged_index_is_no_error_and_made_good(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LOOK_S", 0.0)
    one = make()
    await finish(one)
    file = tmp_path / "knowledge" / "a.sqlite"
    file.write_bytes(b"x" * file.stat().st_size)

    await one.find("keel")
    for _ in range(3):
        await finish(one)

    assert (await one.find("what is the keel of this boat?")).is_enough


async def test_a_text_that_the_encoder_fails_at_harms_no_other(make: Make, docs: Path) -> None:
    class Failing(WordEncoder):
        def encode(self, texts):  # type: ignore[no-untyped-def]
            if any("wood" in text for text in texts):
                raise RuntimeError("no such text")
            return super().encode(texts)

    one = make(encoder=Failing)
    await finish(one)

    assert 2 == one.progress.vectors
    assert (await one.find("what is the keel of this boat?")).is_enough
    assert () == (await one.find("is the mast of wood?")).passages


async def test_what_is_closed_finds_nothing(make: Make) -> None:
    """As for a request that began before the agent's file changed."""
    one = make()
    await finish(one)

    one.close()

    assert () == (await one.find("what is the keel of this boat?")).passages


async def test_documents_of_several_folders_are_told_apart(make: Make, docs: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "boats.md").write_text("The sail is cloth.")
    one = make(docs, other)
    await finish(one)

    assert "other/boats.md" == (await one.find("what is the sail?")).passages[0].document


def test_closing_ends_threads(make: Make) -> None:
    before = threading.active_count()
    one = make()
    asyncio.run(finish(one))

    one.close()

    assert before == threading.active_count()
    assert one._following._reading._process is None


def test_folders_are_absolute_and_named_once() -> None:
    source = source_of(KnowledgeSettings(("~/a", "~/a", "/b"), ("*.MD",)))

    assert (Path.home() / "a", Path("/b")) == source.folders
    assert ("*.md",) == source.patterns


async def test_real_questions_are_told_from_everyday_ones(tmp_path: Path) -> None:
    """With the encoder itself: what stands in the documents, and what does not."""
    weights = Home.default().weights
    try:
        locate("encoder", weights)
    except WeightsMissing as missing:
        pytest.skip(str(missing))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text(
        "# Pay\n\nSalaries are paid on the 24th of the month. Expenses up to 60 euros need only a receipt.\n\n"
        "# Safety\n\nRespirators are worn while styrene resin is open. In an alarm everybody meets at the slipway."
    )
    settings = KnowledgeSettings((str(tmp_path / "docs"),))
    one = Knowledge(tmp_path / "a.sqlite", settings, lambda: load_encoder(weights / "encoder"))
    try:
        await finish(one)
        asked = ["On which day do I get my salary?", "Where do we meet when there is an alarm?"]
        others = ["How long does rice take to boil?", "Write a poem about the sea.", "What is 7 times 8?"]

        assert [True] * 2 == [(await one.find(question)).is_enough for question in asked]
        assert [False] * 3 == [(await one.find(question)).is_enough for question in others]
    finally:
        one.close()
