"""The four ways to decide that PPAI ships: default, paper, local, random. Baselines live with the simulator.

Whoever picks the best of shared stale news picks the same peer as everybody else (measured: 25 s mean wait where 1.5 s
is possible). So `default` looks afresh at a few: all when they are few, else some drawn by lot, by e^(utility).
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gateway.routing import cost, decision
from gateway.routing.cost import FloatArray
from gateway.routing.decision import Decision, Query, View
from gateway.routing.probing import worth_a_look
from gateway.routing.scheduler import Plan, Policy, SchedulerConfig, assess, typical_service, utility

_UNSUITED = (
    decision.SCORE,
    decision.CONTEXT,
    decision.RETRIED,
)  # our own engine takes these all the same when nobody else does


def policy(config: SchedulerConfig) -> Policy:
    """The policy of `config.mode`."""
    modes: dict[str, Callable[[SchedulerConfig], Policy]] = {
        "default": DefaultPolicy,
        "paper": PaperPolicy,
        "local": LocalPolicy,
        "random": RandomPolicy,
    }
    return modes[config.mode](config)


class DefaultPolicy:
    """Utility on fresh news of a shortlist (Algorithm 1, its line 4 restricted to a few)."""

    def __init__(self, config: SchedulerConfig) -> None:
        self.config = config

    def plan(self, query: Query, view: View, now: float, rng: np.random.Generator) -> Plan:
        """All remote candidates when they are few, if a look is worth its time; else some drawn by lot. Ours always.

        Of many, all hold the same news and may act on it in one moment: there a look is always worth it. Where this
        conversation is warm is nobody else's news: that one is looked at too, and nothing is tried out.
        """
        draft = assess(query, view, self.config)
        local, remote = _candidates(draft)
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
        """Our own best agent, if no probe is worth its time: free, about as good as the best, and not much slower.

        Not where this conversation is warm elsewhere: then the utility weighs reading it anew.
        """
        if not len(local) or any(index in remote for index in draft.view.warm):
            return None
        best = int(local[np.argmax(draft.utility[local])])
        score, expected = draft.view.score, draft.view.expected
        is_free = expected.backlog[best] <= expected.slots[best] - 1.0
        is_as_good = score[best] >= score[remote].max() - self.config.local_margin
        if not (is_free and is_as_good):
            return None
        elsewhere_s = (draft.service_s[remote] + draft.transit_s[remote]).min()  # at its best: nobody waits there
        is_as_fast = draft.wait_s[best] + draft.service_s[best] <= self.config.local_slowness * elsewhere_s
        return best if is_as_fast else None

    def _drawn(self, draft: Decision, remote: NDArray[np.intp], rng: np.random.Generator) -> tuple[int, ...]:
        """Gumbel noise on U/T draws without replacement, by e^(U/T).

        The best by belief gets no certain place: news is old, and it is the same one for everybody.
        """
        heat = self.config.temperature * draft.beta_per_s * typical_service(draft.service_s, draft.excluded)
        noisy = draft.utility[remote] / max(heat, 1e-12) + rng.gumbel(size=len(remote))
        drawn: list[int] = remote[np.argpartition(-noisy, self.config.draws - 1)[: self.config.draws]].tolist()
        return tuple(drawn)


class LocalPolicy(DefaultPolicy):
    """Never delegates."""

    def plan(self, query: Query, view: View, now: float, rng: np.random.Generator) -> Plan:
        return super().plan(replace(query, pinned_local=query.pinned_local or "mode:local"), view, now, rng)


class RandomPolicy(DefaultPolicy):
    """Any candidate, each as likely; asks nobody."""

    def plan(self, query: Query, view: View, now: float, rng: np.random.Generator) -> Plan:
        draft = assess(query, view, self.config)
        return Plan(draft, tuple(np.flatnonzero(draft.excluded == 0).tolist()), reason="random")

    def choose(
        self, query: Query, view: View, now: float, rng: np.random.Generator, plan: Plan | None = None
    ) -> Decision:
        plan = plan or self.plan(query, view, now, rng)
        return decided(plan.draft, rng.permutation(plan.pool).astype(int).tolist(), plan.reason, rng)


class PaperPolicy:
    """Eq. (6) to (10) as printed, with the paper's own β: for comparison, not for use. `wait_s` holds E[ρ_j]."""

    def __init__(self, config: SchedulerConfig) -> None:
        self.config = config

    def plan(self, query: Query, view: View, now: float, rng: np.random.Generator) -> Plan:
        """Algorithm 1, line 4: every candidate is asked."""
        draft = self._assess(query, view)
        local, remote = _candidates(draft)
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


def _candidates(draft: Decision) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of our own candidates and of the others'."""
    is_candidate, local = draft.excluded == 0, draft.view.roster.local
    return np.flatnonzero(is_candidate & local), np.flatnonzero(is_candidate & ~local)


def ranked_by(fresh: Decision, by: FloatArray, pool: Iterable[int], rng: np.random.Generator) -> list[int]:
    """The pool's candidates, best first; equal ones (to 1e-12) in an order drawn by lot."""
    still = [index for index in pool if not fresh.excluded[index]]
    lot = rng.random(len(still)).tolist()
    keyed = sorted(zip([-round(float(by[index]), 12) for index in still], lot, still, strict=True))
    return [index for _, _, index in keyed]


def decided(fresh: Decision, ranked: list[int], reason: str, rng: np.random.Generator) -> Decision:
    """`fresh` with its order: the choice, the other remote ones of the pool, our own, and who else could if need be."""
    local = fresh.view.roster.local
    ours = [index for index in ranked[1:] if local[index]]
    order = [*ranked[:1], *(index for index in ranked[1:] if not local[index]), *ours]
    if fresh.query.pin is not None:
        reason = "pinned"
    elif fresh.query.pinned_local is not None:
        reason = fresh.query.pinned_local
    elif reason == "best" and not fresh.query.is_familiar:
        reason = "unfamiliar"
    if not any(local[index] for index in order):
        unasked = np.flatnonzero(fresh.excluded == 0)
        order += [index for index in ranked_by(fresh, fresh.utility, unasked.tolist(), rng) if index not in order]
        last = np.flatnonzero(local & np.isin(fresh.excluded, _UNSUITED))
        if not len(last):
            last = np.flatnonzero(fresh.excluded == decision.SILENT)
        reason = reason if order or not len(last) else "fallback"
        order += last.tolist()
    return replace(fresh, order=tuple(order), reason=reason if order else "none")
