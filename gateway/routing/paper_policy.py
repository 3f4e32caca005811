"""The policy as the paper prints it, Eq. (6) to (10) and Algorithm 1: for comparison, not for use.

docs/game.md says what is wrong with it.
"""

from dataclasses import replace

import numpy as np

from gateway.beliefs.queueing import FloatArray
from gateway.routing import cost
from gateway.routing.decision import Decision
from gateway.routing.policy import Plan, SchedulerConfig, decided, own_and_others
from gateway.routing.query import Query, View
from gateway.routing.utility import assess, utility


class PaperPolicy:
    """Eq. (6) to (10) as printed, with the paper's own β. `wait_s` holds E[ρ_j], which is no time."""

    def __init__(self, config: SchedulerConfig) -> None:
        self.config = config

    def plan(self, query: Query, view: View, now: float, rng: np.random.Generator) -> Plan:
        """Algorithm 1, line 4: every candidate is asked."""
        draft = self._assess(query, view)
        local, remote = own_and_others(draft)
        return Plan(draft, (*local.tolist(), *remote.tolist()), probe=tuple(remote.tolist()), reason="paper")

    def choose(
        self, query: Query, view: View, now: float, rng: np.random.Generator, plan: Plan | None = None
    ) -> Decision:
        """Algorithm 1, line 10; ties go to the smallest index (Lemma 1)."""
        plan = plan or self.plan(query, view, now, rng)
        fresh = plan.draft if view is plan.draft.view else self._assess(query, view)
        open_ = sorted(index for index in plan.pool if not fresh.excluded[index])
        return decided(fresh, sorted(open_, key=lambda index: -float(fresh.utility[index])), plan.reason, rng)

    def _assess(self, query: Query, view: View) -> Decision:
        sound = assess(query, view, self.config)
        congestion = paper_utilisation(
            view.expected.arrival_rate, view.expected.service_rate, self.config.paper_horizon_s
        )
        nothing = np.zeros_like(congestion)
        cost_s = cost.cost_of_delegation(congestion, sound.service_s, sound.transit_s, nothing, nothing)  # Eq. (8)
        beta = self.config.paper_beta_per_s if query.beta_per_s is None else query.beta_per_s
        return replace(
            sound,
            wait_s=congestion,
            risk_s=nothing,
            crowding_s=nothing,
            cost_s=cost_s,
            utility=utility(view.score, cost_s, beta),
            beta_per_s=beta,
        )


def paper_utilisation(arrival_rate: FloatArray, service_rate: FloatArray, horizon_s: float) -> FloatArray:
    """E[ρ_j] = min(1, λ/μ + δ·(λ - μ)), Eq. (7) as printed; (N,). May be negative, and never tells 2 jobs from 200."""
    rho: FloatArray = np.minimum(1.0, arrival_rate / service_rate + horizon_s * (arrival_rate - service_rate))
    return rho
