"""What each candidate is worth for one query: utility U(i,j), Eq. (9), from score and cost, as a draft Decision."""

import numpy as np
from numpy.typing import NDArray

from gateway.beliefs.queueing import FloatArray, Real, streams, wait
from gateway.routing import cost
from gateway.routing.candidates import candidate_set, embedded_stands_back
from gateway.routing.decision import Decision
from gateway.routing.policy import SchedulerConfig
from gateway.routing.query import Query, View

# Score that one typical service time S̃ of the query is worth: as much as shortens the waits without losing right
# answers (docs/results/simulator.md#constants).
SERVICE_WORTH = 0.04


def utility(score: Real, cost_s: Real, beta_per_s: float) -> Real:
    """U(i,j) = s(i,j) - β·c(i,j), Eq. (9)."""
    return score - beta_per_s * cost_s


def assess(query: Query, view: View, config: SchedulerConfig) -> Decision:
    """Every column of a Decision on `view`, nothing chosen yet."""
    excluded = candidate_set(query, view, config.theta_s)
    e = view.expected
    warm_tokens = view.warm_tokens if view.warm_tokens is not None else np.zeros(len(view.roster))
    prompt_tokens = np.maximum(0.0, query.prompt_tokens - warm_tokens)
    wait_s = wait(e.backlog, e.slots, e.mean_service_s, e.wait_factor)
    if view.cold is not None:
        wait_s = wait_s + config.cost.loading_s * view.cold
    embedded_stands_back(excluded, wait_s, view.roster)
    together = streams(e.backlog, e.slots)
    service_s = cost.service(prompt_tokens, view.output_tokens, e.prefill_s, e.step_s, e.stream_s, together)
    travelling = np.where(view.roster.local, 0.0, query.body_bytes)
    transit_s = cost.transit(e.rtt_s, travelling, config.cost.bandwidth_bytes_per_s)
    risk_s = cost.risk(e.backlog, e.slots, e.mean_service_s, e.shape, config.cost.risk_weight)
    crowding_s = cost.crowding(view.output_tokens, e.stream_s, together, config.cost.crowding_weight)
    cost_s = cost.cost_of_delegation(wait_s, service_s, transit_s, risk_s, crowding_s)
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


def typical_service(service_s: FloatArray, excluded: NDArray[np.uint8]) -> float:
    """S̃: the median service time of this query over the candidates, in seconds, greater than 0."""
    among = np.sort(service_s[excluded == 0] if not excluded.all() else service_s)
    middle = len(among) // 2
    return max(float(among[middle] + among[-middle - 1]) / 2, 1e-9) if len(among) else 1.0
