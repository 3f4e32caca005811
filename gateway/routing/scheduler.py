"""Who may answer and what each would be worth: candidate set (Eq. 11), utility (Eq. 9), and what a policy is.

Asking peers is I/O, so a policy works in two pure steps: `plan` names the peers worth a probe; the caller probes them,
tells the beliefs, and hands a fresh View to `choose`. `choose` without a plan decides on what is known. The policies
themselves stand in policies.py.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.beliefs.belief import ADMISSION_LEVEL
from gateway.beliefs.belief import Outcome as Outcome
from gateway.routing import cost
from gateway.routing import decision as d
from gateway.routing.cost import CostConfig, FloatArray
from gateway.routing.decision import Decision, Query, View, streams_at
from gateway.routing.decision import Roster as Roster

Mode = Literal["default", "paper", "local", "random"]
# Score that one typical service time S̃ of the query is worth. Seven recorded models at 20 and 50 queries a second: .03
# took .149 and .245 s a query, .04 .147 and .222 s with as many right answers; .045 lost .2 points (seeds 101 to 104).
SERVICE_WORTH = 0.04
_NonNegative = Annotated[float, msgspec.Meta(ge=0)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class SchedulerConfig:
    """How a peer decides."""

    mode: Mode = "default"  # paper: Eq. 6-10 verbatim; local: never delegate; random: any candidate
    theta_s: _NonNegative = 0.0  # θ_s of Eq. 11: least score of a candidate; 0: the utility alone weighs it
    # β, score a second; None: SERVICE_WORTH/S̃, so that it fits a 20 ms and a 20 s answer alike.
    beta_per_s: _NonNegative | None = None
    probe_all: Annotated[int, msgspec.Meta(ge=0, le=64)] = 6  # up to so many remote candidates are all probed
    draws: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4  # beyond: so many, drawn by e^(U/T)
    # T = 1·β·S̃. Fifty peers at ρ = .8, news 20 s old: 1.42 s with 3 draws, 1.37 with 4, 1.27 with 5; argmin 10. Five
    # hundred agents of seven models: .72 s with 3; with the best by belief and two at T = 3 1.02 s: all go to one best.
    temperature: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    exploration: _Share = 0.02  # of the queries go to any candidate, else what we believe of the others goes stale
    local_margin: _Share = 0.02  # an idle engine of our own within this score of the best answers without asking around
    local_slowness: Annotated[float, msgspec.Meta(ge=1)] = 2.0  # unless another is believed to be this much faster
    paper_beta_per_s: _NonNegative = 0.01  # mode paper: the middle of the paper's range, 1e-5 to 1 (Fig. 9)
    paper_horizon_s: _NonNegative = 1.0  # δ of Eq. 7; the paper gives none
    cost: CostConfig = field(default_factory=CostConfig)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The first step's result: whom to probe, and among whom the second step chooses."""

    draft: Decision  # as things are believed before the probes
    pool: tuple[int, ...]  # indices among which to choose
    probe: tuple[int, ...] = ()  # remote members of the pool; several may belong to one peer
    reason: str = "best"
    explored: int | None = None  # chosen by lot, if it still is a candidate after its probe


class Policy(Protocol):
    """A way to decide. The rng belongs to the caller: same inputs, same seed, same decision."""

    def plan(self, query: Query, view: View, now: float, rng: np.random.Generator) -> Plan: ...

    def choose(
        self, query: Query, view: View, now: float, rng: np.random.Generator, plan: Plan | None = None
    ) -> Decision:
        """The decision on `view`: the roster that `plan` was made with, what its probes found, and who kept silent."""
        ...


def candidate_set(query: Query, view: View, theta_s: float = 0.0) -> NDArray[np.uint8]:
    """E_i, Eq. (11): (N,) codes, 0 for a candidate, else the first reason why not, in the order of `REASONS`."""
    roster = view.roster
    remote = ~roster.local
    excluded = np.zeros(len(roster), dtype=np.uint8)
    excluded[view.score < theta_s] = d.SCORE
    if view.silent is not None:
        excluded[remote & view.silent] = d.SILENT
    if query.pin is None:  # a named peer says itself whether its door is open: our news of it may be seconds old
        excluded[remote & (view.expected.admission >= ADMISSION_LEVEL["closed"])] = d.CLOSED
    if query.pin is not None:
        named = [query.pin in names for names in zip(roster.peer_ids, roster.peer_names, strict=True)]
        excluded[remote if query.pin == "local" else ~np.array(named, dtype=bool)] = d.PINNED
    if query.pinned_local is not None:
        excluded[remote] = d.PINNED_LOCAL
    limit = roster.context_tokens
    excluded[(limit > 0) & (limit < query.prompt_tokens + (query.max_tokens or 1))] = d.CONTEXT
    if query.needs:
        excluded[[not query.needs <= modalities for modalities in roster.modalities]] = d.MODALITY
    if query.model is not None:
        names = zip(roster.models, roster.agents, strict=True)
        excluded[[query.model not in pair for pair in names]] = d.MODEL
    excluded[~roster.approved] = d.NOT_APPROVED
    excluded[roster.suspect] = d.SUSPECT
    excluded[roster.dead] = d.DEAD
    if query.avoid is not None:
        failed = np.array([peer == query.avoid for peer in roster.peer_ids], dtype=np.bool_) & (excluded == 0)
        if ((excluded == 0) & ~failed).any():
            excluded[failed] = d.RETRIED
    return excluded


def utility(score: cost.Real, cost_s: cost.Real, beta_per_s: float) -> cost.Real:
    """U(i,j) = s(i,j) - β·c(i,j), Eq. (9)."""
    return score - beta_per_s * cost_s


def assess(query: Query, view: View, config: SchedulerConfig) -> Decision:
    """Every column of a Decision on `view`, nothing chosen yet."""
    excluded = candidate_set(query, view, config.theta_s)
    e = view.expected
    warm_tokens = view.warm_tokens if view.warm_tokens is not None else np.zeros(len(view.roster))
    prompt_tokens = np.maximum(0.0, query.prompt_tokens - warm_tokens)
    wait_s = cost.wait(e.backlog, e.slots, e.mean_service_s, e.wait_factor)
    if view.cold is not None:
        wait_s = wait_s + config.cost.loading_s * view.cold
    streams = streams_at(e)
    service_s = cost.service(prompt_tokens, view.output_tokens, e.prefill_s, e.step_s, e.stream_s, streams)
    travelling = np.where(view.roster.local, 0.0, query.body_bytes)
    transit_s = cost.transit(e.rtt_s, travelling, config.cost.bandwidth_bytes_per_s)
    risk_s = cost.risk(e.backlog, e.slots, e.mean_service_s, e.shape, config.cost.risk_weight)
    crowding_s = cost.crowding(view.output_tokens, e.stream_s, streams, config.cost.crowding_weight)
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
