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
from gateway.trust.twins import Twin
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


# --- twins ---

CLEO, DORA, ME = PeerId("cleo"), PeerId("dora"), PeerId("me")
RIGHT, WRONG = "the right one", "the wrong one"


@dataclass
class Twins:
    """Ben is due; `said` is what each peer answers, in whose order they are his twins: RIGHT, WRONG or nothing."""

    said: dict[PeerId, str | None]
    due: tuple[PeerId, ...] = (BEN, CLEO, DORA)
    asked: list[PeerId] = field(default_factory=list)
    graded: dict[PeerId, float] = field(default_factory=dict)
    compared: dict[PeerId, bool] = field(default_factory=dict)
    looks: int = 1

    def run(self, file: str) -> "Twins":
        audits = Audits(
            TrustConfig(questions=file), self._ask, lambda peer: peer == BEN, self._found, lambda: 0.0,
            tell=lambda text: None, pause=self._pause, rng=random.Random(1),
            twins=lambda _: [Twin(peer, "small", peer == ME) for peer in self.said if peer != BEN],
            compared=self.compared.__setitem__,
        )  # fmt: skip
        for number in range(20):
            for peer in self.due:
                audits.answered(peer, "small", "maths", str(number))
        try:
            asyncio.run(audits.run())
        except Stop:
            self.suspected = [peer for peer in self.due if audits._budget._accounts[peer].audits == 0]
        return self

    async def _ask(self, peer: PeerId, agent: str, messages: Sequence[dict[str, str]], request_id: str) -> str | None:
        self.asked.append(peer)
        said = self.said[peer]
        return said if said is None else {RIGHT: "It is 4.", WRONG: "I say it is 5."}[said]

    async def _found(self, due: Due, query: str, score: float) -> None:
        self.graded[due.peer] = score

    async def _pause(self, seconds: float) -> None:
        self.looks -= 1
        if self.looks < 0:
            raise Stop


@pytest.fixture
def sums(tmp_path: Path) -> str:
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps({"query": "2+2?", "task": "t", "answer": "4", "grade": "number"}) + "\n")
    return str(file)


def test_two_that_claim_one_model_and_are_due_get_the_same_question(sums: str) -> None:
    """Each answer is an audit of its peer; where they agree nobody else is asked."""
    found = Twins({BEN: RIGHT, CLEO: RIGHT, DORA: RIGHT}).run(sums)

    assert [BEN, CLEO] == found.asked
    assert {BEN: 1.0, CLEO: 1.0} == found.graded
    assert {BEN: True, CLEO: True} == found.compared


def test_where_two_differ_a_third_is_referee_and_the_odd_one_is_audited_more_often(sums: str) -> None:
    found = Twins({BEN: WRONG, CLEO: RIGHT, DORA: RIGHT}).run(sums)

    assert [BEN, CLEO, DORA] == found.asked
    assert {BEN: False, CLEO: True, DORA: True} == found.compared
    assert [BEN] == found.suspected


def test_our_own_engine_with_the_same_model_is_asked_first_and_costs_no_other_peer_anything(sums: str) -> None:
    found = Twins({BEN: WRONG, CLEO: RIGHT, ME: RIGHT}).run(sums)

    assert [BEN, ME] == found.asked
    assert {BEN: 0.0} == found.graded
    assert {BEN: False} == found.compared


def test_a_twin_that_our_traffic_does_not_pay_for_is_not_asked(sums: str) -> None:
    found = Twins({BEN: WRONG, CLEO: RIGHT}, due=(BEN,)).run(sums)

    assert ([BEN], {}, []) == (found.asked, found.compared, found.suspected)


def test_a_twin_that_does_not_answer_says_nothing_of_the_other(sums: str) -> None:
    found = Twins({BEN: RIGHT, CLEO: None, DORA: RIGHT}).run(sums)

    assert [BEN, CLEO, DORA] == found.asked
    assert {BEN: True, DORA: True} == found.compared


# --- what is asked ---


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
