"""Measuring while idle, with a real engine behind the real door: when it asks, when it stops, what it publishes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from profiler.answers import stored
from profiler.measure import THOUGHT_TOKENS
from tests.gateway.measuring.bench import CODE, GATE, ROOMS, SUMS, bench, porter, running, until, written


async def test_every_question_is_asked_once_and_the_vector_is_published_at_each_doubling(tmp_path: Path) -> None:
    async with bench(tmp_path) as at, running(at.measuring()):
        await until(lambda: at.published[-1:] == [130])

        assert [60, 120, 130] == at.published
        assert {question.id for question in SUMS} == set(at.answers())
        assert 130 == len(at.engine.asked)
        assert not at.door.has_served, "no request has come: what is measured is in no count"


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
