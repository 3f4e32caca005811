"""What a decision is made from: the Query, and the View of all who could answer. Says nothing of how to choose."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from discovery.records import PeerId
from gateway.beliefs.columns import Column
from gateway.beliefs.domains import LIKELY, Likely, Topics
from gateway.beliefs.expected import Expected
from gateway.models.names import Chain
from gateway.models.needs import room_tokens
from gateway.privacy.rules import Reach
from gateway.routing.roster import BoolArray, Roster
from gateway.routing.worth import Basis


class Query(msgspec.Struct, frozen=True, eq=False):
    """What is asked, as far as routing cares."""

    models: frozenset[str] | None = None  # names of agents or models, any of which will do; None: anyone
    chain: Chain = ()  # the wishes that `models` sums up, in their order; empty where there is only one
    patience_s: float = 0.0  # s within which somebody must be able to begin, else the next of the chain is asked for
    prompt_tokens: int = 0  # an estimate
    max_tokens: int | None = None  # the client's bound on the answer
    category: str = ""  # of the gate's prototypes; answers of one category are about equally long
    endpoint: str = ""  # that not every engine has ("responses"); empty for those that all have
    is_chat: bool = True  # else a personal agent does not answer it
    needs: frozenset[str] = frozenset()  # modalities and abilities that a model must have
    body_bytes: int = 0  # what delegation would send
    session: str | None = None
    pin: str | None = None  # who is to answer: "local", or a peer's id; None: anybody
    pinned_local: str | None = None  # why the body may not travel ("field:n", "privacy:..."); None: it may
    reach: Reach = "anyone"  # how far the owner's rules let it go
    rule: str | None = None  # the rule that says so, as "privacy:NAME"; None: none, or it cannot go further anyway
    here_only: bool = False  # it may not leave this machine: not even our own engine is asked where it is elsewhere
    guarded: frozenset[str] = frozenset()  # fields of the body that not every peer takes
    avoid: PeerId | None = None  # the queue of who has just failed this conversation; a retry should go elsewhere
    beta_per_s: float | None = None  # x-ppai-beta
    goes_on: str | None = None  # the endpoint of an answer that broke off, whose rest is asked for; None: a whole one
    is_held: bool = False  # it waits, at our own door or at another peer, and is decided again
    waits_at: PeerId | None = None  # the queue of ours in which it is counted, while it waits there
    relevance: NDArray[np.floating[Any]] | None = None  # f̃(q), (K,), sums to 1; None without a gate
    is_familiar: bool = True  # False: unlike all that the gate knows; `relevance` is the same for every prototype
    forms: tuple[str, ...] = ()  # categories that the wording asks for ("summarising"); part of `relevance`
    drawn: Mapping[Topics, tuple[float, str]] = msgspec.field(default_factory=dict)  # by agents' topics: tail, nearest
    lot: float | None = None  # in [0, 1), which says whether somebody is tried out; None: it is drawn with the plan

    @property
    def room_tokens(self) -> int:
        """Context that its prompt and the longest answer that it allows need."""
        return room_tokens(self.prompt_tokens, self.max_tokens)

    @property
    def is_auto(self) -> bool:
        """Whether anyone may answer: neither a model nor a peer is named."""
        return self.models is None and self.pin is None


class View(NamedTuple):
    """Who there is, how well each suits the query, and how each is believed to be doing. Columns are (N,)."""

    roster: Roster
    expected: Expected[Column]  # `Beliefs.expect(roster.rows, now, roster.own)`
    score: Column  # (N,) s(i,j), in [0, 1]
    profiled: BoolArray  # (N,) False: the score rests on what its name lets expect, not on a vector of its own
    output_tokens: float  # n̂_out, `Beliefs.output_tokens(category, max_tokens)`
    silent: BoolArray | None = None  # (N,) did not answer this query's probe in time: it may be stopped; None: nobody
    refusing: BoolArray | None = None  # (N,) has refused the query's guarded fields before; None: nobody
    warm_tokens: Column | None = None  # (N,) prompt tokens of this conversation that each holds; None: nobody any
    cold: BoolArray | None = None  # (N,) the model has to be loaded first; None: nobody's
    kept: BoolArray | None = None  # (N,) it is not loaded because we ask, as its peer has just said; None: nobody's
    on_trial: BoolArray | None = None  # (N,) has had its share of `auto` queries for now; None: nobody
    distrusted: BoolArray | None = None  # (N,) audits found its peer out, and it is set aside; None: nobody
    bases: Sequence[Basis] = ()  # (N,) what each score rests on, for a person to read
    likely: Mapping[int, Likely] = {}  # by index: who has topics, how likely the query is his

    def is_likely(self, index: int) -> bool:
        """Whether the query is probably of this one's topics."""
        return index in self.likely and self.likely[index].probability >= LIKELY

    @property
    def warm(self) -> tuple[int, ...]:
        """Indices of those whose engine still holds part of this conversation."""
        return () if self.warm_tokens is None else tuple([row for row, tokens in enumerate(self.warm_tokens) if tokens])
