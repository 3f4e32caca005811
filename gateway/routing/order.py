"""From a ranking to the order in which candidates are tried: what all policies have in common."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gateway.beliefs.queueing import FloatArray
from gateway.routing.candidates import Excluded
from gateway.routing.decision import Decision

# Our own engine takes these all the same when nobody else does: the estimate may err, and no other is asked.
_UNSUITED = (Excluded.SCORE, Excluded.CONTEXT, Excluded.RETRIED)


def own_and_others(draft: Decision) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of our own candidates and of the others'."""
    is_candidate, local = draft.excluded == 0, draft.view.roster.local
    return np.flatnonzero(is_candidate & local), np.flatnonzero(is_candidate & ~local)


def ranked_by(fresh: Decision, by: FloatArray, pool: Iterable[int], rng: np.random.Generator) -> list[int]:
    """The pool's candidates, best first by the column `by`, (N,); equal ones (to 1e-12) in an order drawn by lot."""
    still = [index for index in pool if not fresh.excluded[index]]
    lot = rng.random(len(still)).tolist()
    keyed = sorted(zip([-round(float(by[index]), 12) for index in still], lot, still, strict=True))
    return [index for _, _, index in keyed]


def decided(fresh: Decision, ranked: list[int], reason: str, rng: np.random.Generator) -> Decision:
    """`fresh` with the order in which to try: the first of `ranked`, its other remote ones, our own.

    Without an own engine in it all other candidates follow, and after them who could answer if need be. `reason` says
    how the first was found, unless a pin, a body that may not travel or an unfamiliar query explains it better.
    """
    local = fresh.view.roster.local
    own = [index for index in ranked[1:] if local[index]]
    order = [*ranked[:1], *(index for index in ranked[1:] if not local[index]), *own]
    if fresh.query.pin is not None:
        reason = "pinned"
    elif fresh.query.pinned_local is not None:
        reason = fresh.query.pinned_local
    elif reason == "best" and not fresh.query.is_familiar:
        reason = "unfamiliar"
    if not any(local[index] for index in order):
        unasked = np.flatnonzero(fresh.excluded == 0)
        order += [index for index in ranked_by(fresh, fresh.utility, unasked.tolist(), rng) if index not in order]
        last = np.flatnonzero(local & np.isin(fresh.excluded, _UNSUITED))
        if not len(last):
            last = np.flatnonzero(fresh.excluded == Excluded.SILENT)
        reason = reason if order or not len(last) else "fallback"
        order += last.tolist()
    return replace(fresh, order=tuple(order), reason=reason if order else "none")
