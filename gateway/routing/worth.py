"""What an agent is worth by prototype: the share right that is expected of it, each term apart (P).

    claimed    what was claimed before we saw an answer: its capability vector, else its name (models/priors.py)
    weight     pseudo-answers that the claim counts beside answers that we graded: at most 8, times its peer's honesty
               (trust/honesty.py); where audits bear it out up to 64, where they convict it only a share is believed
    seen       our own graded answers, by category (trust/observed.py); they fade with a half-life of a day
    doubt      pseudo-answers behind the claim: the fewer, the more is taken off, once

Failures, cuts and slowness are no term of it: they are cost (beliefs/). An agent of ours has no claim beside its
answers where it was measured. A claim changes its own agent's worth and nobody else's.

Arrays are (N, K): N agents, K prototypes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.records import Agent
from gateway.beliefs.columns import Column
from gateway.beliefs.domains import LIKELY, Likely
from gateway.models.priors import Priors, group_of
from profiler.scoring import dequantise

Floats = NDArray[np.floating[Any]]

CLAIM_LIMIT = 8.0  # pseudo-answers that a claim counts at most beside what we saw
PROVEN_LIMIT = 64.0  # and a vector that audits bear out: what 40 audits saw says less than the vector that they prove
NAMES_SPREAD = 16.0  # what a name counts in one category, it counts so many times beside a vector of all categories
POOLED = 40.0  # answers in other categories that count for one: a vector's categories are folded towards each other
DOUBT = 0.5  # standard deviations taken off, so that of two equal agents the better known one scores higher
STRANGER = 0.5  # honesty of a peer that nobody vouched for: mode `open` let it in
TRIAL = 20  # graded answers after which such a peer is no longer on trial
REFRESH_S = 60.0  # how often what was seen is let fade in the scores


@dataclass(frozen=True, slots=True)
class Space:
    """Where capability vectors of our gate live: its identity, and the category of each of its K prototypes."""

    id: str
    categories: tuple[str, ...]
    carries_means: bool = False  # False: who publishes a vector takes the doubt off, and the receiver none

    @property
    def index(self) -> tuple[tuple[str, ...], NDArray[np.intp]]:
        """The distinct categories, and the place of each prototype's among them, (K,)."""
        names = tuple(dict.fromkeys(self.categories))
        place = {name: number for number, name in enumerate(names)}
        return names, np.array([place[name] for name in self.categories], dtype=np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Worth:
    """The terms of N agents, (N, K) each, and what they come to."""

    claimed: Floats  # mean share right
    weight: Floats
    doubt: Floats  # inf: it was taken off already
    limit: Floats  # what is believed at most
    right: Floats  # sum of the scores of answers seen, faded
    seen: Floats  # and their number

    @property
    def mean(self) -> Floats:
        """The expected share right, (N, K)."""
        counts = self.weight + self.seen
        whole = self.weight * self.claimed + self.right
        mean: Floats = np.divide(whole, counts, out=self.claimed.copy(), where=self.seen > 0)
        return mean

    @property
    def value(self) -> Floats:
        """The mean less the doubt about it, (N, K) in [0, 1]: what agents are scored by."""
        mean = self.mean
        deviation = np.sqrt(mean * (1 - mean) / (self.doubt + self.seen + 1))
        value: Floats = np.clip(np.minimum(mean - DOUBT * deviation, self.limit), 0.0, 1.0)
        return value

    def seeing(self, right: Floats, seen: Floats) -> "Worth":
        """The same with other answers seen: the one term that an observation moves."""
        return replace(self, right=right, seen=seen)

    def believed(self, shares: Floats) -> "Worth":
        """The same with only a share (N,) of each claim believed, where answers of its peer convict it."""
        return replace(self, claimed=self.claimed * shares[:, None])

    def row(self, index: int) -> "Worth":
        """One agent's, (1, K)."""
        one = slice(index, index + 1)
        return Worth(*(column[one] for column in self._columns))

    @property
    def _columns(self) -> tuple[Floats, ...]:
        return self.claimed, self.weight, self.doubt, self.limit, self.right, self.seen


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """What an agent's worth rests on, for a person to read."""

    claim: str  # what its name says, such as "32B qwen3"
    is_told: bool  # its engine told the size
    categories: Sequence[str] = ()  # (C,) of our gate
    questions: Sequence[float] = ()  # (C,) that it was measured on in each; empty: not measured
    seen: int = 0  # answers of it that we graded
    _said: dict[str, str] = field(init=False, default_factory=dict)  # by category of the gate, or none

    def words(self, category: str) -> str:
        """`measured on 14 questions of food`, `prior from the name: 32B qwen3`."""
        said = self._said.get(category)
        if said is None:
            said = self._said[category] = self._words(category)
        return said

    def _words(self, category: str) -> str:
        asked = dict(zip(self.categories, map(int, self.questions), strict=False))
        total, here = sum(asked.values()), asked.get(category, 0)
        if total:
            said = f"measured on {here or total} questions" + (f" of {category}" if here else "")
        else:
            said = f"prior from {'what its engine says' if self.is_told else 'the name'}: {self.claim}"
        return f"{said}; {self.seen} answers graded here" if self.seen else said


def claims(
    agents: Sequence[Agent],
    honesty: Sequence[float | None],
    space: Space,
    priors: Priors,
    borne_out: Sequence[float] = (),
) -> tuple[Worth, list[Basis], NDArray[np.bool_]]:
    """The worth of agents of which we saw nothing, what it rests on, and who of them has a vector in our space, (N,).

    `honesty` is each one's peer's, None for agents of ours; `borne_out` how far audits bear its peer's claims out, from
    0 to 1, no entry at all where nobody was audited.
    """
    expected = [priors.expected(one.base or one.model, one.parameters, one.quantisation, one.place) for one in agents]
    most = [{} if agent.topics else one.most for agent, one in zip(agents, expected, strict=True)]
    named, limit = _by_prototype([one.means for one in expected], space), _by_prototype(most, space)
    spread = np.array([one.spread for one in expected])[:, None]
    trust = np.array([1.0 if honest is None else honest for honest in honesty])[:, None]
    own = np.array([honest is None for honest in honesty], dtype=bool)[:, None]
    vectors, evidence, measured = _vectors(agents, space)
    names, index = space.index
    asked = evidence @ np.eye(len(names))[index]
    here, total = asked[:, index], evidence.sum(axis=1, keepdims=True)

    by_name = np.clip(named * (1 - named) / spread**2 - 1, 0.5, CLAIM_LIMIT)
    is_believed = own | np.array([bool(agent.topics) for agent in agents], dtype=bool)[:, None]
    share = _of_vector(total, by_name, is_believed, space)
    by_vector = here + np.minimum(total - here, POOLED)
    doubt = trust * np.where(share < 1, share * by_vector + (1 - share) * by_name, by_vector)
    if not space.carries_means:
        doubt = np.where(share < 1, doubt, np.inf)
    certain = np.array(borne_out or [0.0] * len(agents))[:, None]
    most_counted = CLAIM_LIMIT + (PROVEN_LIMIT - CLAIM_LIMIT) * certain
    weight = trust * np.maximum(by_name, np.where(own, here, np.minimum(here, most_counted)))
    nothing = np.zeros_like(weight)
    worth = Worth(share * vectors + (1 - share) * named, weight, doubt, limit, nothing, nothing)
    bases = [
        Basis(one.words, agent.parameters > 0, names, row if is_measured else ())
        for one, agent, row, is_measured in zip(expected, agents, asked, measured, strict=True)
    ]
    return worth, bases, measured


def lifted(score: Column, local: NDArray[np.bool_], likely: Mapping[int, Likely]) -> Column:
    """The scores (N,) of a query that may be of agents' topics: P·right + (1 - P)·score for these rows.

    All others keep theirs, so a claim lowers nobody's. Where we have agents of our own (`local`, (N,)), so has one of
    another peer whose P is below LIKELY: on a guess alone no query leaves home.
    """
    found = score.copy()
    for row, one in likely.items():
        if local[row] or one.probability >= LIKELY or not local.any():
            found[row] = one.probability * one.right + (1 - one.probability) * score[row]
    return found


def corrected(claimed: float, right: float, seen: float) -> float:
    """The share right that is claimed of an agent's own topics, beside sums of what was seen of its answers to such."""
    return (CLAIM_LIMIT * claimed + right) / (CLAIM_LIMIT + seen)


def _of_vector(total: Floats, by_name: Floats, is_believed: NDArray[np.bool_], space: Space) -> Floats:
    """How much of a claim is the vector's, (N, K); the rest is the name's.

    A vector of means, from `total` (N, 1) questions, has the name's promise beside it as so many answers: after 60
    questions the luckiest of many equal agents looks strong (docs/results.md#a-network-of-specialists). Believed as
    they were measured are our own agents, those with a purpose of their own, of which a name says little
    (`is_believed`, (N, 1)), and vectors whose publisher took the doubt off.
    """
    measured = np.minimum(total / CLAIM_LIMIT, 1.0)
    if not space.carries_means:
        return np.broadcast_to(measured, by_name.shape)
    return np.where(is_believed, measured, total / (total + NAMES_SPREAD * by_name))


def _by_prototype(shares: Sequence[Mapping[str, float]], space: Space) -> Floats:
    """(N, K) of shares by group of categories; a group that is not in them is 1."""
    groups = tuple(dict.fromkeys(map(group_of, space.categories)))
    place = np.array([groups.index(group_of(category)) for category in space.categories], dtype=np.intp)
    found = np.array([[of.get(group, 1.0) for group in groups] for of in shares]).reshape(len(shares), len(groups))
    return found[:, place]


def _vectors(agents: Sequence[Agent], space: Space) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """(N, K) vectors and evidence in our space and of our length, zeros where there are none; and who has any, (N,)."""
    profiles = [agent.profiles.get(space.id) for agent in agents]
    length = len(space.categories)
    found = [number for number, one in enumerate(profiles) if one is not None and len(one.capability) == length]
    usable = [one for one in profiles if one is not None and len(one.capability) == length]
    vectors, measured = np.zeros((len(agents), length)), np.zeros(len(agents), dtype=np.bool_)
    evidence = np.zeros_like(vectors)
    measured[found] = True
    vectors[found] = dequantise(b"".join(one.capability for one in usable)).reshape(-1, length)
    evidence[found] = np.array([one.evidence for one in usable], dtype=float).reshape(-1, length)
    return vectors, evidence, measured


class Trial:
    """Which share of our `auto` traffic peers on trial got lately: nobody vouched for them, and we know few answers."""

    def __init__(self, share: float = 0.1, memory: float = 100.0) -> None:
        self._share, self._keep = share, 1 - 1 / memory
        self._sent = self._on_trial = 0.0

    @property
    def has_room(self) -> bool:
        """Whether one request more leaves them within their share."""
        return self._keep * self._on_trial + 1 <= self._share * (self._keep * self._sent + 1)

    def note(self, on_trial: bool) -> None:
        """A request went to somebody."""
        self._sent = self._keep * self._sent + 1
        self._on_trial = self._keep * self._on_trial + on_trial
