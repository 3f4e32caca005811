"""Audits: who is due is asked what we know the answer to, and a failure is no answer."""

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from discovery.records import PeerId
from gateway.trust.audits import Audits, TrustConfig
from gateway.trust.budget import Due
from profiler.grading.grades import RUNS_CODE
from profiler.queries import load_questions

BEN = PeerId("ben")


class Stop(Exception):
    pass


@dataclass
class Asked:
    """Audits with a peer that answers `reply`; `found` is what came of them."""

    config: TrustConfig = field(default_factory=TrustConfig)
    reply: str | None = "B"
    looks: int = 3
    may: bool = True
    texts: list[str] = field(default_factory=list)
    found: list[tuple[Due, str, float]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.audits = Audits(
            self.config, self._ask, lambda _: self.may, self._found, lambda: 0.0,
            tell=self.told.append, pause=self._pause, rng=random.Random(1),
        )  # fmt: skip

    async def _ask(self, peer: PeerId, agent: str, messages: Sequence[dict[str, str]], request_id: str) -> str | None:
        assert self.audits.is_audit(request_id)
        self.audits.answered(peer, agent, "maths", request_id)  # as the dispatcher tells of every answer
        self.texts.append(messages[-1]["content"])
        return self.reply

    async def _found(self, due: Due, query: str, score: float) -> None:
        self.found.append((due, query, score))

    async def _pause(self, seconds: float) -> None:
        self.looks -= 1
        if self.looks < 0:
            raise Stop

    def run(self, requests: int, category: str = "maths") -> None:
        for number in range(requests):
            self.audits.answered(BEN, "small", category, str(number))
        try:
            asyncio.run(self.audits.run())
        except Stop:
            return


def questions(folder: Path, *grades: str) -> str:
    known = {one.grade: one for one in load_questions("builtin")}
    file = folder / "mine.jsonl"
    lines = []
    for grade in grades:
        one = known[grade]  # type: ignore[index]
        answer = one.answer if grade in ("choice", "number", "exact", "code", "contains") else json.loads(one.answer)
        lines.append({"query": one.query, "task": "t", "answer": answer, "grade": grade, "choices": list(one.choices)})
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(file)


def test_who_is_due_is_asked_one_question_of_what_it_is_used_for() -> None:
    asked = Asked()
    asked.run(20, "maths")

    known = {one.query: one for one in load_questions("builtin")}
    ((due, query, score),) = asked.found
    assert Due(BEN, "small", "maths") == due
    assert "maths" == known[query].category
    assert score in (0.0, 1.0)


def test_an_audit_earns_no_audit() -> None:
    asked = Asked(looks=30)
    asked.run(20)

    assert 1 == len(asked.texts)


@pytest.mark.parametrize(("requests", "may", "audits"), [(19, True, "on"), (20, False, "on"), (20, True, "off")])
def test_nobody_is_asked_who_is_not_due_or_may_not_be(requests: int, may: bool, audits: str) -> None:
    asked = Asked(TrustConfig(audits=audits), may=may)  # type: ignore[arg-type]
    asked.run(requests)

    assert not asked.texts


def test_what_fails_or_is_cut_is_no_wrong_answer() -> None:
    asked = Asked(reply=None)
    asked.run(20)

    assert (1, 0) == (len(asked.texts), len(asked.found))


def test_no_question_is_asked_whose_answer_would_have_to_be_run(tmp_path: Path) -> None:
    asked = Asked(TrustConfig(questions=questions(tmp_path, *RUNS_CODE)))
    asked.run(20)

    assert not asked.texts
    assert "would have to be run" in asked.told[0]


def test_a_file_of_the_owner_s_is_used_instead(tmp_path: Path) -> None:
    asked = Asked(TrustConfig(questions=questions(tmp_path, "choice", "code")))
    asked.run(40)

    (mine,) = [one for one in load_questions(asked.config.questions) if one.grade == "choice"]
    assert asked.texts
    assert all(mine.query in text for text in asked.texts)


def test_a_file_that_cannot_be_read_is_told_with_the_remedy(tmp_path: Path) -> None:
    asked = Asked(TrustConfig(questions=str(tmp_path / "none.jsonl")))
    asked.run(20)

    assert not asked.texts
    assert "leave trust.questions out" in asked.told[0]
