"""What an owner's questions found is folded from stored answers, once for what is due, whoever asked them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from discovery.records import Domain
from gateway.measuring.owned.domains import Domains
from gateway.measuring.owned.sheets import Sheet, attracts_nothing, fold_now, fold_owned, owned_sheets
from gateway.measuring.targets import Target
from profiler.answers import Answer, AnswerStore
from profiler.owned import OWNED
from profiler.question import QueryError
from tests.gateway.measuring.test_targets import porter

LINES = [f"What is the code of room {n}?\tC{n}" for n in range(20)]


async def both(folder: Path) -> tuple[Sheet, Sheet]:
    (folder / "questions.tsv").write_text("\n".join(LINES))
    with_, without = await owned_sheets(porter(folder / "questions.tsv", topics=("Codes of rooms",)))
    return with_, without


def store(folder: Path, sheet: Sheet, right: Sequence[float]) -> None:
    with AnswerStore(folder, sheet.asked.agent, sheet.asked.make) as kept:
        for question, grade in zip(sheet.questions, right, strict=False):
            kept.add(Answer(question.id, question.query, OWNED, "", grade, 1.0, make=sheet.asked.make))


async def half(topics: Sequence[str], texts: Sequence[str]) -> Sequence[float]:
    return [float(number % 2) for number, _ in enumerate(texts)]


async def none_of_them(topics: Sequence[str], texts: Sequence[str]) -> Sequence[float]:
    return [0.0 for _ in texts]


async def test_an_agent_and_its_model_alone_are_asked_the_same(tmp_path: Path) -> None:
    with_, without = await both(tmp_path)

    assert ("porter", "m") == (with_.asked.agent, without.asked.agent)
    assert 20 == len(with_.questions) and with_.questions == without.questions


async def test_who_has_no_questions_is_asked_none() -> None:
    assert () == await owned_sheets(porter()) == await owned_sheets(porter().alone)


async def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match="cannot read the questions"):
        await owned_sheets(porter(Path("/nowhere/questions.tsv")))


async def test_it_is_folded_when_due_and_once(tmp_path: Path) -> None:
    domains, (with_, without) = Domains(tmp_path / "domains.json"), await both(tmp_path)
    store(tmp_path, with_, [1.0] * 20)
    store(tmp_path, without, [0.0] * 11)
    assert not await fold_owned(tmp_path, with_, domains, half), "eleven are too few"

    store(tmp_path, without, [0.0] * 20)

    assert [True, False] == [await fold_owned(tmp_path, sheet, domains, half) for sheet in (without, with_)]
    assert Domain(20, 21 / 22, 1 / 22, 11 / 22) == domains.of("porter")


async def test_it_is_folded_at_once_where_a_person_waits(tmp_path: Path) -> None:
    domains, (with_, without) = Domains(tmp_path / "domains.json"), await both(tmp_path)
    assert not await fold_owned(tmp_path, with_, domains, half, at_once=True), "nothing was answered"

    for sheet in (with_, without):
        store(tmp_path, sheet, [1.0] * 3)

    assert not await fold_owned(tmp_path, with_, domains, attracts_nothing, at_once=True), "no encoder reads its topics"
    assert await fold_owned(tmp_path, with_, domains, half, at_once=True)
    assert Domain(3, 0.8, 0.8, 0.5) == domains.of("porter")


async def test_other_topics_are_told_without_asking_anew(tmp_path: Path) -> None:
    domains, sheets = Domains(tmp_path / "domains.json"), await both(tmp_path)
    for sheet in sheets:
        store(tmp_path, sheet, [1.0] * 20)
    await fold_owned(tmp_path, sheets[0], domains, half)
    other: Target = porter(tmp_path / "questions.tsv", topics=("Keys",))
    all_of_them: Any = (await owned_sheets(other))[0]

    assert await fold_owned(tmp_path, all_of_them, domains, none_of_them)
    assert 1 / 22 == domains.of("porter").recall


async def test_a_person_who_waits_is_told_why_there_is_nothing(tmp_path: Path) -> None:
    domains, sheets = Domains(tmp_path / "domains.json"), await both(tmp_path)
    target = sheets[0].asked
    for nobody in (None, porter()):
        with pytest.raises(QueryError, match=r"`porter` is no personal agent .* that has questions"):
            await fold_now(tmp_path, "porter", nobody, domains, half)
    with pytest.raises(QueryError, match="none of its owner's questions: ppai-profile own porter"):
        await fold_now(tmp_path, "porter", target, domains, half)
    for sheet in sheets:
        store(tmp_path, sheet, [1.0] * 2)

    assert [True, False] == [await fold_now(tmp_path, "porter", target, domains, half) for _ in range(2)]
    assert 2 == domains.of("porter").questions

    other = porter(tmp_path / "questions.tsv", digest="bbbbbbbb", topics=("Codes of rooms",))
    domains.served([("porter", other.make)])
    with pytest.raises(QueryError, match="as it is now, was asked none"):
        await fold_now(tmp_path, "porter", other, domains, half)
