"""What no peer can do is told at once and by name, instead of being dropped or tried in vain (P)."""

import numpy as np
from numpy.typing import NDArray

from gateway.routing.query import Query
from gateway.routing.roster import BoolArray, Roster
from gateway.wire.request import InvalidRequest

LEAST_SHARE = 0.5  # of the estimate of 4 characters a token: no text that people send has fewer tokens than this


def check_needs(query: Query, roster: Roster) -> None:
    """Raises InvalidRequest: 422 naming what nobody takes, 400 for a prompt longer than any context served.

    Looked at are those who may answer at all, however busy; where there are none, that is another error.
    """
    least = int(query.prompt_tokens * LEAST_SHARE)
    if len(roster) == 1 and query.pin is None and _can(query, roster, 0, least):
        return  # a peer alone is spared the arrays
    rows = np.flatnonzero(_may_answer(query, roster))
    if not len(rows):
        return
    _check_modalities(query, roster, rows)
    limits = roster.context_tokens[rows]
    if (limits > 0).all() and least > limits.max():
        raise InvalidRequest(
            f"This request has at least {least} tokens; the largest context served here is {limits.max()}. Shorten it"
            f"{_why_here(query)}.",
            param="messages",
            code="context_length_exceeded",
        )


def _can(query: Query, roster: Roster, row: int, least: int) -> bool:
    context = int(roster.context_tokens[row])
    return query.needs <= roster.modalities[row] and (context == 0 or least <= context)


def _check_modalities(query: Query, roster: Roster, rows: NDArray[np.intp]) -> None:
    taken = [roster.modalities[row] for row in rows]
    if any(query.needs <= modalities for modalities in taken):
        return
    lacking = query.needs.difference(*taken) or query.needs
    raise InvalidRequest(
        f"nobody here takes {' and '.join(sorted(lacking))}; GET /v1/models shows what each model takes"
        f"{_why_here(query)}",
        status=422,
        code="capability_missing",
    )


def _why_here(query: Query) -> str:
    return f" (only our own engine was considered: {query.pinned_local})" if query.pinned_local else ""


def _may_answer(query: Query, roster: Roster) -> BoolArray:
    """(N,) alive, approved, serving the model asked for, and not ruled out by a pin."""
    eligible = roster.approved & ~roster.dead
    if query.pinned_local is not None or query.pin == "local":
        eligible = eligible & roster.local
    elif query.pin is not None:
        names = zip(roster.peer_ids, roster.peer_names, strict=True)
        eligible = eligible & np.array([query.pin in pair for pair in names], dtype=np.bool_)
    if query.model is not None:
        serving = zip(roster.models, roster.agents, strict=True)
        eligible = eligible & np.array([query.model in pair for pair in serving], dtype=np.bool_)
    return eligible
