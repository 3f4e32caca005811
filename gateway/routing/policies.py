"""The ways to decide that PPAI ships: default, local, random, and the paper's. Baselines live with the simulator.

Routers that pick the best by the same old news all pick the same peer: they herd. So `default` asks a few peers how
they are before it picks: all of them while they are few, else some drawn by lot, with probabilities that grow as
e^(utility/T). docs/results/simulator.md#staleness compares it with a router that trusts the news.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gateway.beliefs.numbers import FloatArray
from gateway.routing import cost
from gateway.routing.chain import Chained
from gateway.routing.decision import Decision
from gateway.routing.policy import Plan, Policy, SchedulerConfig, decided, own_and_others, ranked_by
from gateway.routing.probing import worth_a_look
from gateway.routing.query import Query, View
from gateway.routing.utility import assess, typical_service, utility


def policy(config: SchedulerConfig) -> Policy:
    """The policy of `config.mode`, for queries with several wishes, too."""
    modes: dict[str, Callable[[SchedulerConfig], Policy]] = {
        "default": DefaultPolicy,
        "paper": PaperPolicy,
        "local": LocalPolicy,
        "random": RandomPolicy,
    }
    return Chained(modes[config.mode](config), config)


class DefaultPolicy:
    """Utility on fresh news of a shortlist (Algorithm 1, its line 4 restricted to a few)."""

    def __init__(self, config: SchedulerConfig) -> None:
        self.config = config

    def plan(self, query: Query, view: View, now: float, rng: np.random.Generator) -> Plan:
        """Whom to probe. The first rule that applies decides; our own candidates are always in the pool.

        1. No remote candidate, or a single one and none of our own: nobody is probed.
        2. A share `exploration` of the queries tries out one remote candidate, each as likely; it is probed. Not if
           the query is pinned or held at our door, nor if its conversation is warm somewhere.
        3. An idle engine of our own about as good as the best answers; nobody is probed.
        4. Of more than `probe_all` remote candidates, `draws` are drawn by lot and probed, and with them the one where
           the conversation is warm. Many routers hold the same old news and may act on it at the same moment; a probe
           shows each what the others have just sent.
        5. Of fewer, all are probed, where that is expected to gain more than the round trip costs.
        """
        draft = assess(query, view, self.config)
        local, remote = own_and_others(draft)
        both = (*local.tolist(), *remote.tolist())
        if len(both) <= 1 or not len(remote):
            return Plan(draft, both, reason="only_candidate" if len(both) == 1 else "best")
        may_explore = query.pin is None and not query.is_held and not view.warm
        if may_explore and rng.random() < self.config.exploration:
            drawn = int(rng.choice(remote))
            return Plan(draft, (*local.tolist(), drawn), probe=(drawn,), reason="explored", explored=drawn)
        if (idle := self._idle(draft, local, remote)) is not None:
            return Plan(draft, (idle,), reason="local_idle")
        if len(remote) > self.config.probe_all:
            short = self._drawn(draft, remote, rng)
            short += tuple(index for index in view.warm if index in remote and index not in short)
            return Plan(draft, (*local.tolist(), *short), probe=short)
        return Plan(draft, both, probe=tuple(remote.tolist()) if worth_a_look(draft, both, remote) else ())

    def choose(
        self, query: Query, view: View, now: float, rng: np.random.Generator, plan: Plan | None = None
    ) -> Decision:
        """Eq. (10) over the plan's pool, ties broken by lot; the explored one first if it still is a candidate."""
        plan = plan or self.plan(query, view, now, rng)
        fresh = plan.draft if view is plan.draft.view else assess(query, view, self.config)
        ranked = ranked_by(fresh, fresh.utility, plan.pool, rng)
        reason = plan.reason
        if plan.explored in ranked:
            ranked.remove(plan.explored)
            ranked.insert(0, plan.explored)
        elif reason == "explored":
            reason = "best"
        return decided(fresh, ranked, reason, rng)

    def _idle(self, draft: Decision, local: NDArray[np.intp], remote: NDArray[np.intp]) -> int | None:
        """Our own best agent, if it is idle, about as good as the best, and not much slower; else None.

        None as well where another peer still holds part of this conversation: the utility then weighs reading it anew.
        """
        if not len(local) or any(index in remote for index in draft.view.warm):
            return None
        best = int(local[np.argmax(draft.utility[local])])
        score, expected = draft.view.score, draft.view.expected
        is_free = expected.backlog[best] <= expected.slots[best] - 1.0
        is_as_good = score[best] >= score[remote].max() - self.config.local_margin
        if not (is_free and is_as_good):
            return None
        costs = draft.costs
        elsewhere_s = (costs.service_s[remote] + costs.transit_s[remote]).min()  # at its best: nobody waits there
        is_as_fast = costs.wait_s[best] + costs.service_s[best] <= self.config.local_slowness * elsewhere_s
        return best if is_as_fast else None

    def _drawn(self, draft: Decision, remote: NDArray[np.intp], rng: np.random.Generator) -> tuple[int, ...]:
        """`draws` of `remote`, drawn without replacement by e^(U/T): the greatest of U/T + Gumbel noise.

        The best by belief may be left out. All routers hold the same old news, so it is the best for all of them; if it
        were always probed, all would send it their queries.
        """
        heat = self.config.temperature * draft.beta_per_s * typical_service(draft.costs.service_s, draft.excluded)
        noisy = draft.utility[remote] / max(heat, 1e-12) + rng.gumbel(size=len(remote))
        drawn: list[int] = remote[np.argpartition(-noisy, self.config.draws - 1)[: self.config.draws]].tolist()
        return tuple(drawn)


class LocalPolicy(DefaultPolicy):
    """Never delegates."""

    def plan(self, query: Query, view: View, now: float, rng: np.random.Generator) -> Plan:
        """As the default, for a query that may not leave this machine."""
        return super().plan(replace(query, pinned_local=query.pinned_local or "mode:local"), view, now, rng)


class RandomPolicy(DefaultPolicy):
    """Any candidate, each as likely; probes nobody."""

    def plan(self, query: Query, view: View, now: float, rng: np.random.Generator) -> Plan:
        """All candidates, and no probe."""
        draft = assess(query, view, self.config)
        return Plan(draft, tuple(np.flatnonzero(draft.excluded == 0).tolist()), reason="random")

    def choose(
        self, query: Query, view: View, now: float, rng: np.random.Generator, plan: Plan | None = None
    ) -> Decision:
        """The plan's pool in an order drawn by lot."""
        plan = plan or self.plan(query, view, now, rng)
        return decided(plan.draft, rng.permutation(plan.pool).astype(int).tolist(), plan.reason, rng)


class PaperPolicy:
    """Eq. (6) to (10) and Algorithm 1 as printed, with the paper's own β: for comparison, not for use.

    Its wait holds E[ρ_j], which is no time. docs/game.md says what is wrong with it.
    """

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
        service_s, transit_s = sound.costs.service_s, sound.costs.transit_s
        cost_s = cost.cost_of_delegation(congestion, service_s, transit_s, nothing, nothing)  # Eq. (8)
        beta = self.config.paper_beta_per_s if query.beta_per_s is None else query.beta_per_s
        return replace(
            sound,
            costs=cost.Costs(congestion, service_s, transit_s, nothing, nothing, cost_s),
            utility=utility(view.score, cost_s, beta),
            beta_per_s=beta,
        )


def paper_utilisation(arrival_rate: FloatArray, service_rate: FloatArray, horizon_s: float) -> FloatArray:
    """E[ρ_j] = min(1, λ/μ + δ·(λ - μ)), Eq. (7) as printed; (N,). May be negative, and never tells 2 jobs from 200."""
    rho: FloatArray = np.minimum(1.0, arrival_rate / service_rate + horizon_s * (arrival_rate - service_rate))
    return rho
