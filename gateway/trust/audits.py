"""Asks other peers, now and then, something of which we know the answer, and believes their claims by what they say.

An audit goes the way of every request: the owner's rules hold, and the other side cannot tell it by its path. When it
is due: budget.py; how it is worded: wording.py; what follows from it: honesty.py. What a user asked is never used, nor
a question whose answer would have to be run.
"""

import asyncio
import logging
import random
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from discovery.records import PeerId
from gateway.trust.budget import Budget, Due
from gateway.trust.twins import Answer, Twin, differ, odd_ones
from gateway.trust.wording import reworded
from profiler.grading.grades import RUNS_CODE, graded
from profiler.grading.programs import Job
from profiler.queries import load_questions
from profiler.question import QueryError, Question

log = logging.getLogger(__name__)

LOOK_S = (20.0, 90.0)  # s between two looks whether one is due: not right after the request that earned it
_PEERS = 1024  # of which is remembered what they were asked

Ask = Callable[[PeerId, str, Sequence[dict[str, str]], str], Awaitable[str | None]]
Graded = Callable[[Due, str, float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class TrustConfig:
    """Whether other peers' claims are looked into."""

    # on: at most a twentieth of our traffic to a peer, later a hundredth, and 50 a day; off: claims are believed
    audits: Literal["on", "off"] = "on"
    questions: str = ""  # a JSONL file of your own (CONTRIBUTING.md, "A query set"); empty: those that come with PPAI


class Audits:
    """`run` asks; `answered` is told of every answer that another peer gave us."""

    def __init__(
        self,
        config: TrustConfig,
        ask: Ask,
        may: Callable[[PeerId], bool],
        found: Graded,
        clock: Callable[[], float],
        *,
        tell: Callable[[str], None],
        is_doubted: Callable[[PeerId], bool] = lambda _: False,
        twins: Callable[[Due], Sequence[Twin]] = lambda _: (),
        compared: Callable[[PeerId, bool], None] = lambda peer, is_alike: None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        """`ask(peer, agent, messages, request_id)`: the answer's text, None where there was none or it was cut.

        `is_doubted`: who was found to boast is audited as often as at first. `may`: whether a peer may be audited now.
        `found(due, query, score)` is told what an answer was worth. `twins`: who claims the same model and may be asked
        now, `compared(peer, is_alike)` whether it answered as they did.
        """
        self._config, self._ask, self._may, self._found = config, ask, may, found
        self._clock, self._tell, self._pause, self._rng = clock, tell, pause, rng or random.Random()
        self._budget, self._is_doubted = Budget(), is_doubted
        self._twins, self._compared = twins, compared
        self._questions: tuple[Question, ...] = ()
        self._asked: OrderedDict[PeerId, set[str]] = OrderedDict()
        self._request_id = ""

    def answered(self, peer: PeerId, agent: str, category: str, request_id: str) -> None:
        """A peer answered a request of ours; audits themselves earn none."""
        if not self.is_audit(request_id) and self._config.audits == "on":
            self._budget.answered(peer, agent, category, is_doubted=self._is_doubted(peer))

    def is_audit(self, request_id: str) -> bool:
        """Whether this request is the audit that is under way."""
        return bool(request_id) and request_id == self._request_id

    async def run(self) -> None:
        """Audit whoever is due, one question at a time, until cancelled."""
        while self._config.audits == "on":
            await self._pause(self._rng.uniform(*LOOK_S))
            due = self._budget.due(self._may, self._clock())
            if due is not None and await self._load():
                await self._audit(due)

    async def _load(self) -> bool:
        """Whether there are questions; read once they are needed. A file that cannot be read is told."""
        if self._questions:
            return True
        try:
            found = await asyncio.to_thread(load_questions, self._config.questions or "builtin")
        except QueryError as error:
            self._tell(f"no peer is audited: {error}; mend the file, or leave trust.questions out")
            return False
        self._questions = tuple(one for one in found if one.grade not in RUNS_CODE)
        if not self._questions:
            self._tell("no peer is audited: trust.questions holds only questions whose answers would have to be run")
        return bool(self._questions)

    async def _audit(self, due: Due) -> None:
        question, messages = reworded(self._choose(due), self._rng)
        first = await self._answer(due.peer, due.agent, question, messages)
        if first is None:
            return
        await self._found(due, question.query, first.score)
        answers = [first]
        for twin in self._payable(due):
            other = await self._answer(twin.peer, twin.agent, question, messages, is_own=twin.is_own)
            if other is None:
                continue
            if not twin.is_own:
                await self._found(Due(twin.peer, twin.agent, due.category), question.query, other.score)
            answers.append(other)
            if twin.is_own or len(answers) == 3 or not differ(first, other):
                break
        self._compare(answers)

    async def _answer(
        self, peer: PeerId, agent: str, question: Question, messages: Sequence[dict[str, str]], *, is_own: bool = False
    ) -> Answer | None:
        """What it says, graded; None where it says nothing: a failure or a cut is cost, and was counted as such."""
        if not is_own:
            self._budget.spend(peer, self._clock())
        self._request_id = secrets.token_hex(16)
        text = await self._ask(peer, agent, messages, self._request_id)
        if text is None:
            return None
        score = graded(question.grade, text, question.answer, question.choices, question.query)
        assert not isinstance(score, Job), "no question is asked whose answer has to be run"
        log.info("audited peer=%s agent=%s score=%.2f", peer[:12], agent[:64], score)
        return Answer(peer, text, score, is_own)

    def _payable(self, due: Due) -> list[Twin]:
        """Our own engine with the same model, else two others that are due as well."""
        twins = self._twins(due)
        own = [twin for twin in twins if twin.is_own]
        return own[:1] or [twin for twin in twins if self._budget.has_earned(twin.peer, self._clock())][:2]

    def _compare(self, answers: Sequence[Answer]) -> None:
        """Who answered as others of its model did is noted; who did not is audited more often."""
        if len(answers) < 2:
            return
        odd = odd_ones(answers)
        for one in answers:
            if not one.is_own:
                self._compared(one.peer, one.peer not in odd)
        for peer in odd:
            self._budget.suspect(peer)

    def _choose(self, due: Due) -> Question:
        """One of the kind that it answered last, as far as there is one that it was not asked yet."""
        asked = self._asked.setdefault(due.peer, set())
        self._asked.move_to_end(due.peer)
        if len(self._asked) > _PEERS:
            self._asked.popitem(last=False)
        fresh = [one for one in self._questions if one.id not in asked]
        if not fresh:
            asked.clear()
        alike = [one for one in fresh if one.category == due.category]
        question = self._rng.choice(alike or fresh or self._questions)
        asked.add(question.id)
        return question
