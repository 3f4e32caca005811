"""View: all that a policy may look at for one query. Says nothing of how a policy chooses."""

from dataclasses import dataclass

import numpy as np

from gateway.beliefs.queueing import FloatArray
from gateway.beliefs.table import Expected
from gateway.routing.roster import BoolArray, Roster


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Who there is, how well each suits the query, and how each is believed to be doing. Columns are (N,)."""

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
        """Indices of those whose engine still holds part of this conversation."""
        return () if self.warm_tokens is None else tuple(np.flatnonzero(self.warm_tokens).tolist())
