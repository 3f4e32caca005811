"""A network as the tests of one decision need it: peers with a score and a load, and the beliefs about them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from discovery.records import WHOLE, Agent, PeerId
from gateway.beliefs.columns import Column, is_few
from gateway.beliefs.domains import Likely
from gateway.beliefs.expected import BeliefConfig
from gateway.beliefs.table import Beliefs
from gateway.routing.decision import Decision
from gateway.routing.policies import policy
from gateway.routing.policy import Plan, SchedulerConfig
from gateway.routing.query import Query, View
from gateway.routing.roster import Roster

US = PeerId("us")
QUERY = Query(prompt_tokens=100, max_tokens=200)
CERTAIN = SchedulerConfig(exploration=0.0)


@dataclass(frozen=True)
class Peer:
    """A peer as a test needs it: one agent, its score, its load now."""

    name: str
    score: float = 0.8
    jobs: int = 0
    slots: int = 1
    admission: str = "open"
    model: str = "m"
    context_tokens: int = 0
    modalities: frozenset[str] = frozenset({"text"})
    dead: bool = False
    suspect: bool = False
    approved: bool = True
    profiled: bool = True
    embedded: bool = False
    last_resort: bool = False
    continues: tuple[str, ...] = ()
    endpoints: frozenset[str] = frozenset()  # that it tells
    missing: frozenset[str] = frozenset()
    here: bool = True  # if it is ours: its engine runs on this machine
    personal: Agent | None = None
    likely: float = 0.0  # that the query is of its topics
    mine: bool = False  # it runs on a machine of the owner's
    vouched: bool = False


def column(numbers: Sequence[float]) -> Column:
    """As production has it: a list of few, an array of many."""
    return list(numbers) if is_few(len(numbers)) else np.array(numbers, dtype=float)


@dataclass
class World:
    """Peers (the one called "us" is ours) and the beliefs about them, all told at time 0."""

    peers: Sequence[Peer]
    beliefs: Beliefs = field(default_factory=lambda: Beliefs(BeliefConfig()))

    def __post_init__(self) -> None:
        for peer in self.peers:
            self.beliefs.add(PeerId(peer.name), peer.slots, rtt_s=0.0 if peer.name == US else None)
            self.beliefs.observe_load(PeerId(peer.name), peer.jobs, peer.slots, peer.admission, 0.0)  # type: ignore[arg-type]

    def view(self, query: Query = QUERY, now: float = 0.0) -> View:
        ids = tuple(PeerId(peer.name) for peer in self.peers)
        roster = Roster(
            peer_ids=ids,
            peer_names=tuple(f"{peer.name}'s machine" for peer in self.peers),
            agents=tuple(f"{peer.name}/{peer.model}" for peer in self.peers),
            models=tuple(peer.model for peer in self.peers),
            modalities=tuple(peer.modalities for peer in self.peers),
            context_tokens=np.array([peer.context_tokens for peer in self.peers], dtype=np.int64),
            local=np.array([peer.name == US for peer in self.peers], dtype=bool),
            here=np.array([peer.name == US and peer.here for peer in self.peers], dtype=bool),
            embedded=np.array([peer.embedded for peer in self.peers], dtype=bool),
            last_resort=np.array([peer.last_resort for peer in self.peers], dtype=bool),
            dead=np.array([peer.dead for peer in self.peers], dtype=bool),
            suspect=np.array([peer.suspect for peer in self.peers], dtype=bool),
            approved=np.array([peer.approved for peer in self.peers], dtype=bool),
            queues=ids,
            engines=(WHOLE,) * len(ids),
            rows=self.beliefs.rows(ids),
            continues=tuple(peer.continues for peer in self.peers),
            endpoints=tuple(peer.endpoints for peer in self.peers),
            missing=tuple(peer.missing for peer in self.peers),
            personal=tuple(peer.personal for peer in self.peers) if any(peer.personal for peer in self.peers) else (),
            mine=np.array([peer.mine for peer in self.peers], dtype=bool),
            vouched=np.array([peer.vouched for peer in self.peers], dtype=bool),
        )
        return View(
            roster=roster,
            expected=self.beliefs.expect(roster.rows, now, roster.own),
            score=column([peer.score for peer in self.peers]),
            profiled=np.array([peer.profiled for peer in self.peers], dtype=bool),
            output_tokens=self.beliefs.output_tokens(query.category, query.max_tokens),
            likely={row: Likely(peer.likely, 0.9, "keels") for row, peer in enumerate(self.peers) if peer.likely},
        )


def decide(world: World, query: Query = QUERY, config: SchedulerConfig = CERTAIN, seed: int = 0) -> Decision:
    return policy(config).choose(query, world.view(query), 0.0, np.random.default_rng(seed))


def plan(
    world: World, query: Query = QUERY, config: SchedulerConfig = CERTAIN, seed: int = 0, now: float = 0.0
) -> Plan:
    return policy(config).plan(query, world.view(query, now), now, np.random.default_rng(seed))


def names(world: World, indices: Sequence[int]) -> list[str]:
    return [world.peers[index].name for index in indices]


def target(decision: Decision) -> str:
    assert decision.target is not None, decision.reason
    return decision.target.peer_id
