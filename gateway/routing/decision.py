"""Decision: where one query goes, and why, as arrays over the N (peer, agent) pairs in the order of the Roster.

It stays inside routing; `choice` makes of it the few rows that logs, headers, pages and the command line show. Says
nothing of how a policy chooses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import inf

import numpy as np
from numpy.typing import NDArray

from gateway.beliefs.belief import Expectation
from gateway.beliefs.numbers import FloatArray
from gateway.beliefs.queueing import jobs_ahead, streams, turn
from gateway.routing.candidates import Excluded, among
from gateway.routing.choice import Candidate, Choice
from gateway.routing.cost import late_after
from gateway.routing.query import Query, View
from gateway.routing.roster import Roster

SHOWN = 0.01  # P below which a person need not know that an agent has topics
_OPEN_LATER = among(0, Excluded.CLOSED, Excluded.SILENT)


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
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
    wait_s: FloatArray
    service_s: FloatArray
    transit_s: FloatArray
    risk_s: FloatArray
    crowding_s: FloatArray
    cost_s: FloatArray
    utility: FloatArray
    excluded: NDArray[np.uint8]  # 0: a candidate; else an `Excluded`
    beta_per_s: float
    loading_s: float = 0.0  # what a cold model's `wait_s` holds besides the queue
    order: tuple[int, ...] = ()
    reason: str = "none"

    @property
    def target(self) -> Candidate | None:
        """The first to try."""
        return self.candidate(self.order[0]) if self.order else None

    @property
    def may_go_elsewhere(self) -> bool:
        """Whether another peer, or another of our engines, may answer, now or as soon as it has room."""
        roster = self.view.roster
        if len(self.excluded) == 1:  # a peer alone is spared the arrays
            return bool(not roster.local[0] and _OPEN_LATER[self.excluded[0]])
        own = set(roster.rows[roster.local & (self.excluded == 0)].tolist())
        return len(own) > 1 or bool(_OPEN_LATER[self.excluded[~roster.local]].any())

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All N, for a person who wants to see them; costs microseconds apiece."""
        return self._rows(range(len(self.view.roster)))

    def ordered(self, order: tuple[int, ...], reason: str) -> "Decision":
        """The same with its order, and how the first was found."""
        return Decision(
            self.query, self.view, self.wait_s, self.service_s, self.transit_s, self.risk_s, self.crowding_s,
            self.cost_s, self.utility, self.excluded, self.beta_per_s, self.loading_s, order, reason,
        )  # fmt: skip

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
            order=self._rows(order),
            may_go_elsewhere=self.may_go_elsewhere,
            rest=self._rows(rest) if rest else (),
            explained=partial(self.choice, len(self.order), everybody=True),
            among=len(self.excluded),
        )

    def excluded_because(self, index: int) -> str | None:
        """See the function of this name."""
        return excluded_because(self.query, int(self.excluded[index]))

    def candidate(self, index: int) -> Candidate:
        """Row `index`."""
        return self._rows([index])[0]

    def _rows(self, indices: Sequence[int]) -> tuple[Candidate, ...]:
        """These rows. Of each column all are taken at once, since numpy takes as long for one."""
        view, e, at = self.view, self.view.expected, np.array(indices, dtype=np.intp)
        columns = (
            *(view.score, self.wait_s, self.service_s, self.transit_s, self.risk_s, self.crowding_s, self.cost_s),
            *(self.utility, e.rtt_s, e.backlog, e.slots, e.mean_service_s, e.prefill_s),
        )
        numbers = zip(*[column[at].tolist() for column in columns], strict=True)
        return tuple(
            candidate_of(
                self.query, view.roster, index, *row,
                loading_s=self.loading_s if view.cold is not None and view.cold[index] else 0.0,
                warm_tokens=0 if view.warm_tokens is None else int(view.warm_tokens[index]),
                excluded=self.excluded_because(index),
                unprofiled=not view.profiled[index],
                basis=self._basis(index),
                likely=view.likely[index].probability if index in view.likely else 0.0,
            )
            for index, row in zip(indices, numbers, strict=True)
        )  # fmt: skip

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
    score: float,
    wait_s: float,
    service_s: float,
    transit_s: float,
    risk_s: float,
    crowding_s: float,
    cost_s: float,
    utility: float,
    rtt_s: float,
    backlog: float,
    slots: float,
    mean_service_s: float,
    prefill_s: float,
    *,
    loading_s: float,
    warm_tokens: int,
    unprofiled: bool,
    basis: str,
    excluded: str | None = None,
    likely: float = 0.0,
) -> Candidate:
    """Row `index` of the roster, as one who asks it sees it; `loading_s`: what `wait_s` holds besides the queue."""
    turn_s = turn(mean_service_s, slots)
    expected = Expectation(
        category=query.category,
        prompt_tokens=max(0, query.prompt_tokens - warm_tokens),
        streams=streams(backlog, slots),
        wait_s=jobs_ahead(backlog, slots) * turn_s + loading_s,
        turn_s=turn_s,
        transit_s=transit_s,
        session=query.session,
        agent=roster.agents[index],
        conversation_tokens=query.prompt_tokens,
    )
    return Candidate(
        peer_id=roster.peer_ids[index],
        queue=roster.queues[index],
        engine=roster.engines[index],
        peer_name=roster.peer_names[index],
        agent=roster.agents[index],
        model=roster.models[index],
        local=bool(roster.local[index]),
        last_resort=bool(roster.last_resort[index]),
        score=score,
        wait_s=wait_s,
        service_s=service_s,
        transit_s=transit_s,
        risk_s=risk_s,
        crowding_s=crowding_s,
        cost_s=cost_s,
        utility=utility,
        excluded=excluded,
        unprofiled=unprofiled,
        arrives_in_s=rtt_s / 2,
        expected=expected,
        basis=basis,
        is_auto=query.is_auto,
        personal=roster.personal[index] if roster.personal else None,
        likely=likely,
        late_after_s=inf if loading_s else late_after(wait_s, transit_s, expected.prompt_tokens * prefill_s, turn_s),
    )
