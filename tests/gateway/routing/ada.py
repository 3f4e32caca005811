"""A node of one peer in memory, with what it hears from: what tests of Node share."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from discovery.admission import Admission
from discovery.gossip import Gossip
from discovery.records import Agent, Card, PeerId, Profile, Pulse
from gateway.beliefs.expected import BeliefConfig
from gateway.beliefs.jobs import Doing
from gateway.beliefs.table import Beliefs
from gateway.models.priors import Priors
from gateway.routing.choice import Candidate, Choice
from gateway.routing.node import Node
from gateway.routing.policies import policy
from gateway.routing.policy import SchedulerConfig
from gateway.routing.query import Query
from gateway.routing.worth import Space
from tests.cluster import card_of, id_of, pulse_of, signed

SPACE = Space("s1", ("maths", "law"))
MATHS = Query(relevance=np.array([1.0, 0.0]))
NAMED = 0.341  # mathematics of a chat model of unknown size and family, less half a standard deviation


def agent(name: str = "small", space: str = "s1", capability: Sequence[int] | None = None, **more: object) -> Agent:
    profiles = {} if capability is None else {space: Profile(bytes(capability), (9,) * len(capability))}
    return Agent(name, name, 4096, profiles=profiles, **more)  # type: ignore[arg-type]


class Lots:
    """Lots from a seed, but for one that a test has chosen."""

    def __init__(self, seed: int) -> None:
        self.seeded = np.random.default_rng(seed)
        self.chosen: float | None = None

    def random(self) -> float:
        return self.seeded.random() if self.chosen is None else self.chosen

    def choice(self, of: Any, /) -> Any:
        return self.seeded.choice(of)

    def permutation(self, of: Any, /) -> Iterable[Any]:
        return self.seeded.permutation(of)


@dataclass
class Ada:
    """A node with what it hears from; `now` stands still unless moved."""

    mode: str = "open"
    now: float = 0.0
    exploration: float = 0.0
    strangers: bool = False  # nobody vouches for whom the mode lets in
    priors: Priors | None = None
    alone: bool = False  # what nobody competes with is not weighed
    lots: Lots = field(default_factory=lambda: Lots(7))
    node: Node = field(init=False)

    def __post_init__(self) -> None:
        gossip = Gossip(id_of(0), 1, lambda record: signed(record), random.Random(7), vouched=lambda _: True)
        gossip.publish(card_of(id_of(0), name="ada"), self.now)
        beliefs = Beliefs(BeliefConfig())
        decide = policy(SchedulerConfig(exploration=self.exploration))
        admission = Admission(self.mode, "test")  # type: ignore[arg-type]
        self.node = Node(
            "ada", gossip, admission, decide, beliefs, self.lots, SPACE, self.priors,
            SchedulerConfig(exploration=self.exploration) if self.alone else None,
        )  # fmt: skip
        self.node.serve([agent("own", capability=(128, 128))])

    def busy(self, jobs: int, slots: int, tokens: int = 0) -> None:
        """So many jobs are at her own engine."""
        self.node.count_own([Doing(jobs, slots, 0, tokens)], self.now)

    def hear(self, *records: Card | Pulse) -> None:
        step = self.node.gossip.learn([signed(record) for record in records], self.now)
        self.node.receive(step.events, self.now)

    def meet(self, number: int, *agents: Agent, name: str = "", **pulse: object) -> PeerId:
        """Peer `number` joins and pulses; where everybody is let in, somebody vouches for it."""
        if self.mode == "open" and not self.strangers:
            self.node.admission.approve(id_of(number))
        card = card_of(id_of(number), name=name or f"peer-{number}")
        self.hear(replace(card, slots=2, agents=agents or (agent(),)), self.pulse(number, **pulse))
        return id_of(number)

    def pulse(self, number: int, **more: object) -> Pulse:
        return replace(pulse_of(id_of(number)), slots=2, **more)  # type: ignore[arg-type]

    def decide(self, query: Query = MATHS):
        return self.node.decide(query, self.node.plan(query, self.now), self.now)

    def weighed_alone(self, query: Query, now: float | None = None, lot: float = 0.5) -> Choice | None:
        """The choice of one agent that is weighed against nobody, where this lot is drawn for it."""
        self.lots.chosen = lot
        choice, drawn = self.node.alone(query, self.now if now is None else now, 11)
        self.lots.chosen = None
        assert drawn in (None, lot)
        return choice

    def excluded(self, query: Query = MATHS) -> dict[str, str | None]:
        return {c.peer_name: c.excluded for c in self.decide(query).candidates}


def approximately(candidate: Candidate) -> tuple[object, ...]:
    """Its values, numbers to 1e-12."""
    values = structs.astuple(candidate)
    return tuple(pytest.approx(value, rel=1e-12) if isinstance(value, float) else value for value in values)
