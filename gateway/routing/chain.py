"""Several wishes in turn: a query that names several models goes to the first that somebody can begin in time.

Example: an alias `coder: [qwen3-coder-30b, qwen2.5-coder-7b, auto]`. While somebody who serves the first can begin
within `patience_s`, all of them are tried before anyone who serves the second.
"""

from collections.abc import Iterable
from math import inf
from typing import TypeVar

from msgspec import structs

from gateway.routing.decision import Decision
from gateway.routing.policy import Lots, Plan, Policy, SchedulerConfig
from gateway.routing.query import Query, View
from gateway.routing.utility import assess

Found = TypeVar("Found", Plan, Decision)


class Chained:
    """A policy for queries with a chain of wishes; every other query is `policy`'s alone."""

    def __init__(self, policy: Policy, config: SchedulerConfig) -> None:
        self.policy, self.config = policy, config

    def plan(self, query: Query, view: View, now: float, rng: Lots) -> Plan:
        """The plan for the wish that is to be fulfilled."""
        if not query.chain:
            return self.policy.plan(query, view, now, rng)
        return _first_in_time((self.policy.plan(wish, view, now, rng) for wish in _wishes(query)), query.patience_s)

    def choose(self, query: Query, view: View, now: float, rng: Lots, plan: Plan | None = None) -> Decision:
        """The decision of the wish that is to be fulfilled on `view`, then those of the others, in the chain's order.

        Who is no candidate, and is tried only because nobody else is there, comes last.
        """
        if not query.chain:
            return self.policy.choose(query, view, now, rng, plan)
        planned = plan.draft.query.models if plan else frozenset[str]()
        decisions = [
            self.policy.choose(wish, view, now, rng, plan if wish.models == planned else None)
            for wish in _wishes(query)
        ]
        first = _first_in_time(iter(decisions), query.patience_s)
        whole = assess(query, view, self.config)
        rows = dict.fromkeys(row for decision in (first, *decisions) for row in decision.order)
        return whole.ordered(tuple(sorted(rows, key=lambda row: bool(whole.excluded[row]))), first.reason)


def _wishes(query: Query) -> Iterable[Query]:
    """The query as if each wish of its chain were the only one."""
    return [structs.replace(query, models=names, chain=()) for names in query.chain]


def _first_in_time(found: Iterable[Found], patience_s: float) -> Found:
    """The first of these that somebody can begin within `patience_s`, else the one that is begun the soonest."""
    soonest: tuple[float, Found] | None = None
    for one in found:
        draft = one.draft if isinstance(one, Plan) else one
        begins_s = min((float(draft.costs.wait_s[row]) for row in draft.who.all), default=inf)
        if begins_s <= patience_s:
            return one
        if soonest is None or begins_s < soonest[0]:
            soonest = begins_s, one
    assert soonest, "a chain holds a wish"
    return soonest[1]
