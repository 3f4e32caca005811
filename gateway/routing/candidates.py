"""Who may answer one query: the candidate set E_i, Eq. (11), and for everybody else the reason why not."""

from collections.abc import Iterator
from enum import IntEnum
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from discovery.records import PeerId
from gateway.beliefs.belief import ADMISSION_LEVEL
from gateway.beliefs.columns import Column, greatest, is_few, listed
from gateway.models.needs import least_tokens
from gateway.routing.query import Query, View
from gateway.routing.roster import BoolArray, Candidates, Only, Roster


class Excluded(IntEnum):
    """Why a (peer, agent) pair is no candidate, the reason that a person wants to hear first having the lowest code.

    A candidate has the code 0, which is no member.
    """

    DEAD = 1
    SUSPECT = 2
    NOT_APPROVED = 3
    PLACE = 4  # our own engine runs elsewhere, and the query may not leave this machine
    PRIVACY = 5  # further than a rule of the owner's lets the query go; shown as the rule's name, "privacy:clients"
    MODEL = 6
    ENDPOINT = 7  # its engine does not have what is asked, or its version of PPAI does not know it
    MODALITY = 8
    CONTEXT = 9
    PINNED_LOCAL = 10  # shown as the query's own reason, such as "field:n" or "privacy:email"
    FIELD = 11  # this peer has refused such fields; shown with them, such as "field:top_k"
    PINNED = 12
    CLOSED = 13
    SILENT = 14
    RETRIED = 15
    SCORE = 16
    EMBEDDED = 17  # the small model that comes with PPAI, while another can begin soon
    LAST_RESORT = 18  # an engine that is asked when nobody else can answer
    TRIAL = 19  # nobody vouched for its peer, which has had its share of our queries for now
    CONTINUING = 20  # it is not known to go on with an answer that broke off elsewhere
    AGENT = 21  # a personal agent that was not measured, and of whose topics the query hardly is
    DISTRUSTED = 22  # audits found that its peer answers less than half as well as it claims, and it is set aside
    COLD = 23  # its model is not loaded, and its owner has none loaded because others ask

    @property
    def word(self) -> str:
        """What logs, headers and pages call it, such as `not_approved`."""
        return self.name.lower()


def among(*codes: int) -> BoolArray:
    """A table over all codes, true at these: `among(CLOSED)[excluded]` is (N,). Ten times as fast as numpy's isin."""
    table = np.zeros(max(Excluded) + 1, dtype=np.bool_)
    table[list(codes)] = True
    return table


KINDS_KEPT = 64  # of queries, for which a roster remembers whom they exclude
EMBEDDED_PATIENCE_S = 10.0  # within which another must be expected to begin, else the embedded model is a candidate


def candidate_set(query: Query, view: View, theta_s: float = 0.0) -> Candidates:
    """E_i, Eq. (11). `theta_s` is the least score of a candidate.

    Where several reasons exclude one, it is given the one with the lowest code.
    """
    roster = view.roster
    kept = _for_good(query, roster)
    for_now = [*_for_now(query, view, theta_s)]
    may_prefer = roster.has_last_resort or roster.least_context < query.room_tokens
    may_avoid = query.avoid is not None or view.on_trial is not None or view.distrusted is not None
    if not (for_now or may_prefer or may_avoid):
        return kept
    excluded = kept.excluded.copy()
    for who, code in for_now:
        excluded[who & ((excluded == 0) | (excluded > code))] = code
    _spare_last_resort(roster, excluded)
    _prefer_room(query, roster, excluded)
    if query.avoid is not None:
        _avoid(query.avoid, roster, excluded)
    if view.on_trial is not None:
        _stand_back(view.on_trial, Excluded.TRIAL, roster, excluded)
    if view.distrusted is not None and query.pin is None:
        _stand_back(view.distrusted, Excluded.DISTRUSTED, roster, excluded)
    return _left(excluded, roster)


def _for_now(query: Query, view: View, theta_s: float) -> Iterator[tuple[BoolArray, Excluded]]:
    """Whom the state of things excludes, and what this query's size is too much for."""
    roster = view.roster
    if view.kept is not None and query.pin is None:  # as a closed door: a peer that is named refuses itself
        yield ~roster.local & view.kept, Excluded.COLD
    if theta_s > 0.0:
        yield np.asarray(view.score) < theta_s, Excluded.SCORE
    if roster.personal and query.models is None:
        is_spoken_for = np.zeros(len(roster), dtype=np.bool_)
        is_spoken_for[[row for row in view.likely if view.is_likely(row)]] = True
        yield roster.is_personal() & ~is_spoken_for & ~view.profiled, Excluded.AGENT
    if view.silent is not None:
        yield ~roster.local & view.silent, Excluded.SILENT
    closed, admission = ADMISSION_LEVEL["closed"], view.expected.admission
    # of a named peer's door our news may be seconds old: it is asked, and refuses itself
    if query.pin is None and len(roster) and greatest(admission) >= closed:
        yield ~roster.local & (np.asarray(admission) >= closed), Excluded.CLOSED
    if view.refusing is not None:
        yield ~roster.local & view.refusing, Excluded.FIELD
    if roster.least_context < (least := least_tokens(query.prompt_tokens)):
        limit = roster.context_tokens
        yield (limit > 0) & (limit < least), Excluded.CONTEXT


def led(query: Query, roster: Roster) -> Candidates | None:
    """The candidates where one leads (`only`, `ours`), and nothing but the state of things can keep any from it."""
    kept = _for_good(query, roster)
    is_led = kept.only is not None or (kept.ours is not None and query.avoid is None)
    return kept if is_led and query.room_tokens <= roster.least_context else None


# What makes queries be of one kind: all that `_excluded_kind` and `_with_leader` look at.
_kind_of = attrgetter(
    *("pin", "pinned_local", "needs", "endpoint", "is_chat", "models", "reach", "here_only", "goes_on", "chain", "rule")
)


def _for_good(query: Query, roster: Roster) -> Candidates:
    """Whom a query of this kind leaves on this roster, whatever the state of things; remembered for the last kinds.

    What a program asks for is mostly of the same kind.
    """
    kind = _kind_of(query)
    known = roster.kinds.get(kind)
    if known is None:
        while len(roster.kinds) >= KINDS_KEPT:
            del roster.kinds[next(iter(roster.kinds))]
        found = _left(_excluded_kind(query, roster), roster)
        known = roster.kinds[kind] = _with_leader(found, query, roster)
    return known


def _with_leader(found: Candidates, query: Query, roster: Roster) -> Candidates:
    """The same with `only` and `ours`, where neither several wishes, nor a rule or personal agents have more to say."""
    if query.chain or query.rule is not None or roster.personal:
        return found
    if len(found.own) + len(found.others) == 1:
        row = int(found.all[0])
        return found if roster.last_resort[row] else found._replace(only=_only(row, query, roster))
    is_led = len(found.own) == 1 and is_few(len(roster)) and not (roster.has_last_resort or roster.has_embedded)
    if not is_led:
        return found
    return found._replace(ours=int(found.own[0]), rivals=[other - roster.own for other in listed(found.others)])


def _only(row: int, query: Query, roster: Roster) -> Only:
    reason = "pinned" if query.pin is not None else query.pinned_local or "only_candidate"
    peer, queue, agent = roster.peer_ids[row], roster.queues[row], roster.agents[row]
    return Only(row, peer, queue, agent, row < roster.own, reason)


def _left(excluded: NDArray[np.uint8], roster: Roster) -> Candidates:
    """Who is left where these codes, (N,), exclude the others."""
    own, others = (((excluded == 0) & who).nonzero()[0] for who in (roster.local, ~roster.local))
    if is_few(len(roster)):
        return Candidates(excluded, own.tolist(), others.tolist())
    return Candidates(excluded, own, others)


def _excluded_kind(query: Query, roster: Roster) -> NDArray[np.uint8]:
    """Each assignment overwrites those before: of several reasons the one with the lowest code is given."""
    excluded = np.zeros(len(roster), dtype=np.uint8)
    if query.goes_on is not None:
        excluded[[query.goes_on not in endpoints for endpoints in roster.continues]] = Excluded.CONTINUING
    if query.pin is not None:
        excluded[~_is_pinned(query.pin, roster)] = Excluded.PINNED
    if query.pinned_local is not None:
        excluded[~roster.local] = Excluded.PINNED_LOCAL
    if query.needs:
        excluded[[not query.needs <= modalities for modalities in roster.modalities]] = Excluded.MODALITY
    if query.endpoint:
        excluded[~roster.having(query.endpoint)] = Excluded.ENDPOINT
    if roster.personal and not query.is_chat:
        excluded[roster.is_personal()] = Excluded.ENDPOINT
    if query.models is not None:
        excluded[~_serves(query.models, roster)] = Excluded.MODEL
    if query.reach != "anyone":
        excluded[~roster.within(query.reach)] = Excluded.PRIVACY
    if query.here_only:
        excluded[roster.local & (~roster.here | roster.last_resort)] = Excluded.PLACE
    excluded[~roster.approved] = Excluded.NOT_APPROVED
    excluded[roster.suspect] = Excluded.SUSPECT
    excluded[roster.dead] = Excluded.DEAD
    return excluded


def embedded_stands_back(candidates: Candidates, wait_s: Column, roster: Roster) -> Candidates:
    """Those without the small model that comes with PPAI, while any other candidate is expected to begin soon.

    It is there so that a peer without an engine answers at all. Among embedded models alone the ordinary rules decide.
    """
    is_candidate = candidates.excluded == 0
    soon = is_candidate & ~roster.embedded & (np.asarray(wait_s) <= EMBEDDED_PATIENCE_S)
    if not soon.any():
        return candidates
    excluded = candidates.excluded.copy()
    excluded[is_candidate & roster.embedded] = Excluded.EMBEDDED
    return _left(excluded, roster)


def may_answer(query: Query, roster: Roster) -> BoolArray:
    """(N,) alive, approved, serving the model asked for, and not ruled out by a pin; however busy, whatever it can."""
    eligible = roster.approved & ~roster.dead & roster.within(query.reach)
    if query.here_only:
        eligible = eligible & roster.here
    elif query.pinned_local is not None:
        eligible = eligible & roster.local
    elif query.pin is not None:
        eligible = eligible & _is_pinned(query.pin, roster)
    if query.models is not None:
        eligible = eligible & _serves(query.models, roster)
    if query.endpoint:
        eligible = eligible & roster.having(query.endpoint)
    if roster.personal and not query.is_chat:
        eligible = eligible & ~roster.is_personal()
    return eligible


def _is_pinned(pin: str, roster: Roster) -> BoolArray:
    """(N,) those of the peer that the query is pinned to."""
    if pin == "local":
        return roster.local
    return roster.of_peers({PeerId(pin)})


def _serves(names: frozenset[str], roster: Roster) -> BoolArray:
    """(N,) those whose model or agent has one of these names."""
    pairs = zip(roster.models, roster.agents, strict=True)
    return np.array([model in names or agent in names for model, agent in pairs], dtype=np.bool_)


def _spare_last_resort(roster: Roster, excluded: NDArray[np.uint8]) -> None:
    """Exclude last resorts, in place, unless nobody else is a candidate."""
    if roster.has_last_resort and ((excluded == 0) & ~roster.last_resort).any():
        excluded[(excluded == 0) & roster.last_resort] = Excluded.LAST_RESORT


def _prefer_room(query: Query, roster: Roster, excluded: NDArray[np.uint8]) -> None:
    """Exclude whose context is too short by our estimate, in place, as long as another candidate has the room.

    First it is room for the longest answer that the query allows, then for its prompt alone. Where nobody seems to have
    even that, those with the largest context remain: the estimate errs, and only an engine counts.
    """
    if roster.least_context >= query.room_tokens:
        return
    limit = roster.context_tokens
    for tokens in (query.room_tokens, query.prompt_tokens + 1):
        is_short = (limit > 0) & (limit < tokens)
        if not is_short.any():
            return
        is_candidate = excluded == 0
        if (is_candidate & ~is_short).any():
            excluded[is_candidate & is_short] = Excluded.CONTEXT
            return
    if is_candidate.any():
        excluded[is_candidate & (limit < limit[is_candidate].max())] = Excluded.CONTEXT


def _stand_back(who: BoolArray, code: Excluded, roster: Roster, excluded: NDArray[np.uint8]) -> None:
    """Exclude these, in place, unless nobody else is a candidate but the model that comes with PPAI."""
    if ((excluded == 0) & ~who & ~roster.embedded).any():
        excluded[(excluded == 0) & who] = code


def _avoid(queue: str, roster: Roster, excluded: NDArray[np.uint8]) -> None:
    """Exclude who has just failed this conversation, in place, unless nobody else is a candidate."""
    failed = np.array([other == queue for other in roster.queues], dtype=np.bool_) & (excluded == 0)
    if ((excluded == 0) & ~failed).any():
        excluded[failed] = Excluded.RETRIED
