"""What goes into a routing decision and what comes out: Query and View, Decision and Candidate.

The explanation is the result: log, headers, CLI, page and tests all read the Decision. Columns are arrays over the N
candidates, (peer, agent) pairs, in the order of the Roster. Knows nothing of how one is chosen.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from discovery.records import PeerId
from gateway.beliefs.belief import Reservation
from gateway.beliefs.table import Expected
from gateway.routing.choice import Candidate, Choice
from gateway.routing.cost import FloatArray, jobs_ahead

BoolArray = NDArray[np.bool_]

# Why a pair is no candidate, in the order in which a person wants to hear it; `Decision.excluded` holds the index.
# `pinned_local` stands for the query's own reason, such as "field:n" or "privacy:email".
REASONS: Final = (
    *("", "dead", "suspect", "not_approved", "model", "modality", "context"),
    *("pinned_local", "pinned", "closed", "silent", "retried", "score"),
)
DEAD, SUSPECT, NOT_APPROVED, MODEL, MODALITY, CONTEXT, PINNED_LOCAL, PINNED, CLOSED, SILENT, RETRIED, SCORE = range(
    1, len(REASONS)
)


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What is asked, as far as routing cares."""

    model: str | None = None  # an agent's or model's name; None: any
    prompt_tokens: int = 0  # an estimate
    max_tokens: int | None = None  # the client's bound on the answer
    category: str = ""  # of the gate's prototypes; answers of one category are about equally long
    needs: frozenset[str] = frozenset()  # modalities and abilities that a model must have
    body_bytes: int = 0  # what delegation would send
    session: str | None = None
    pin: str | None = None  # x-ppai-route: "local", or a peer's id or name; None: auto
    pinned_local: str | None = None  # why the body may not travel ("field:n", "privacy:..."); None: it may
    avoid: PeerId | None = None  # who has just failed this conversation: the client tries again, somebody else should
    beta_per_s: float | None = None  # x-ppai-beta
    is_held: bool = False  # it waits at our own door and is decided again
    relevance: FloatArray | None = None  # f̃(q), (K,), sums to 1; None without a gate
    is_familiar: bool = True  # False: unlike all that the gate knows; `relevance` is the same for every prototype


@dataclass(frozen=True, slots=True, eq=False)
class Roster:
    """The N (peer, agent) pairs, from cards and rights: rebuilt when one of them changes, not per query."""

    peer_ids: tuple[PeerId, ...]
    peer_names: tuple[str, ...]
    agents: tuple[str, ...]
    models: tuple[str, ...]
    modalities: tuple[frozenset[str], ...]
    context_tokens: NDArray[np.int64]  # (N,); 0: unknown, no limit
    local: BoolArray  # (N,) our own agents
    dead: BoolArray  # (N,) for us; never ours
    suspect: BoolArray  # (N,)
    approved: BoolArray  # (N,) we may send it prompts (the right `answer`); ours always
    rows: NDArray[np.intp]  # (N,) into Beliefs, from `Beliefs.rows(peer_ids)`

    def __len__(self) -> int:
        return len(self.peer_ids)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """All a policy may look at: who there is, how well each suits the query, how each is believed to be doing."""

    roster: Roster
    expected: Expected  # `Beliefs.expect(roster.rows, now)`
    score: FloatArray  # (N,) s(i,j), in [0, 1]
    profiled: BoolArray  # (N,) False: the score is the gate's prior, not the agent's own vector
    output_tokens: float  # n̂_out, `Beliefs.output_tokens(category, max_tokens)`
    silent: BoolArray | None = None  # (N,) did not answer this query's probe in time: it may be stopped; None: nobody
    warm_tokens: FloatArray | None = None  # (N,) prompt tokens of this conversation that each holds; None: nobody any

    cold: BoolArray | None = None  # (N,) the model has to be loaded first; None: nobody's

    @property
    def warm(self) -> tuple[int, ...]:
        """Indices of those where this conversation is warm."""
        return () if self.warm_tokens is None else tuple(np.flatnonzero(self.warm_tokens).tolist())


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """Where a query goes, and why. Columns are (N,), over the roster, also for pairs that were excluded.

    `order` holds the indices to try, best first; after the first one, our own agents come last. Empty: nobody may
    answer. `reason` says how the first was found: best | unfamiliar (the best by general ability: the query is unlike
    all that the gate knows) | local_idle | only_candidate | explored | pinned | random |
    paper | the query's `pinned_local` | none | fallback (no candidate was left: our own engine takes it all the same,
    and if we have none, those who kept silent are tried).
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
    excluded: NDArray[np.uint8]  # codes, indices into REASONS
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
        """Whether another peer may answer, now or as soon as it has room."""
        if len(self.excluded) == 1:  # a peer alone is spared the arrays
            return not self.view.roster.local[0] and self.excluded[0] in (0, CLOSED, SILENT)
        return bool(np.isin(self.excluded[~self.view.roster.local], (0, CLOSED, SILENT)).any())

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All N, for a person who wants to see them; costs microseconds apiece."""
        return tuple(self.candidate(index) for index in range(len(self.view.roster)))

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
            order=tuple(map(self.candidate, order)),
            may_go_elsewhere=self.may_go_elsewhere,
            rest=tuple(map(self.candidate, rest)),
        )

    def excluded_because(self, index: int) -> str | None:
        """None for a candidate; else dead | suspect | not_approved | model | ... | field:<name> | privacy..."""
        code = int(self.excluded[index])
        return self.query.pinned_local if code == PINNED_LOCAL else REASONS[code] or None

    def candidate(self, index: int) -> Candidate:
        """Row `index`."""
        roster = self.view.roster
        return Candidate(
            peer_id=roster.peer_ids[index],
            peer_name=roster.peer_names[index],
            agent=roster.agents[index],
            model=roster.models[index],
            local=bool(roster.local[index]),
            score=float(self.view.score[index]),
            wait_s=float(self.wait_s[index]),
            service_s=float(self.service_s[index]),
            transit_s=float(self.transit_s[index]),
            risk_s=float(self.risk_s[index]),
            crowding_s=float(self.crowding_s[index]),
            cost_s=float(self.cost_s[index]),
            utility=float(self.utility[index]),
            excluded=self.excluded_because(index),
            unprofiled=not self.view.profiled[index],
            expected=self.reservation(index, 0.0),
        )

    def reservation(self, index: int, now: float) -> Reservation:
        """What to count as taken, and to learn from, when the query is sent to `index` at `now`."""
        expected = self.view.expected
        turn_s = float(expected.mean_service_s[index] / expected.slots[index])
        ahead = float(jobs_ahead(expected.backlog[index], expected.slots[index]))
        must_load = self.view.cold is not None and bool(self.view.cold[index])
        warm = 0 if self.view.warm_tokens is None else int(self.view.warm_tokens[index])
        return Reservation(
            peer_id=self.view.roster.peer_ids[index],
            arrives_at=now + float(expected.rtt_s[index]) / 2,
            category=self.query.category,
            prompt_tokens=max(0, self.query.prompt_tokens - warm),
            streams=float(min(expected.backlog[index], expected.slots[index] - 1.0) + 1.0),
            wait_s=ahead * turn_s + (self.loading_s if must_load else 0.0),
            turn_s=turn_s,
            transit_s=float(self.transit_s[index]),
            session=self.query.session,
            agent=self.view.roster.agents[index],
            conversation_tokens=self.query.prompt_tokens,
        )


def streams_at(expected: Expected) -> FloatArray:
    """(N,) jobs that would be decoded together with a new one, itself included: running + 1, at most the slots."""
    streams: FloatArray = np.minimum(expected.backlog, expected.slots - 1.0) + 1.0
    return streams
