"""Node: what one peer knows and decides. The gateway drives it with sockets, the simulator with a heap of events.

Takes `now` and returns what to do; touched on the event loop only. Knows nothing of sockets, clocks or engines.
"""

from collections.abc import Sequence

import numpy as np

from discovery.records import Agent, PeerId
from gateway.belief_table import Beliefs
from gateway.beliefs import Outcome, Reservation
from gateway.decision import Decision, Query, Roster, View
from gateway.scheduler import Plan, Policy

EQUAL_SCORE = 0.5  # where no gate tells agents apart, every score is the same and load decides


class Node:
    """One peer's view of the network and its decisions."""

    def __init__(self, me: PeerId, name: str, policy: Policy, beliefs: Beliefs, rng: np.random.Generator) -> None:
        self.me, self.name = me, name
        self.beliefs = beliefs
        self._policy, self._rng = policy, rng
        self._own: tuple[Agent, ...] = ()
        self._roster: Roster | None = None
        self.beliefs.add(me, slots=1, rtt_s=0.0)

    @property
    def own_agents(self) -> tuple[Agent, ...]:
        """What our own engine serves; empty while it does not."""
        return self._own

    @property
    def roster(self) -> Roster:
        """Every (peer, agent) pair, ours first; rebuilt when somebody's card or our own agents changed."""
        if self._roster is None:
            self._roster = self._build_roster()
        return self._roster

    def serve(self, agents: Sequence[Agent]) -> None:
        """Our own agents changed."""
        self._own, self._roster = tuple(agents), None

    def observe_own_load(self, running: int, waiting: int, slots: int, now: float) -> None:
        """How busy our own engine says it is."""
        self.beliefs.observe_load(self.me, running + waiting, slots, "open", now)

    def plan(self, query: Query, now: float) -> Plan:
        """Who could answer, and which of them are worth a probe first."""
        return self._policy.plan(query, self.view(query, now), now, self._rng)

    def decide(self, query: Query, plan: Plan, now: float) -> Decision:
        """Who answers, on what the probes brought; the roster may have changed since the plan."""
        view = self.view(query, now)
        same = view.roster is plan.draft.view.roster
        return self._policy.choose(query, view, now, self._rng, plan if same else None)

    def dispatch(self, decision: Decision, index: int, now: float) -> Reservation:
        """Count candidate `index` as busy with this query from now on."""
        reservation = decision.reservation(index, now)
        self.beliefs.reserve(reservation)
        return reservation

    def observe(self, reservation: Reservation, outcome: Outcome, now: float) -> None:
        """Learn from how a dispatched query went."""
        self.beliefs.observe_outcome(reservation, outcome, now)

    def view(self, query: Query, now: float) -> View:
        """Everything a policy may look at, for this query."""
        roster = self.roster
        count = len(roster)
        return View(
            roster=roster,
            expected=self.beliefs.expect(roster.rows, now),
            score=np.full(count, EQUAL_SCORE),
            profiled=np.zeros(count, dtype=np.bool_),
            output_tokens=self.beliefs.output_tokens(query.category, query.max_tokens),
        )

    def _build_roster(self) -> Roster:
        agents = self._own
        peer_ids = tuple(self.me for _ in agents)
        count = len(agents)
        return Roster(
            peer_ids=peer_ids,
            peer_names=tuple(self.name for _ in agents),
            agents=tuple(agent.name for agent in agents),
            models=tuple(agent.model for agent in agents),
            modalities=tuple(frozenset(agent.modalities) for agent in agents),
            context_tokens=np.array([agent.context_tokens for agent in agents], dtype=np.int64),
            local=np.ones(count, dtype=np.bool_),
            dead=np.zeros(count, dtype=np.bool_),
            suspect=np.zeros(count, dtype=np.bool_),
            approved=np.ones(count, dtype=np.bool_),
            rows=self.beliefs.rows(peer_ids),
        )
