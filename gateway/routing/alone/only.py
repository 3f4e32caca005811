"""The choice of the one agent that may answer: nobody is weighed against it, so nothing is made a column (P)."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from gateway.beliefs.expected import Expected
from gateway.routing.choice import Candidate, Choice
from gateway.routing.cost import Costs
from gateway.routing.decision import candidate_of, excluded_because
from gateway.routing.policy import SchedulerConfig
from gateway.routing.query import Query
from gateway.routing.roster import Only, ScoredRoster
from gateway.routing.utility import LEAST_S, costs_of, needed, utility, worth_per_s

_NO_COSTS = Costs(*(0.0,) * len(Costs._fields))
_NOTHING = Expected(*(0.0,) * len(Expected._fields))


def only_choice(
    query: Query,
    scored: ScoredRoster,
    only: Only,
    excluded: NDArray[np.uint8],
    expected: Expected[float],
    config: SchedulerConfig,
    output_tokens: float,
    warm_tokens: float,
    is_cold: bool,
) -> Choice:
    """The choice of the one agent that may answer, as `assess` and a policy would make it, without arrays.

    `expected`: of its queue. `excluded`: the codes of everybody, (N,).
    """
    row, _, _, _, is_own, reason = only
    costs = costs_of(
        query, output_tokens, config.cost, *needed(expected), 0.0 if is_own else 1.0, warm_tokens,
        1.0 if is_cold else 0.0,
    )  # fmt: skip
    _, service_s, _, _, _, cost_s = costs
    score, beta = scored.score(row, query.relevance), worth_per_s(query, config, max(service_s, LEAST_S))
    candidate = candidate_of(
        query, scored.roster, row, expected, costs, score, utility(score, cost_s, beta), None,
        not scored.profiled[row], scored.basis(row, query.category), int(warm_tokens),
        config.cost.loading_s if is_cold else 0.0,
    )  # fmt: skip
    return Choice(
        reason, beta, (candidate,), not is_own, (), len(excluded),
        partial(_with_rest, query, scored, excluded, candidate, reason, beta),
    )  # fmt: skip


def _with_rest(
    query: Query, scored: ScoredRoster, excluded: NDArray[np.uint8], only: Candidate, reason: str, beta_per_s: float
) -> Choice:
    """The choice of this one with everybody else, each with the reason why not.

    Nobody has computed what the others would cost: all their seconds are 0, and so is the utility.
    """
    rest = tuple(
        candidate_of(
            query, scored.roster, row, _NOTHING, _NO_COSTS, scored.score(row, query.relevance), 0.0,
            excluded_because(query, code), not scored.profiled[row], scored.basis(row, query.category),
        )
        for row, code in enumerate(excluded.tolist())
        if code
    )  # fmt: skip
    return Choice(reason, beta_per_s, (only,), not only.local, rest, len(excluded))
