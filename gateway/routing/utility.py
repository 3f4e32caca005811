"""What each candidate is worth for one query: utility U(i,j), Eq. (9), from score and cost, as a draft Decision."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gateway.beliefs.numbers import FEW, FloatArray, Real, by_rows, greater
from gateway.beliefs.queueing import streams, wait
from gateway.routing import cost
from gateway.routing.candidates import candidate_set, embedded_stands_back
from gateway.routing.choice import Candidate, Choice
from gateway.routing.decision import Decision, candidate_of, excluded_because
from gateway.routing.policy import SchedulerConfig
from gateway.routing.query import Query, View
from gateway.routing.roster import Roster, ScoredRoster

# Score that one typical service time S̃ of the query is worth: as much as shortens the waits without losing right
# answers (docs/results/simulator.md#constants).
SERVICE_WORTH = 0.04
_NO_COSTS = (0.0,) * 6


def utility(score: Real, cost_s: Real, beta_per_s: float) -> Real:
    """U(i,j) = s(i,j) - β·c(i,j), Eq. (9)."""
    return score - beta_per_s * cost_s


def assess(query: Query, view: View, config: SchedulerConfig) -> Decision:
    """Every column of a Decision on `view`, nothing chosen yet."""
    excluded = candidate_set(query, view, config.theta_s)
    e, roster = view.expected, view.roster
    warm_tokens = view.warm_tokens if view.warm_tokens is not None else np.zeros(len(roster))
    cold = view.cold.astype(np.float64) if view.cold is not None else np.zeros(len(roster))
    wait_s, service_s, transit_s, risk_s, crowding_s, cost_s = by_rows(
        partial(_costs, query, view.output_tokens, config.cost),
        [
            *(warm_tokens, cold, roster.away),
            *(e.backlog, e.slots, e.mean_service_s, e.shape, e.wait_factor, e.prefill_s, e.step_s, e.stream_s, e.rtt_s),
        ],
    )
    embedded_stands_back(excluded, wait_s, roster)
    beta = query.beta_per_s if query.beta_per_s is not None else config.beta_per_s
    if beta is None:
        beta = SERVICE_WORTH / typical_service(service_s, excluded)
    return Decision(
        query=query,
        view=view,
        wait_s=wait_s,
        service_s=service_s,
        transit_s=transit_s,
        risk_s=risk_s,
        crowding_s=crowding_s,
        cost_s=cost_s,
        utility=utility(view.score, cost_s, beta),
        excluded=excluded,
        beta_per_s=beta,
        loading_s=config.cost.loading_s,
    )


def only_choice(
    query: Query,
    roster: Roster,
    row: int,
    expected: tuple[float, ...],
    config: SchedulerConfig,
    *,
    score: float,
    output_tokens: float,
    warm_tokens: float,
    is_cold: bool,
    unprofiled: bool,
    basis: str,
    rest: Callable[[], tuple[Candidate, ...]],
) -> Choice:
    """The choice of the one agent that may answer, as `assess` and a policy would make it, without arrays.

    `expected`: the fields of Expected of its queue. `rest()`: everybody else, for who wants to see them.
    """
    _, mean_service_s, shape, _, backlog, slots, wait_factor, prefill_s, step_s, stream_s, rtt_s, *_ = expected
    costs = _costs(
        query, output_tokens, config.cost, warm_tokens, float(is_cold), float(roster.away[row]),
        backlog, slots, mean_service_s, shape, wait_factor, prefill_s, step_s, stream_s, rtt_s,
    )  # fmt: skip
    beta = query.beta_per_s if query.beta_per_s is not None else config.beta_per_s
    beta = SERVICE_WORTH / max(costs[1], 1e-9) if beta is None else beta
    candidate = candidate_of(
        query, roster, row, score, *costs, utility(score, costs[-1], beta), rtt_s, backlog, slots, mean_service_s,
        prefill_s, loading_s=config.cost.loading_s * is_cold, warm_tokens=int(warm_tokens), unprofiled=unprofiled,
        basis=basis,
    )  # fmt: skip
    reason = "pinned" if query.pin is not None else query.pinned_local or "only_candidate"
    return Choice(
        reason, beta, (candidate,),
        may_go_elsewhere=not candidate.local, among=len(roster),
        explained=partial(_with_rest, reason, beta, candidate, len(roster), rest),
    )  # fmt: skip


def _with_rest(
    reason: str, beta_per_s: float, only: Candidate, among: int, rest: Callable[[], tuple[Candidate, ...]]
) -> Choice:
    return Choice(reason, beta_per_s, (only,), may_go_elsewhere=not only.local, rest=rest(), among=among)


def left_out(query: Query, scored: ScoredRoster, excluded: NDArray[np.uint8]) -> tuple[Candidate, ...]:
    """Everybody but the one that `only_one` found, each with the reason why not; `excluded`: its codes.

    Nobody has computed what they would cost: all seconds are 0, and so is the utility.
    """
    return tuple(
        candidate_of(
            query, scored.roster, row, scored.score(row, query.relevance), *_NO_COSTS, utility=0.0, rtt_s=0.0,
            backlog=0.0, slots=1.0, mean_service_s=0.0, prefill_s=0.0, loading_s=0.0, warm_tokens=0,
            unprofiled=not scored.profiled[row],
            basis=scored.bases[row].words(query.category) if scored.bases else "",
            excluded=excluded_because(query, code),
        )
        for row, code in enumerate(excluded.tolist())
        if code
    )  # fmt: skip


def _costs(
    query: Query,
    output_tokens: float,
    config: cost.CostConfig,
    warm_tokens: Real,
    cold: Real,
    away: Real,
    backlog: Real,
    slots: Real,
    mean_service_s: Real,
    shape: Real,
    wait_factor: Real,
    prefill_s: Real,
    step_s: Real,
    stream_s: Real,
    rtt_s: Real,
) -> tuple[Real, Real, Real, Real, Real, Real]:
    """The terms of Eq. (8) and their sum; `cold` and `away` are 1 where a model must be loaded, and the body travel."""
    prompt_tokens, together = greater(query.prompt_tokens - warm_tokens, 0.0), streams(backlog, slots)
    wait_s = wait(backlog, slots, mean_service_s, wait_factor) + config.loading_s * cold
    service_s = cost.service(prompt_tokens, output_tokens, prefill_s, step_s, stream_s, together)
    transit_s = cost.transit(rtt_s, away * query.body_bytes, config.bandwidth_bytes_per_s)
    risk_s = cost.risk(backlog, slots, mean_service_s, shape, config.risk_weight)
    crowding_s = cost.crowding(output_tokens, stream_s, together, config.crowding_weight)
    cost_s = cost.cost_of_delegation(wait_s, service_s, transit_s, risk_s, crowding_s)
    return wait_s, service_s, transit_s, risk_s, crowding_s, cost_s


def typical_service(service_s: FloatArray, excluded: NDArray[np.uint8]) -> float:
    """S̃: the median service time of this query over the candidates, in seconds, greater than 0."""
    if len(service_s) <= FEW:
        each = service_s.tolist()
        among = sorted(it for it, code in zip(each, excluded.tolist(), strict=True) if not code) or sorted(each)
    else:
        among = np.sort(service_s[excluded == 0] if not excluded.all() else service_s).tolist()
    middle = len(among) // 2
    return max((among[middle] + among[-middle - 1]) / 2, 1e-9) if among else 1.0
