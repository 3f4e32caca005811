"""What each candidate is worth for one query: utility U(i,j), Eq. (9), from score and cost, as a draft Decision."""

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from gateway.beliefs.columns import Column, by_row, by_rows, zeros
from gateway.beliefs.expected import Expected
from gateway.beliefs.numbers import Real
from gateway.routing import cost
from gateway.routing.candidates import candidate_set, embedded_stands_back
from gateway.routing.cost import Costs, Terms
from gateway.routing.decision import Decision
from gateway.routing.policy import SchedulerConfig
from gateway.routing.query import Query, View
from gateway.routing.roster import Candidates

# Score that one typical service time S̃ of the query is worth: as much as shortens the waits without losing right
# answers (docs/results/simulator.md#constants).
SERVICE_WORTH = 0.04
LEAST_S = 1e-9  # of a typical service time: it divides


def utility(score: Real, cost_s: Real, beta_per_s: float) -> Real:
    """U(i,j) = s(i,j) - β·c(i,j), Eq. (9)."""
    return score - beta_per_s * cost_s


def assess(query: Query, view: View, config: SchedulerConfig) -> Decision:
    """Every column of a Decision on `view`, nothing chosen yet."""
    roster, candidates = view.roster, candidate_set(query, view, config.theta_s)
    nothing = zeros(len(roster))
    warm_tokens = nothing if view.warm_tokens is None else view.warm_tokens
    cold = nothing if view.cold is None else view.cold.astype(np.float64)
    cost_of = partial(costs_of, query, view.output_tokens, config.cost)
    costs = Costs(*by_rows(cost_of, *needed(view.expected), roster.away, warm_tokens, cold))
    if roster.has_embedded:
        candidates = embedded_stands_back(candidates, costs.wait_s, roster)
    typical_s = typical_service(costs.service_s, candidates)
    beta = worth_per_s(query, config, typical_s)
    worth = by_row(partial(utility, beta_per_s=beta), view.score, costs.cost_s)
    return Decision(query, view, costs, worth, candidates, beta, typical_s, config.cost.loading_s)


# What of an Expected the costs are made of, in the order of `costs_of`.
needed: Callable[[Expected[Any]], tuple[Any, Any, Any, Any, Any, Any, Any, Any]] = attrgetter(
    "wait_s", "streams", "doubt_s", "prefill_s", "step_s", "stream_s", "rtt_s", "byte_s"
)


def costs_of(
    query: Query,
    output_tokens: float,
    config: cost.CostConfig,
    wait_s: Real,
    streams: Real,
    doubt_s: Real,
    prefill_s: Real,
    step_s: Real,
    stream_s: Real,
    rtt_s: Real,
    byte_s: Real,
    away: Real,
    warm_tokens: Real,
    cold: Real,
) -> Terms[Real]:
    """What this query costs, as Costs are made of; `away` and `cold` are 1 where the body must travel, and a model be
    loaded. Of its prompt at most all is warm."""
    wait_s = wait_s + config.loading_s * cold
    service_s = cost.service(query.prompt_tokens - warm_tokens, output_tokens, prefill_s, step_s, stream_s, streams)
    transit_s = cost.transit(rtt_s, away * query.body_bytes, byte_s)
    risk_s = cost.risk(doubt_s, config.risk_weight)
    crowding_s = cost.crowding(output_tokens, stream_s, streams, config.crowding_weight)
    cost_s = cost.cost_of_delegation(wait_s, service_s, transit_s, risk_s, crowding_s)
    return wait_s, service_s, transit_s, risk_s, crowding_s, cost_s


def typical_service(service_s: Column, candidates: Candidates) -> float:
    """S̃: the median service time of this query over the candidates, in seconds, greater than 0."""
    if isinstance(service_s, list):
        return median_s(sorted([service_s[row] for row in candidates.all] or service_s))
    is_candidate = candidates.excluded == 0
    return median_s(np.sort(service_s[is_candidate] if is_candidate.any() else service_s).tolist())


def median_s(ordered: list[float]) -> float:
    """The median of seconds in their order, greater than 0; a second where there are none."""
    middle = len(ordered) // 2
    return max((ordered[middle] + ordered[-middle - 1]) / 2, LEAST_S) if ordered else 1.0


def worth_per_s(query: Query, config: SchedulerConfig, typical_s: float) -> float:
    """β: the query's own, else the configured one, else what fits its typical service time."""
    beta = query.beta_per_s if query.beta_per_s is not None else config.beta_per_s
    return SERVICE_WORTH / typical_s if beta is None else beta
