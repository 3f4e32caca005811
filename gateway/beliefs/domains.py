"""How likely a query belongs to an agent by its topics: P, from a tail, and from what came of it before (P).

    P = π·r / (π·r + (1 - π)·t)

t is the query's tail (gateway/topics/domains.py): the share of everyday texts that these topics draw as strongly. r is
the share of the agent's own questions that come, as its owner measured it. π is the share of queries that are such
questions: at first a guess, and less where receipts say again and again that an answer was not in the documents.

Half of a query's chance (P = .5) lies where t = π·r: of everyday texts at most the share π goes astray to one agent.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from discovery.records import Agent, Domain, PeerId

TOGETHER = 0.02  # π of all agents with topics together, at first
ALONE = 0.01  # π of one of them at most: few queries are of one document's
RECALL = 0.9  # r of one whose owner asked nothing
UNMEASURED = 0.7  # share right of an agent's own questions where its owner gave none: whoever has documents knows more
LIKELY = 0.5  # P from which a query leaves home for its topic's sake
MEMORY = 2.0  # answers of which what was expected of a topic counts as seen
FORGETTING_S = 86400.0  # in which half of what was seen is forgotten
_KEPT = 1024  # agents of which it is remembered


Topics = tuple[str, ...]  # the sentences of one agent


class Topical(NamedTuple):
    """An agent with topics that count: one row of the roster."""

    row: int
    peer: PeerId
    agent: str
    topics: Topics
    domain: Domain
    share: float  # π


class Likely(NamedTuple):
    """How likely a query is an agent's, and what is expected of it then."""

    probability: float  # P
    right: float  # expected share right of its own questions
    topic: str  # the nearest of its sentences


def probability(tail: float, share: float, recall: float = RECALL) -> float:
    """P in [0, 1] of a query with this tail, of an agent that gets this `share` (π) of all queries."""
    own = share * recall
    return own / (own + (1 - share) * tail)


def alone(tail: float) -> float:
    """P of a query with this tail, of an agent where no other has topics: what its owner may expect."""
    return probability(tail, ALONE)


def shares(peers: Collection[PeerId], agents: Mapping[PeerId, int]) -> dict[PeerId, float]:
    """π of each agent with topics of these peers, of which each has so many.

    The peers share TOGETHER evenly, and the agents of each what is its peer's: more agents, or more sentences, gain a
    peer nothing, and take nothing from the others.
    """
    each = min(ALONE, TOGETHER / max(1, len(peers)))
    return {peer: min(each, each / agents[peer]) for peer in peers}


def topical(agents: Sequence[tuple[int, PeerId, Agent]]) -> tuple[Topical, ...]:
    """Those of these rows that have topics. An agent of several engines is one agent."""
    having = [(row, peer, agent) for row, peer, agent in agents if agent.topics]
    named = {(peer, agent.name) for _, peer, agent in having}
    share = shares({peer for peer, _ in named}, Counter(peer for peer, _ in named))
    return tuple(Topical(row, peer, agent.name, agent.topics, agent.domain, share[peer]) for row, peer, agent in having)


def likely(
    agents: Sequence[Topical], drawn: Mapping[Topics, tuple[float, str]], seen: "FromDocuments", now: float
) -> dict[int, Likely]:
    """By row: how likely a query is each agent's. `drawn`: its tail for the topics of each, and the nearest of them."""
    found = {}
    for one in agents:
        if one.topics in drawn:
            tail, topic = drawn[one.topics]
            share = one.share * seen.factor(one.peer, one.agent, now)
            right = one.domain.right if one.domain.questions else UNMEASURED
            found[one.row] = Likely(probability(tail, share, one.domain.recall or RECALL), right, topic)
    return found


@dataclass(slots=True)
class _Seen:
    expected: float = 0.0  # sum of P
    found: float = 0.0
    at: float = 0.0


class FromDocuments:
    """Whether answers of agents came from their documents, as their receipts say; it fades."""

    def __init__(self) -> None:
        self._seen: dict[tuple[PeerId, str], _Seen] = {}

    def __bool__(self) -> bool:
        return bool(self._seen)

    def observe(self, peer: PeerId, agent: str, expected: float, found: bool, now: float) -> None:
        """An answer that was expected to come from documents with this P did, or did not."""
        before, left = self._at(peer, agent, now)
        self._seen.pop((peer, agent), None)
        self._seen[peer, agent] = _Seen(left * before.expected + expected, left * before.found + found, now)
        while len(self._seen) > _KEPT:
            del self._seen[next(iter(self._seen))]

    def factor(self, peer: PeerId, agent: str, now: float) -> float:
        """What the agent's π is multiplied with, in (0, 1]: a peer's word can lower it, and raise none."""
        seen, left = self._at(peer, agent, now)
        return min(1.0, (MEMORY + left * seen.found) / (MEMORY + left * seen.expected))

    def _at(self, peer: PeerId, agent: str, now: float) -> tuple[_Seen, float]:
        seen = self._seen.get((peer, agent), _Seen(at=now))
        return seen, 0.5 ** (max(0.0, now - seen.at) / FORGETTING_S)
