"""Whether an idle engine of our own takes a query though others might (P): then nobody else is weighed.

Example: our engine has a free slot, scores .71 and is done in 2 s; the best of eight others scores .72, and none is
done in less than a second. It answers, as `local_idle`. Who follows it, should it fail, and what everybody would have
cost is worked out once somebody looks: of most requests nobody does.
"""

from collections.abc import Callable, Sequence
from functools import partial

from gateway.beliefs.columns import by_row, listed, zeros
from gateway.beliefs.expected import Expected, side_by_side
from gateway.beliefs.few import Others
from gateway.routing import cost
from gateway.routing.choice import Candidate, Choice, Leading
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
    theirs: Others,
    config: SchedulerConfig,
    output_tokens: float,
    warm_tokens: float,
    rows: int,
    lot: float,
) -> Choice | None:
    """The choice of our own agent in `who`, as `default` makes it; None: not idle, not enough, or a door is closed.

    `ours`, `theirs`: of the queues of all agents of ours and of others. `warm_tokens`: of this conversation that it
    holds. `rows`: so many candidates the choice names. `lot`: the query's own.
    """
    (row,), mine = who.own, ours[who.own[0]]
    rivals = theirs.at(who.rivals)
    if mine.backlog > mine.slots - 1.0 or rivals.is_any_closed:
        return None
    score: list[float] = listed(scored.scores(query.relevance))
    others = score[len(ours) :] if rivals is theirs else [score[other] for other in who.others]
    costs = costs_of(query, output_tokens, config.cost, *needed(mine), 0.0, warm_tokens, 0.0)
    wait_s, own_s, *_, cost_s = costs
    here_s, elsewhere_s = wait_s + own_s, _seconds(query, output_tokens, rivals.least)
    if here_s > config.local_slowness * elsewhere_s:  # nobody may be that fast: who is the fastest?
        elsewhere_s = min([_seconds(query, output_tokens, rival) for rival in rivals.each])
    if not is_enough(config, score[row], max(others), here_s, elsewhere_s):
        return None
    columns, service_of = rivals.columns, partial(cost.service, float(query.prompt_tokens), output_tokens)
    service_s = by_row(service_of, columns.prefill_s, columns.step_s, columns.stream_s, columns.streams)
    beta_per_s = worth_per_s(query, config, median_s(sorted([own_s, *service_s])))
    first = candidate_of(
        query, scored.roster, row, mine, costs, score[row], utility(score[row], cost_s, beta_per_s), None,
        not scored.profiled[row], scored.basis(row, query.category), int(warm_tokens),
    )  # fmt: skip
    each = [*ours, *theirs.each]
    weighed = partial(_weighed, query, scored, each, score, config, output_tokens, warm_tokens, row, lot)
    return Choice(
        _REASON, beta_per_s, Leading(first, partial(_following, weighed, rows)), may_go_elsewhere=True,
        among=len(score), explained=partial(_explained, weighed),
    )  # fmt: skip


def _seconds(query: Query, output_tokens: float, at: Expected[float]) -> float:
    """How long this query takes at another peer, at its best: nobody waits there."""
    return cost.service(
        query.prompt_tokens, output_tokens, at.prefill_s, at.step_s, at.stream_s, at.streams
    ) + cost.transit(at.rtt_s, query.body_bytes, at.byte_s)


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
    lot: float,
) -> Decision:
    """The same decision with everybody weighed, on what was believed when it was made."""
    warm = zeros(len(each))
    warm[row] = warm_tokens
    view = View(
        scored.roster, side_by_side(each), score, scored.profiled, output_tokens, warm_tokens=warm, bases=scored.bases
    )
    return decided(assess(query, view, config), [row], _REASON, _Lots(lot))


class _Lots:
    """Lots that follow from a query's own: the same whenever somebody looks."""

    def __init__(self, last: float) -> None:
        self._last = last

    def random(self) -> float:
        self._last = (7919.0 * self._last + 0.37) % 1.0
        return self._last
