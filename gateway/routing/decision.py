"""Decision: where one query goes, and why, as columns over the N (peer, agent) pairs in the order of the Roster.

It stays inside routing; `choice` makes of it the few rows that logs, headers, pages and the command line show. Says
nothing of how a policy chooses.
"""

from functools import partial
from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.beliefs.columns import Column, one_row
from gateway.beliefs.expected import Expected
from gateway.routing.candidates import Excluded, among
from gateway.routing.choice import Candidate, Choice, Figures, Order
from gateway.routing.cost import Costs, Terms, late_after
from gateway.routing.query import Query, View
from gateway.routing.roster import Candidates, Roster

SHOWN = 0.01  # P below which a person need not know that an agent has topics
_OPEN_LATER = among(0, Excluded.CLOSED, Excluded.SILENT)


class Decision(NamedTuple):
    """Where a query goes, and why. Columns are (N,), over the roster, also for pairs that were excluded.

    `order` holds the indices to try, best first; after the first one, our own agents come last. Empty: nobody may
    answer. `reason` is how the first was found:

        best             by utility
        topic            by utility, and it is likely to be of the first one's topics
        unfamiliar       by general ability, since the query is unlike all that the gate knows
        local_idle       our own engine is idle and about as good as the best
        only_candidate   there is no other
        explored         tried out by lot, to learn how it does
        pinned           x-ppai-route names it
        random, paper    by the policy of that name
        last_resort      nobody else can answer
        fallback         no candidate was left: our own engine, or without one a peer that kept silent
        none             nobody
        anything else    the query's `rule` where it leaves somebody out, or its `pinned_local`: why it may not travel
    """

    query: Query
    view: View
    costs: Costs[Column]
    utility: Column
    who: Candidates  # by what excludes them, and among them ours and the others'
    beta_per_s: float
    typical_s: float  # S̃, see utility.py
    loading_s: float = 0.0  # what a cold model's wait holds besides the queue
    order: tuple[int, ...] = ()
    reason: str = "none"

    @property
    def excluded(self) -> NDArray[np.uint8]:
        """(N,) 0: a candidate; else an `Excluded`."""
        return self.who.excluded

    @property
    def target(self) -> Candidate | None:
        """The first to try."""
        return self.candidate(self.order[0]) if self.order else None

    @property
    def may_go_elsewhere(self) -> bool:
        """Whether another peer, or another of our engines, may answer, now or as soon as it has room."""
        roster, own = self.view.roster, self.who.own
        if len(self.who.others) or (len(own) > 1 and len(set(roster.rows[own].tolist())) > 1):
            return True
        return bool(_OPEN_LATER[self.excluded[~roster.local]].any())

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All N, for a person who wants to see them; costs microseconds apiece."""
        return tuple(map(self.candidate, range(len(self.view.roster))))

    def ordered(self, order: tuple[int, ...], reason: str) -> "Decision":
        """The same with its order, and how the first was found."""
        return self._replace(order=order, reason=reason)

    def choice(self, rows: int, *, everybody: bool = False) -> Choice:
        """What serving needs of this: at most `rows` of the order, our own agent's kept; who else there is, if asked.

        Nobody to ask is explained by everybody's reason.
        """
        order = self.order[:rows]
        if len(self.order) > rows and not self.view.roster.local[list(order)].any():
            own = next((index for index in self.order[rows:] if self.view.roster.local[index]), None)
            order = order if own is None else (*order[:-1], own)
        explained = everybody or not order
        rest = [index for index in range(len(self.excluded)) if index not in order] if explained else []
        return Choice(
            reason=self.reason,
            beta_per_s=self.beta_per_s,
            order=Order(order, self.candidate, self.figures) if order else (),
            may_go_elsewhere=self.may_go_elsewhere,
            rest=tuple(map(self.candidate, rest)),
            explained=partial(self.choice, len(self.order), everybody=True),
            among=len(self.excluded),
        )

    def excluded_because(self, index: int) -> str | None:
        """Why row `index` is no candidate; None: it is one."""
        return excluded_because(self.query, int(self.excluded[index]))

    def candidate(self, index: int) -> Candidate:
        """Row `index`."""
        view = self.view
        return candidate_of(
            self.query, view.roster, index,
            Expected._make(one_row(view.expected, index)),
            Costs._make(one_row(self.costs, index)),
            float(view.score[index]), float(self.utility[index]), self.excluded_because(index),
            not view.profiled[index], self._basis(index),
            0 if view.warm_tokens is None else int(view.warm_tokens[index]),
            self.loading_s if view.cold is not None and view.cold[index] else 0.0,
            view.likely[index].probability if index in view.likely else 0.0,
        )  # fmt: skip

    def figures(self, index: int) -> Figures:
        """What a log says of row `index`."""
        costs, name = self.costs, self.view.roster.peer_names[index]
        numbers = (self.view.score, costs.wait_s, costs.service_s, costs.cost_s, self.utility)
        return Figures(name, *one_row(numbers, index))

    def _basis(self, index: int) -> str:
        """`topic: holiday and sick notes, P .93; prior from the name: 7B qwen2.5`."""
        found = self.view.bases[index].words(self.query.category) if self.view.bases else ""
        if (one := self.view.likely.get(index)) is None or one.probability < SHOWN:
            return found
        topic = f"topic: {one.topic}, P {one.probability:.2f}".replace("P 0.", "P .")
        return f"{topic}; {found}" if found else topic


def excluded_because(query: Query, code: int) -> str | None:
    """None for a candidate; else dead | suspect | not_approved | model | ... | field:<name> | privacy..."""
    if code == Excluded.PRIVACY:
        return query.rule or Excluded.PRIVACY.word
    if code == Excluded.PINNED_LOCAL:
        return query.pinned_local
    if code == Excluded.FIELD:
        return f"field:{'+'.join(sorted(query.guarded))}"
    return Excluded(code).word if code else None


def candidate_of(
    query: Query,
    roster: Roster,
    index: int,
    e: Expected[float],
    costs: Terms[float],
    score: float,
    utility: float,
    excluded: str | None,
    unprofiled: bool,
    basis: str,
    warm_tokens: int = 0,
    loading_s: float = 0.0,
    likely: float = 0.0,
) -> Candidate:
    """Row `index` of the roster, as one who asks it sees it; `loading_s`: what the wait holds besides the queue."""
    wait_s, service_s, transit_s, risk_s, crowding_s, cost_s = costs
    turn_s, to_read = e.turn_s, query.prompt_tokens - warm_tokens
    return Candidate(
        query.category, to_read, e.streams, e.ahead_s + loading_s, turn_s, transit_s, query.session,
        query.prompt_tokens, *roster.who[index], score, wait_s, service_s, risk_s, crowding_s, cost_s, utility,
        excluded, unprofiled, transit_s - e.rtt_s / 2, basis,
        query.is_auto, roster.personal[index] if roster.personal else None, likely,
        inf if loading_s or index < roster.own else late_after(wait_s, transit_s, to_read * e.prefill_s, turn_s),
    )  # fmt: skip
