"""The Roster from what is known of others: our own agents first, then every peer's. Rebuilt when something changed.

Pure: cards and rights in, columns out. A capability vector counts only in the space of our own gate.
"""

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from discovery.details import CONTINUE_FEATURE, detailed
from discovery.members import Member
from discovery.names import shown_names
from discovery.records import WHOLE, Agent, PeerId, Place
from gateway.beliefs.columns import Column, Rows, is_few, listed
from gateway.beliefs.domains import Topical, Topics, topical
from gateway.beliefs.table import Beliefs
from gateway.models.priors import Priors
from gateway.privacy.rules import Reach
from gateway.routing.worth import STRANGER, Basis, Space, Worth, claims
from gateway.trust.honesty import Honesty
from gateway.trust.observed import Observations
from profiler.scoring import pair_scores

BoolArray = NDArray[np.bool_]
_Pair = tuple[PeerId, str, Agent, Member | None]  # id and name of a peer, one of its agents, None for our own
UNAPPROVED_LIMIT = 64  # agents of peers that may not answer: enough to explain why somebody is not asked
KINDS = frozenset({"responses", "messages"})  # of endpoints: peers whose cards lack the feature do not know them
SCORES_KEPT = 1024  # of queries, among few agents
EQUAL_SCORE = 0.5  # where no gate tells agents apart every score is the same, and load decides


def kind_of(endpoint: str) -> str:
    """The feature in a peer's card that says that it knows this endpoint."""
    return endpoint.partition("/")[0]


class Only(NamedTuple):
    """The one agent that nobody competes with."""

    row: int
    peer: PeerId
    queue: PeerId
    agent: str
    is_own: bool
    reason: str  # why it is chosen


class Candidates(NamedTuple):
    """Who may answer a query; on a roster remembered for all queries that ask for the same. Not to be changed."""

    excluded: NDArray[np.uint8]  # (N,) codes of candidates.py; 0: a candidate
    own: Rows  # the candidates among our own agents
    others: Rows
    only: Only | None = None  # where there is one, as far as this kind of query goes
    ours: int | None = None  # that of the only one of ours, where of a few others may answer, too
    rivals: Sequence[int] = ()  # and where those stand among all who are not ours

    @property
    def all(self) -> list[int]:
        """Every candidate, ours first."""
        return [*listed(self.own), *listed(self.others)]


@dataclass(frozen=True, slots=True, eq=False)
class Roster:
    """The N (peer, agent) pairs, from cards and rights: rebuilt when one of them changes, not per query."""

    peer_ids: tuple[PeerId, ...]
    peer_names: tuple[str, ...]  # as they are shown: with the id where a name alone could be another's
    agents: tuple[str, ...]
    models: tuple[str, ...]
    modalities: tuple[frozenset[str], ...]  # and abilities, with those that may be tried
    context_tokens: NDArray[np.int64]  # (N,); 0: unknown, no limit
    local: BoolArray  # (N,) our own agents
    here: BoolArray  # (N,) those of them that run on this machine; our engine may be on another, or in a cloud
    embedded: BoolArray  # (N,) the small model that comes with PPAI
    last_resort: BoolArray  # (N,) asked when nobody else can answer
    dead: BoolArray  # (N,) for us; never ours
    suspect: BoolArray  # (N,)
    approved: BoolArray  # (N,) we may send it prompts (the right `answer`); ours always
    queues: tuple[PeerId, ...]  # the key of the belief about who serves each: the peer, or one of its engines
    engines: tuple[int, ...]  # which of its peer's engines serves each; WHOLE: any, or the only one
    rows: NDArray[np.intp]  # (N,) into Beliefs, from `Beliefs.rows(queues)`
    continues: tuple[tuple[str, ...], ...] = ()  # endpoints at which each goes on with an answer begun elsewhere
    endpoints: tuple[frozenset[str], ...] = ()  # that each was said to have; an empty set: not told
    missing: tuple[frozenset[str], ...] = ()  # that each refused, and of peers the kinds that they do not know
    personal: tuple[Agent | None, ...] = ()  # the personal agents; None for each bare model, empty where all are
    topical: tuple[Topical, ...] = ()  # those with topics that count, of ours and of peers that somebody vouched for
    topics: frozenset[Topics] = frozenset()  # of all of them
    mine: BoolArray | None = None  # (N,) runs on a machine of the owner's, ours or one tagged so; None: `here`
    vouched: BoolArray | None = None  # (N,) its peer is vouched for, and it is said to be in no cloud; None: `here`

    # (N,) of tuples: the fields of a Candidate from `agent` on that are the same for each query
    who: tuple[tuple[str, PeerId, PeerId, int, str, str, bool, bool], ...] = field(init=False)
    places: Mapping[tuple[PeerId, str], int] = field(init=False)  # the row of an agent at a queue
    contexts: tuple[float, ...] = field(init=False)  # `context_tokens`, of which one is looked at
    kinds: dict[object, Candidates] = field(init=False, default_factory=dict)  # those met, see candidates.py
    least_context: float = field(init=False)  # the shortest that is known; inf: none is
    taken_by_all: frozenset[str] = field(init=False)  # modalities and abilities that each of them has
    away: Column = field(init=False)  # (N,) 1 where a request travels, 0 for our own agents
    served: frozenset[str] = field(init=False)  # names of models and agents
    own: int = field(init=False)  # the first so many are ours
    is_all_here: bool = field(init=False)  # all run on this machine
    has_embedded: bool = field(init=False)
    has_last_resort: bool = field(init=False)

    def __post_init__(self) -> None:
        known = self.context_tokens[self.context_tokens > 0]
        object.__setattr__(self, "taken_by_all", frozenset.intersection(*(self.modalities or [frozenset()])))
        object.__setattr__(self, "least_context", float(known.min()) if len(known) else inf)
        columns = (self.agents, self.peer_ids, self.queues, self.engines, self.peer_names, self.models)
        who = tuple(zip(*columns, self.local.tolist(), self.last_resort.tolist(), strict=True))
        object.__setattr__(self, "who", who)
        places = {place: row for row, place in enumerate(zip(self.queues, self.agents, strict=True))}
        object.__setattr__(self, "places", places)
        object.__setattr__(self, "contexts", tuple(map(float, self.context_tokens.tolist())))
        away = np.where(self.local, 0.0, 1.0)
        object.__setattr__(self, "away", away.tolist() if is_few(len(self)) else away)
        object.__setattr__(self, "served", frozenset((*self.models, *self.agents)))
        object.__setattr__(self, "own", int(self.local.sum()))
        object.__setattr__(self, "is_all_here", bool(self.here.all()))
        object.__setattr__(self, "has_embedded", bool(self.embedded.any()))
        object.__setattr__(self, "has_last_resort", bool(self.last_resort.any()))

    def having(self, endpoint: str) -> BoolArray:
        """(N,) who has this endpoint, or may have it: what an engine does not tell is tried."""
        kind = kind_of(endpoint)
        pairs = zip(self.endpoints, self.missing, strict=True)
        has = [(not said or endpoint in said) and lacks.isdisjoint((endpoint, kind)) for said, lacks in pairs]
        return np.array(has, dtype=np.bool_)

    def of_peers(self, peers: Container[PeerId]) -> BoolArray:
        """(N,) the agents of these peers."""
        return np.array([peer in peers for peer in self.peer_ids], dtype=np.bool_)

    def is_personal(self) -> BoolArray:
        """(N,) the personal agents."""
        return np.array([agent is not None for agent in self.personal or [None] * len(self)], dtype=np.bool_)

    def within(self, reach: Reach) -> BoolArray:
        """(N,) those that a rule lets a request go to. Where an agent does not say where it runs, it is in none."""
        if reach == "anyone":
            return np.ones(len(self), dtype=np.bool_)
        within = {"my machines": self.mine, "approved": self.vouched}.get(reach)
        return self.here if within is None else within

    def __len__(self) -> int:
        return len(self.peer_ids)


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRoster:
    """The roster, and beside it what each agent is worth."""

    roster: Roster
    capabilities: NDArray[np.float32] | None  # (N, K) column-major: `Worth.value`; None without a gate
    profiled: BoolArray  # (N,) has a vector in our space
    names: Mapping[PeerId, str]  # what every other peer calls itself, those without an agent included
    strangers: BoolArray | None = None  # (N,) of peers that nobody vouched for; None: nobody
    worth: Worth | None = None  # before any answer was seen; None without a gate
    claimed: NDArray[np.floating[Any]] | None = None  # (N, K) what is claimed, before we doubt it
    bases: list[Basis] = field(default_factory=list)  # (N,) what each agent's worth rests on
    # By the identity of a query's relevance, which is kept here, too: that of a text that comes again is the same.
    _scores: dict[int, tuple[object, Column]] = field(init=False, default_factory=dict)

    def see(self, peer: PeerId, agent: str, observed: Observations, space: Space, now: float) -> None:
        """Count in, in place, what answers of one agent were seen to be worth."""
        if self.worth is None or self.capabilities is None:
            return
        for row, pair in enumerate(zip(self.roster.peer_ids, self.roster.agents, strict=True)):
            if pair == (peer, agent):
                right, seen = observed.seen(peer, agent, space.categories, now)
                self.capabilities[row] = self.worth.row(row).seeing(right[None], seen[None]).value[0]
                self.bases[row] = replace(self.bases[row], seen=observed.count_of(peer, agent))
                self._scores.clear()

    def score(self, row: int, relevance: NDArray[np.floating[Any]] | None) -> float:
        """s(i,j) of one of them."""
        if self.capabilities is None or relevance is None:
            return EQUAL_SCORE
        return float(pair_scores(relevance, self.capabilities[row : row + 1])[0])

    def basis(self, row: int, category: str) -> str:
        """What that score rests on, for a person to read."""
        return self.bases[row].words(category) if self.bases else ""

    def scores(self, relevance: NDArray[np.floating[Any]] | None) -> Column:
        """s(i,j) of one query, (N,): the expected accuracy; the same for all without a gate or words to judge by."""
        if (known := self._scores.get(id(relevance))) is not None:
            return known[1]
        count = len(self.roster)
        if self.capabilities is None or relevance is None or not count:
            return [EQUAL_SCORE] * count if is_few(count) else np.full(count, EQUAL_SCORE)
        found = pair_scores(relevance, self.capabilities)
        if not is_few(count):
            return found.astype(np.float64)
        if len(self._scores) >= SCORES_KEPT:
            self._scores.clear()
        scores: list[float] = found.tolist()
        self._scores[id(relevance)] = relevance, scores
        return scores


def build_roster(
    me: PeerId,
    name: str,
    own: Sequence[Agent],
    members: Sequence[Member],
    may_answer: Callable[[PeerId], bool],
    beliefs: Beliefs,
    space: Space | None,
    details: Mapping[PeerId, Sequence[Agent]] | None = None,
    refused: Mapping[tuple[PeerId, str], frozenset[str]] | None = None,
    vouches: Callable[[PeerId], bool] = lambda _: True,
    priors: Priors | None = None,
    is_mine: Callable[[PeerId], bool] = lambda _: False,
    audited: Honesty | None = None,
) -> ScoredRoster:
    """Our own agents and every peer's, those included who may not answer now: a Decision gives the reason of each.

    `details`: what peers told us of their agents beyond their cards, further agents included. `refused`: abilities by
    (peer, agent) that were tried in vain. `vouches` says whether somebody vouched for a peer: its word counts in full.
    `is_mine`: whether the owner said that a peer is a machine of his own. `audited`: what audits said of peers.
    An agent without a vector is worth what its name and its details let expect (`priors`). At most UNAPPROVED_LIMIT
    agents of peers that may not answer are rows: strangers can make up any number.
    """
    pairs: list[_Pair] = [(me, name, agent, None) for agent in own]
    others = [member for member in members if member.state != "left"]
    names = {member.id: member.card.name for member in others}
    trusted = {peer for peer in names if may_answer(peer)}
    shown, unapproved = shown_names(names, trusted, name), 0
    for member in others:
        if member.id not in trusted:
            unapproved += len(member.card.agents)
            if unapproved > UNAPPROVED_LIMIT:
                continue
        beliefs.add(member.id, max(1, member.card.slots))
        agents = all_agents(member.card.agents, (details or {}).get(member.id, ()))
        pairs += [(member.id, shown[member.id], agent, member) for agent in agents]
    roster = replace(
        _with_topics(_columns(pairs, may_answer, beliefs, refused or {}), pairs, trusted, vouches),
        mine=_placed(pairs, ("here",), is_mine),
        vouched=_placed(pairs, ("here", "other host"), vouches),
    )
    unknown = {peer for peer in names if not vouches(peer)}
    strangers = roster.of_peers(unknown) if unknown else None
    if space is None:
        return ScoredRoster(roster, None, np.zeros(len(pairs), dtype=np.bool_), names, strangers)
    audited = audited or Honesty()
    trust = {peer: (STRANGER if peer in unknown else 1.0) * audited.weight(peer) for peer in names}
    honesty = [None if peer == me else trust[peer] for peer in roster.peer_ids]
    proven = [audited.borne_out(peer) for peer in roster.peer_ids]
    claimed, bases, measured = claims([agent for *_, agent, _ in pairs], honesty, space, priors or Priors(), proven)
    worth = claimed.believed(np.array([audited.share(peer) for peer in roster.peer_ids]))
    capabilities = np.asfortranarray(worth.value, dtype=np.float32)
    return ScoredRoster(roster, capabilities, measured, names, strangers, worth, claimed.claimed, bases)


def _with_topics(
    roster: Roster, pairs: Sequence[_Pair], trusted: Collection[PeerId], vouches: Callable[[PeerId], bool]
) -> Roster:
    if not any(agent.topics for *_, agent, _ in pairs):
        return roster
    found = topical(
        [
            (row, peer, agent)
            for row, (peer, _, agent, member) in enumerate(pairs)
            if member is None or (peer in trusted and vouches(peer))
        ]
    )
    return replace(roster, topical=found, topics=frozenset(one.topics for one in found))


def all_agents(card: Sequence[Agent], details: Sequence[Agent]) -> list[Agent]:
    """A peer's agents: those of its card, and after them those that it told of and that its card had no room for."""
    by_name = {agent.name: agent for agent in details}
    named = [detailed(agent, by_name[agent.name]) if agent.name in by_name else agent for agent in card]
    in_card = {agent.name for agent in card}
    return named + [agent for name, agent in by_name.items() if card and name not in in_card]


def _personal(agents: Sequence[Agent]) -> tuple[Agent | None, ...]:
    personal = tuple(agent if agent.kind == "agent" else None for agent in agents)
    return personal if any(personal) else ()


def _placed(pairs: Sequence[_Pair], places: tuple[Place, ...], counts: Callable[[PeerId], bool]) -> BoolArray:
    """(N,) whose agent is said to run in one of these places; of other peers only those that count."""
    inside = [
        agent.place in places and agent.is_contained and (member is None or counts(peer))
        for peer, _, agent, member in pairs
    ]
    return np.array(inside, dtype=np.bool_)


def _columns(
    pairs: Sequence[_Pair],
    may_answer: Callable[[PeerId], bool],
    beliefs: Beliefs,
    refused: Mapping[tuple[PeerId, str], frozenset[str]],
) -> Roster:
    peer_ids = tuple(peer for peer, *_ in pairs)
    queues = tuple(
        peer if agent.engine == WHOLE else beliefs.add_engine(peer, agent.engine, 1) for peer, _, agent, _ in pairs
    )
    agents = [agent for *_, agent, _ in pairs]
    others = [member for *_, member in pairs]
    return Roster(
        peer_ids=peer_ids,
        peer_names=tuple(name for _, name, *_ in pairs),
        agents=tuple(agent.name for agent in agents),
        models=tuple(agent.model for agent in agents),
        modalities=tuple(
            frozenset((*agent.modalities, *agent.untold)) - refused.get((peer, agent.name), frozenset())
            for peer, _, agent, _ in pairs
        ),
        context_tokens=np.array([agent.context_tokens for agent in agents], dtype=np.int64),
        local=np.array([member is None for member in others], dtype=np.bool_),
        here=_placed(pairs, ("here",), lambda peer: False),
        embedded=np.array([agent.is_embedded for agent in agents], dtype=np.bool_),
        last_resort=np.array([agent.last_resort for agent in agents], dtype=np.bool_),
        dead=np.array([member is not None and member.state == "dead" for member in others], dtype=np.bool_),
        suspect=np.array([member is not None and member.state == "suspect" for member in others], dtype=np.bool_),
        approved=np.array([member is None or may_answer(member.id) for member in others], dtype=np.bool_),
        queues=queues,
        engines=tuple(agent.engine for agent in agents),
        personal=_personal(agents),
        rows=beliefs.rows(queues),
        continues=tuple(
            agent.continues if member is None or CONTINUE_FEATURE in member.card.features else ()
            for *_, agent, member in pairs
        ),
        endpoints=tuple(frozenset(agent.endpoints) for agent in agents),
        missing=tuple(
            refused.get((peer, agent.name), frozenset()) | (KINDS.difference(other.card.features) if other else set())
            for peer, _, agent, other in pairs
        ),
    )
