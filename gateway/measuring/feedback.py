"""What this machine's people and programs say of answers, as weak evidence by (peer, agent, category) (P).

A grade that somebody gives counts half of an answer that was graded by rules. Signs that cost nobody a click count a
fifth, and only where the owner wants them. Nothing of it leaves this machine, and no text is kept: an answer is known
by its request's id, its question by a hash.
"""

from array import array
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Protocol, TypeVar

import msgspec
import numpy as np

from discovery.records import PeerId
from gateway.measuring.signals import hashed, reports_failure
from gateway.wire.request import Request

Key = TypeVar("Key")
Value = TypeVar("Value")

REMEMBERED = 10_000  # answers that can still be graded, and questions and conversations beside them
GRADE_WEIGHT = 0.5  # of a grade of 1 or -1: people press a button for more reasons than whether an answer is right
SIGN_WEIGHT = 0.2  # of asking again, or of code that fails: often enough the answer was right
AGAIN_S = 600.0  # s within which the same question is asked again; later it is a new one
CHANGES = 2  # grades of one answer that count: somebody may change his mind once
_WORDED = frozenset({"chat/completions", "completions"})  # endpoints whose requests tell what was asked


@dataclass(frozen=True, slots=True)
class LearningConfig:
    """What is learnt from use, on this machine alone."""

    feedback: bool = True  # grades that programs send (POST /ppai/v1/feedback)
    signs: bool = False  # that the same is asked again, or that code of an answer fails, read off later requests


class Observe(Protocol):
    """Whoever keeps what agents turn out to be worth."""

    def __call__(self, peer: PeerId, agent: str, category: str, score: float, weight: float, now: float) -> None:
        """An answer of this agent to a query of this category was seen: `score` 1 right, 0 wrong."""
        ...


class UnknownRequest(LookupError):
    """No answer of this id is remembered."""


class Answered(msgspec.Struct, frozen=True):
    """A request that was answered, and by whom. Times are seconds of one clock."""

    request_id: str
    request: Request
    peer: PeerId
    agent: str
    category: str  # "" where nobody could tell what it was about
    began: float
    ended: float
    is_retry: bool = False  # an SDK asks again since the first request failed: that is cost, and says nothing of words


class _Answer(msgspec.Struct):
    peer: PeerId
    agent: str
    category: str
    at: float  # when it was complete
    grades: tuple[float, ...] = ()  # that counted
    has_sign: bool = False


class _Asked(msgspec.Struct):
    request_id: str  # of the last request that asked it
    times: int


class _Answers:
    """The last REMEMBERED answers, in columns that are there from the start: 24 bytes each, where objects take 250.

    Few are ever spoken of; those become objects.
    """

    def __init__(self) -> None:
        self._ids = array("q", bytes(8 * REMEMBERED))  # hashes of the requests' ids
        self._at = array("d", bytes(8 * REMEMBERED))  # s, when each was complete
        self._by: list[tuple[PeerId, str, str] | None] = [None] * REMEMBERED  # peer, agent and category
        self._spoken_of = dict[int, _Answer]()  # by row
        self._numbers = count()

    def add(self, request_id: str, peer: PeerId, agent: str, category: str, at: float) -> None:
        """Remember an answer, complete by then, in the place of the oldest."""
        row = next(self._numbers) % REMEMBERED
        self._ids[row], self._at[row], self._by[row] = hash(request_id), at, _one(peer, agent, category)
        if self._spoken_of:
            self._spoken_of.pop(row, None)

    def get(self, request_id: str) -> _Answer | None:
        """The newest of this id, which a client may use twice."""
        rows = np.flatnonzero(np.frombuffer(self._ids, np.int64) == hash(request_id)).tolist()
        row = max(rows, key=self._at.__getitem__, default=0)
        by = self._by[row] if rows else None
        return by and self._spoken_of.setdefault(row, _Answer(*by, self._at[row]))


@lru_cache(1024)
def _one(peer: PeerId, agent: str, category: str) -> tuple[PeerId, str, str]:
    """The same tuple for the same texts."""
    return peer, agent, category


class Feedback:
    """Remembers who answered what kind of request, and turns what is said of it into observations."""

    def __init__(self, config: LearningConfig, observe: Observe, key: bytes) -> None:
        """`key`: at most 64 bytes of this process alone, for hashes of texts."""
        self._config, self._observe, self._key = config, observe, key
        self._answers = _Answers()
        # (request_id, peer, agent, category, ended): who answered a request, to be known when something is said of it.
        self.remember = self._answers.add if config.signs or config.feedback else _nothing
        self._questions: OrderedDict[bytes, _Asked] = OrderedDict()  # by hash of the question with the turns before it
        self._last: OrderedDict[bytes, str] = OrderedDict()  # request id of the last answer, by hash of a conversation

    @property
    def is_open(self) -> bool:
        """Whether grades are taken."""
        return self._config.feedback

    @property
    def reads_signs(self) -> bool:
        """Whether what requests say of the answers before them is wanted: see `read`."""
        return self._config.signs

    def grade(self, request_id: str, score: float, now: float) -> bool:
        """Somebody grades an answer from -1 (wrong) to 1 (right); whether it counts.

        It does not where it says nothing new, where the category is not known, and from the third change of mind on.
        Raises UnknownRequest.
        """
        answer = self._answers.get(request_id)
        if answer is None:
            raise UnknownRequest(request_id)
        is_new = score != 0 and answer.grades[-1:] != (score,) and len(answer.grades) < CHANGES
        if not (is_new and answer.category):
            return False
        answer.grades += (score,)
        self._tell(answer, float(score > 0), GRADE_WEIGHT * abs(score), now)
        return True

    def read(self, new: Answered) -> None:
        """What a request that was answered says of the answers before it, before it is itself remembered."""
        request = new.request
        if request.endpoint not in _WORDED:
            return
        conversation = hashed(self._key, request.session)
        if reports_failure(request):
            self._doubt(self._last.get(conversation), new)
        _keep(self._last, conversation, new.request_id)
        if request.text.strip():
            question = hashed(self._key, request.text, *request.earlier)
            before = self._questions.get(question)
            if before is not None and before.times == 1 and not new.is_retry:  # asked ever again, it is a habit
                self._doubt(before.request_id, new)
            _keep(self._questions, question, _Asked(new.request_id, before.times + 1 if before else 1))

    def _doubt(self, request_id: str | None, new: Answered) -> None:
        """An answer is doubted, once, by a request that came after it, and not long after.

        Who asks two at once, to compare them, doubts neither.
        """
        answer = self._answers.get(request_id or "")
        if answer is None or answer.has_sign or not answer.category:
            return
        if answer.at <= new.began <= answer.at + AGAIN_S:
            answer.has_sign = True
            self._tell(answer, 0.0, SIGN_WEIGHT, new.ended)

    def _tell(self, answer: _Answer, score: float, weight: float, now: float) -> None:
        self._observe(answer.peer, answer.agent, answer.category, score, weight, now)


def _nothing(request_id: str, peer: PeerId, agent: str, category: str, at: float) -> None:
    """Where nothing is learnt."""


def _keep(known: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    """Remember as the newest; the oldest beyond REMEMBERED is forgotten."""
    known[key] = value
    known.move_to_end(key)
    if len(known) > REMEMBERED:
        known.popitem(last=False)
