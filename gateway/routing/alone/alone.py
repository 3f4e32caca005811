"""Who answers without being weighed against anybody: the one agent that may, or an idle engine of ours (P).

Says None where that is not so: then everybody is weighed (policies.py), which decides the same.
"""

from collections.abc import Callable, Sequence

from discovery.records import PeerId
from gateway.beliefs.belief import Belief
from gateway.beliefs.few import Few
from gateway.beliefs.memory import Loading, RefusedFields
from gateway.beliefs.table import Beliefs
from gateway.beliefs.warmth import Warmth
from gateway.routing.alone.idle import idle_choice
from gateway.routing.alone.only import only_choice
from gateway.routing.candidates import led
from gateway.routing.choice import Choice
from gateway.routing.policy import Lot, SchedulerConfig
from gateway.routing.query import Query
from gateway.routing.roster import Candidates, Only, Roster, ScoredRoster


class Alone:
    """Choices of one agent alone, on what is believed."""

    def __init__(
        self,
        config: SchedulerConfig,
        beliefs: Beliefs,
        warmth: Warmth,
        loading: Loading,
        refused_fields: RefusedFields,
        rng: Lot,
        stands_back: Callable[[Query, ScoredRoster, float], bool],
    ) -> None:
        """`stands_back`: whether somebody may do so at this time by what is thought of his peer."""
        self._config, self._beliefs, self._warmth = config, beliefs, warmth
        self._loading, self._refused_fields = loading, refused_fields
        self._rng, self._stands_back = rng, stands_back

    def choice(
        self, query: Query, scored: ScoredRoster, others: Few, now: float, rows: int
    ) -> tuple[Choice | None, float | None]:
        """The choice of one of so many rows at most, and the lot by which it was not another's; None: none was drawn.

        No choice: everybody is to be weighed, with that lot. `others`: what is believed of them, where they are few.
        """
        who = None if query.waits_at is not None else led(query, scored.roster)
        if who is None:
            return None, None
        if who.only is not None:
            return self._only(query, scored, who, who.only, now), None
        if self._is_special(query, scored, now):
            return None, None
        lot = self._rng.random()
        return self._idle(query, scored, who, others, now, rows, lot), lot

    def each(self, queries: Sequence[Query], scored: ScoredRoster, now: float) -> list[Choice] | None:
        """The choices of the one engine of ours that may answer queries of one kind, all on one look at it.

        None: there is no such one. Each query has room in its context.
        """
        who = led(queries[0], scored.roster)
        if who is None or (only := who.only) is None or not only.is_own:
            return None
        row, peer, queue, agent, *_ = only
        expected, is_cold = self._beliefs[queue].expected_here(now), self._loading.is_cold(peer, agent)
        found = list[Choice]()
        for query in queries:
            warm_row, warm_tokens = self._held(query, scored.roster, now)
            found.append(
                only_choice(
                    query, scored, only, who.excluded, expected, self._config,
                    self._beliefs.output_tokens(query.category, query.max_tokens),
                    warm_tokens if warm_row == row else 0.0, is_cold,
                )
            )  # fmt: skip
        return found

    def _only(self, query: Query, scored: ScoredRoster, who: Candidates, only: Only, now: float) -> Choice | None:
        """The choice of the one agent that may answer; None: it is another peer's that may not now."""
        roster = scored.roster
        row, peer, queue, agent, is_own, _ = only
        belief = self._beliefs[queue]
        if is_own:
            expected = belief.expected_here(now)
        elif self._is_open(peer, belief, query.guarded, now):
            expected = belief.expected(now)
        else:
            return None
        warm_row, warm_tokens = self._held(query, roster, now)
        return only_choice(
            query, scored, only, who.excluded, expected, self._config,
            self._beliefs.output_tokens(query.category, query.max_tokens),
            warm_tokens if warm_row == row else 0.0, self._loading.is_cold(peer, agent),
        )  # fmt: skip

    def _idle(
        self, query: Query, scored: ScoredRoster, who: Candidates, others: Few, now: float, rows: int, lot: float
    ) -> Choice | None:
        """The choice of an idle engine of ours that takes the query though others might."""
        roster = scored.roster
        warm_row, warm_tokens = self._held(query, roster, now)
        may_explore = not (query.is_held or warm_tokens)
        is_elsewhere = warm_tokens > 0.0 and warm_row != who.own[0]
        if is_elsewhere or (may_explore and lot < self._config.exploration):
            return None
        ours = [self._beliefs[queue].expected_here(now) for queue in roster.queues[: roster.own]]
        return idle_choice(
            query, scored, who, ours, others.expect(now), self._config,
            self._beliefs.output_tokens(query.category, query.max_tokens), warm_tokens, rows, lot,
        )  # fmt: skip

    def _is_special(self, query: Query, scored: ScoredRoster, now: float) -> bool:
        """Whether anything beside load may say something of who of several is asked."""
        return bool(
            self._loading
            or (query.guarded and self._refused_fields)
            or (query.drawn and scored.roster.topical)
            or self._stands_back(query, scored, now)
        )

    def _held(self, query: Query, roster: Roster, now: float) -> tuple[int | None, float]:
        """The row that holds this conversation, and how many tokens of the prompt."""
        return self._warmth.held(query.session, query.prompt_tokens, roster.places, roster.contexts, now)

    def _is_open(self, peer: PeerId, belief: Belief, guarded: frozenset[str], now: float) -> bool:
        """Whether nothing that passes, or that it once refused, keeps another peer's agent from a query."""
        return not (belief.is_closed(now) or self._loading.keeps_any(peer) or (guarded and self._refused_fields))
