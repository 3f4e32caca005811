"""What the owner's questions to our personal agents found, kept in the home so that a restart publishes it again.

The questions stay at home. What others are told is how many there were, and which share was right (records.Domain).
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import msgspec

from discovery.records import Domain
from gateway.measuring.kept import read_kept, write_kept
from gateway.measuring.stale import left_of
from profiler.answers import Answer, is_another

FIRST_OWN = 12  # answers, with and without, behind the first that is published; the next is behind all
_REMEDY = "it is made again from the answers that were kept, once the peer is idle"
_IMAGINARY = 2.0  # answers, half of them right, so that three right of three are not all (as in profiler/scoring.py)


class _Kept(msgspec.Struct, omit_defaults=True):
    questions: int
    right: float
    right_without: float
    recall: float
    make: str
    asked: str  # changes with the questions and the topics
    stale_since: float | None = None  # s of wall time when the agent was first seen configured otherwise


def domain_of(with_: Mapping[str, Answer], without: Mapping[str, Answer], recall: float) -> Domain:
    """What is told of answers to the same questions, by their ids; those that only one of both was asked do not count.

    A share is the mean that is expected of further questions like these: drawn to one half, by two imaginary answers.
    """
    both = with_.keys() & without.keys()
    right, right_without = (expected([of[one].right for one in both]) for of in (with_, without))
    return Domain(len(both), right, right_without, recall)


def expected(grades: Sequence[float]) -> float:
    """The share right that is expected of further questions like these; 0 without any."""
    return (sum(grades) + _IMAGINARY / 2) / (len(grades) + _IMAGINARY) if grades else 0.0


def is_due(count: int, questions: int) -> bool:
    """Whether so many answers, with and without, of so many questions are worth publishing."""
    return count in (min(FIRST_OWN, questions), questions)


def asked_as(questions: Collection[str], topics: Sequence[str]) -> str:
    """What these questions, by their ids, and these topics are told by."""
    return blake2b(msgspec.json.encode((sorted(questions), topics)), digest_size=8).hexdigest()


class Domains:
    """agent name -> Domain."""

    def __init__(self, path: Path, wall_clock: Callable[[], float] = time.time) -> None:
        """`wall_clock`: seconds, of which stale ones age. Raises KeptError."""
        self._path, self._wall_clock = path, wall_clock
        self._known: dict[str, _Kept]
        self._known, self.warning = read_kept(path, dict[str, _Kept], _REMEDY)

    def of(self, agent: str) -> Domain:
        """What others are told: of an agent that was configured otherwise then, with fewer questions every day."""
        kept = self._known.get(agent)
        if kept is None:
            return Domain()
        domain = Domain(kept.questions, kept.right, kept.right_without, kept.recall)
        if kept.stale_since is None:
            return domain
        return replace(domain, questions=left_of(kept.questions, self._wall_clock() - kept.stale_since))

    def is_stale(self, agent: str) -> bool:
        """Whether the agent was configured otherwise when its owner's questions were asked."""
        return agent in self._known and self._known[agent].stale_since is not None

    def is_known(self, agent: str, make: str, asked: str) -> bool:
        """Whether what is kept is of this agent, as it is now, and of these questions and topics (`asked_as`)."""
        kept = self._known.get(agent)
        return kept is not None and not is_another(kept.make, make) and kept.asked == asked

    def served(self, agents: Iterable[tuple[str, str]]) -> None:
        """How our agents are configured now, as (agent, make): what is of others under these names is stale."""
        known = dict(self._known)
        for agent, make in agents:
            if kept := known.get(agent):
                is_stale = is_another(kept.make, make)
                if is_stale != (kept.stale_since is not None):
                    since = self._wall_clock() if is_stale else None
                    known[agent] = msgspec.structs.replace(kept, stale_since=since)
        if known != self._known:
            with suppress(OSError):  # without room the mark is set anew after a restart
                self._write(known)
            self._known = known

    def keep(self, agent: str, domain: Domain, make: str, asked: str) -> None:
        """Keep what the questions found, in the place of what they found before."""
        kept = _Kept(domain.questions, domain.right, domain.right_without, domain.recall, make, asked)
        self._write({**self._known, agent: kept})

    def _write(self, known: dict[str, _Kept]) -> None:
        write_kept(self._path, known)
        self._known = known
