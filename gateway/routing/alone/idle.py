"""Whether an idle engine of our own takes a query though others might (P): then nobody else is weighed.

Example: our engine has a free slot, scores .71 and is done in 2 s; the best of eight others scores .72, and none is
done in less than a second. It answers, as `local_idle`. Who follows it, should it fail, and what everybody would have
cost is worked out once somebody looks: of most requests nobody does.
"""

from collections.abc import Callable, Sequence
from functools import partial
from operator import add

from gateway.beliefs.belief import ADMISSION_LEVEL
from gateway.beliefs.columns import Column, by_row, greatest, least, listed, take, zeros
from gateway.beliefs.expected import Expected, side_by_side
from gateway.routing import cost
from gateway.routing.choice import Candidate, Choice, Leading
from gateway.routing.cost import Costs
from gateway.routing.decision import Decision, candidate_of
from gateway.routing.policy import SchedulerConfig, decided
from gateway.routing.query import Query, View
from gateway.routing.roster import Candidates, ScoredRoster
from gateway.routing.utility import assess, costs_of, median_s, needed, utility, worth_per_s

_REASON = "local_idle"


def is_enough(config: SchedulerConfig, score: float, rivals: float, here_s: float, elsewhere_s: float) -> bool:
    """Whether an engine of ours with a free slot takes a query: about as good as the best, and not much slower.

    `rivals`: the best score of any other. `elsewhere_s`: the shortest time at any, at its best: nobody waits there.
    """
    return score >= rivals - config.local_margin and here_s <= config.local_slowness * elsewhere_s


def idle_choice(
    query: Query,
    scored: ScoredRoster,
    who: Candidates,
    ours: Sequence[Expected[float]],
    theirs: Sequence[Expected[float]],
    columns: Expected[Column],
    config: SchedulerConfig,
    output_tokens: float,
    warm_tokens: float,
    rows: int,
) -> Choice | None:
    """The choice of our own agent in `who`, as `default` makes it; None: not idle, not enough, or a door is closed.

    `ours`, `theirs`: of the queues of all agents of ours and of others; `columns`: of the latter.
    `warm_tokens`: of this conversation that it holds. `rows`: so many candidates the choice names.
    """
    (row,), others, mine = who.own, listed(who.others), ours[who.own[0]]
    if mine.backlog > mine.slots - 1.0:
        return None
    score = listed(scored.scores(query.relevance))
    service_of = partial(cost.service, float(query.prompt_tokens), output_tokens)
    service_s = by_row(service_of, columns.prefill_s, columns.step_s, columns.stream_s, columns.streams)
    transit_s = by_row(cost.transit, columns.rtt_s, [float(query.body_bytes)] * len(theirs), columns.byte_s)
    rivals: list[Column] = [columns.admission, service_s, by_row(add, service_s, transit_s), score[len(ours) :]]
    if len(others) < len(theirs):
        places = [other - len(ours) for other in others]
        rivals = [take(column, places) for column in rivals]
    admission, service_s, elsewhere_s, scores = rivals
    costs = Costs(*costs_of(query, output_tokens, config.cost, *needed(mine), 0.0, warm_tokens, 0.0))
    here_s = costs.wait_s + costs.service_s
    is_open = greatest(admission) < ADMISSION_LEVEL["closed"]
    if not (is_open and is_enough(config, score[row], greatest(scores), here_s, least(elsewhere_s))):
        return None
    beta_per_s = worth_per_s(query, config, median_s(sorted([costs.service_s, *service_s])))
    first = candidate_of(
        query, scored.roster, row, mine, costs, score[row], utility(score[row], costs.cost_s, beta_per_s), None,
        not scored.profiled[row], scored.basis(row, query.category), int(warm_tokens),
    )  # fmt: skip
    weighed = partial(_weighed, query, scored, [*ours, *theirs], score, config, output_tokens, warm_tokens, row)
    return Choice(
        _REASON, beta_per_s, Leading(first, partial(_following, weighed, rows)), may_go_elsewhere=True,
        among=len(score), explained=partial(_explained, weighed),
    )  # fmt: skip


def _following(weighed: Callable[[], Decision], rows: int) -> Sequence[Candidate]:
    """Who comes after the first of so many."""
    return weighed().choice(rows).order[1:]


def _explained(weighed: Callable[[], Decision]) -> Choice:
    decision = weighed()
    return decision.choice(len(decision.order), everybody=True)


def _weighed(
    query: Query,
    scored: ScoredRoster,
    each: Sequence[Expected[float]],
    score: list[float],
    config: SchedulerConfig,
    output_tokens: float,
    warm_tokens: float,
    row: int,
) -> Decision:
    """The same decision with everybody weighed, on what was believed when it was made."""
    warm = zeros(len(each))
    warm[row] = warm_tokens
    view = View(
        scored.roster, side_by_side(each), score, scored.profiled, output_tokens, warm_tokens=warm, bases=scored.bases
    )
    return decided(assess(query, view, config), [row], _REASON, _Lots(query.lot or 0.0))


class _Lots:
    """Lots that follow from a query's own: the same whenever somebody looks."""

    def __init__(self, last: float) -> None:
        self._last = last

    def random(self) -> float:
        self._last = (7919.0 * self._last + 0.37) % 1.0
        return self._last
