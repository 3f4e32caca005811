"""The ways to decide that PPAI ships: default, local, random, and the paper's. Baselines live with the simulator.

Routers that pick the best by the same old news all pick the same peer: they herd. So `default` asks a few peers how
they are before it picks: all of them while they are few, else some drawn by lot, with probabilities that grow as
e^(utility/T). docs/results/simulator.md#staleness compares it with a router that trusts the news.
"""

from collections.abc import Callable
from operator import add

import numpy as np
from msgspec import structs

from gateway.beliefs.columns import Rows, by_row, greatest, highest, least, listed, take
from gateway.beliefs.expected import Expected, service_rate
from gateway.beliefs.numbers import FloatArray
from gateway.routing import cost
from gateway.routing.alone.idle import is_enough
from gateway.routing.chain import Chained
from gateway.routing.decision import Decision
from gateway.routing.policy import Lots, Plan, Policy, SchedulerConfig, decided, ranked_by
from gateway.routing.probing import worth_a_look
from gateway.routing.query import Query, View
from gateway.routing.utility import assess, utility


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

    def plan(self, query: Query, view: View, now: float, rng: Lots) -> Plan:
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
        local, remote = listed(draft.who.own), draft.who.others
        both = (*local, *listed(remote))
        if len(both) <= 1 or not len(remote):
            return Plan(draft, both, reason="only_candidate" if len(both) == 1 else "best")
        may_explore = query.pin is None and not query.is_held and not view.warm
        if may_explore and (rng.random() if query.lot is None else query.lot) < self.config.exploration:
            drawn = int(rng.choice(remote))
            return Plan(draft, (*local, drawn), probe=(drawn,), reason="explored", explored=drawn)
        if (idle := self._idle(draft, local, remote)) is not None:
            return Plan(draft, (idle,), reason="local_idle")
        if len(remote) > self.config.probe_all:
            short = self._drawn(draft, remote, rng)
            short += tuple(index for index in view.warm if index in remote and index not in short)
            return Plan(draft, (*local, *short), probe=short)
        return Plan(draft, both, probe=tuple(listed(remote)) if worth_a_look(draft, both, listed(remote)) else ())

    def choose(self, query: Query, view: View, now: float, rng: Lots, plan: Plan | None = None) -> Decision:
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

    def _idle(self, draft: Decision, local: list[int], remote: Rows) -> int | None:
        """Our own best agent, if it is idle, about as good as the best, and not much slower; else None.

        None as well where another peer still holds part of this conversation: the utility then weighs reading it anew.
        """
        if not local or any(index in remote for index in draft.view.warm):
            return None
        best = max(local, key=draft.utility.__getitem__)
        score, expected, costs = draft.view.score, draft.view.expected, draft.costs
        if expected.backlog[best] > expected.slots[best] - 1.0:
            return None
        rivals = greatest(take(score, remote))
        elsewhere_s = least(by_row(add, take(costs.service_s, remote), take(costs.transit_s, remote)))
        here_s = costs.wait_s[best] + costs.service_s[best]
        return best if is_enough(self.config, score[best], rivals, here_s, elsewhere_s) else None

    def _drawn(self, draft: Decision, remote: Rows, rng: Lots) -> tuple[int, ...]:
        """`draws` of `remote`, drawn without replacement by e^(U/T): the greatest of U/T + Gumbel noise.

        The best by belief may be left out. All routers hold the same old news, so it is the best for all of them; if it
        were always probed, all would send it their queries.
        """
        heat = self.config.temperature * draft.beta_per_s * draft.typical_s
        drawn = np.array([rng.random() for _ in remote])
        hot, noise = max(heat, 1e-12), -np.log(-np.log(1 - drawn))
        noisy = by_row(lambda worth, luck: worth / hot + luck, take(draft.utility, remote), noise)
        return tuple(int(remote[place]) for place in highest(noisy, self.config.draws))


class LocalPolicy(DefaultPolicy):
    """Never delegates."""

    def plan(self, query: Query, view: View, now: float, rng: Lots) -> Plan:
        """As the default, for a query that may not leave this machine."""
        return super().plan(structs.replace(query, pinned_local=query.pinned_local or "mode:local"), view, now, rng)


class RandomPolicy(DefaultPolicy):
    """Any candidate, each as likely; probes nobody."""

    def plan(self, query: Query, view: View, now: float, rng: Lots) -> Plan:
        """All candidates, and no probe."""
        draft = assess(query, view, self.config)
        return Plan(draft, tuple(sorted(draft.who.all)), reason="random")

    def choose(self, query: Query, view: View, now: float, rng: Lots, plan: Plan | None = None) -> Decision:
        """The plan's pool in an order drawn by lot."""
        plan = plan or self.plan(query, view, now, rng)
        return decided(plan.draft, [int(row) for row in rng.permutation(plan.pool)], plan.reason, rng)


class PaperPolicy:
    """Eq. (6) to (10) and Algorithm 1 as printed, with the paper's own β: for comparison, not for use.

    Its wait holds E[ρ_j], which is no time. docs/game.md says what is wrong with it.
    """

    def __init__(self, config: SchedulerConfig) -> None:
        self.config = config

    def plan(self, query: Query, view: View, now: float, rng: Lots) -> Plan:
        """Algorithm 1, line 4: every candidate is asked."""
        draft = self._assess(query, view)
        return Plan(draft, tuple(draft.who.all), probe=tuple(listed(draft.who.others)), reason="paper")

    def choose(self, query: Query, view: View, now: float, rng: Lots, plan: Plan | None = None) -> Decision:
        """Algorithm 1, line 10; ties go to the smallest index (Lemma 1)."""
        plan = plan or self.plan(query, view, now, rng)
        fresh = plan.draft if view is plan.draft.view else self._assess(query, view)
        open_ = sorted(index for index in plan.pool if not fresh.excluded[index])
        return decided(fresh, sorted(open_, key=lambda index: -float(fresh.utility[index])), plan.reason, rng)

    def _assess(self, query: Query, view: View) -> Decision:
        sound = assess(query, view, self.config)
        e: Expected[FloatArray] = Expected(*map(np.asarray, view.expected))
        congestion = paper_utilisation(e.arrival_rate, service_rate(e), self.config.paper_horizon_s)
        service_s, transit_s = np.asarray(sound.costs.service_s), np.asarray(sound.costs.transit_s)
        nothing = np.zeros_like(congestion)
        cost_s = cost.cost_of_delegation(congestion, service_s, transit_s, nothing, nothing)  # Eq. (8)
        beta = self.config.paper_beta_per_s if query.beta_per_s is None else query.beta_per_s
        return sound._replace(
            costs=cost.Costs(congestion, service_s, transit_s, nothing, nothing, cost_s),
            utility=utility(np.asarray(view.score), cost_s, beta),
            beta_per_s=beta,
        )


def paper_utilisation(arrival_rate: FloatArray, service_rate: FloatArray, horizon_s: float) -> FloatArray:
    """E[ρ_j] = min(1, λ/μ + δ·(λ - μ)), Eq. (7) as printed; (N,). May be negative, and never tells 2 jobs from 200."""
    rho: FloatArray = np.minimum(1.0, arrival_rate / service_rate + horizon_s * (arrival_rate - service_rate))
    return rho
