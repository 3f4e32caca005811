"""What a client is told when its request cannot be answered by anyone (P): the words, the status and the code."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from discovery.names import AmbiguousPeer, meant, quoted
from discovery.records import PeerId
from gateway.models.names import Chain, NamesConfig, UnknownModel, resolve_models, sayable
from gateway.models.needs import NobodyTakes, TooLong, least_tokens, unmet
from gateway.privacy.fields import who_takes
from gateway.routing.candidates import Excluded, may_answer
from gateway.routing.choice import Candidate
from gateway.routing.query import Query
from gateway.routing.roster import Roster
from gateway.wire.errors import ENDPOINT_MISSING, InvalidRequest
from gateway.wire.request import VIRTUAL_MODEL


@dataclass(frozen=True, slots=True)
class Nobody:
    """An error answer where nobody may be asked."""

    message: str
    status: int
    code: str
    retry_after_s: float | None = None


def missing(roster: Roster, engine_problem: str | None) -> list[str]:
    """What keeps this peer from answering anything; empty while somebody can."""
    if (roster.local | roster.approved & ~roster.dead & ~roster.suspect).any():
        return []
    return [engine_problem or "the engine serves no model"]


def models_meant(asked: Sequence[str], network: Collection[str], own: Collection[str], config: NamesConfig) -> Chain:
    """`resolve_models`, its UnknownModel as an InvalidRequest (404) with the nearest names."""
    try:
        return resolve_models(asked, network, own, config, VIRTUAL_MODEL)
    except UnknownModel as unknown:
        near = " or ".join(f"`{name}`" for name in unknown.nearest)
        hint = f"Did you mean {near}? " if near else ""
        raise InvalidRequest(
            f"The model `{sayable(unknown.asked)}` does not exist on this network. {hint}Ask for `auto` to let PPAI "
            "choose, see GET /v1/models for what is served, or start the peer with --transparent.",
            status=404, param="model", code="model_not_found",
        ) from unknown  # fmt: skip


def peer_meant(pin: str | None, me: PeerId, own_name: str, names: Mapping[PeerId, str], roster: Roster) -> str | None:
    """Whom `x-ppai-route` means: `local`, or a peer's id; None where it names nobody.

    Our own id and name mean `local`. Where several peers, id -> name, are called so, those that may answer count before
    the others. Raises InvalidRequest: 404 for nobody, 409 with the ids of several.
    """
    if pin is None or pin == "local":
        return pin
    if pin in (me, own_name):
        return "local"
    found = meant(pin, names, own_name)
    if len(found) > 1:
        may = set(compress(roster.peer_ids, roster.approved & ~roster.dead))
        found = tuple(peer for peer in found if peer in may) or found
    if len(found) > 1:
        raise InvalidRequest(str(AmbiguousPeer(pin, found)), status=409, param="x-ppai-route", code="peer_ambiguous")
    if not found or found[0] not in names:
        raise InvalidRequest(
            f"there is no peer {quoted(pin) if len(pin) <= 80 else 'of so long a name'}; see `ppai peers`",
            status=404, param="x-ppai-route", code="peer_not_found",
        )  # fmt: skip
    return found[0]


def check_needs(query: Query, roster: Roster) -> None:
    """Raises InvalidRequest: 422 naming what nobody takes, 400 for a prompt longer than any context served.

    Looked at are those who may answer at all, however busy; where there are none, that is another error.
    """
    if query.needs <= roster.taken_by_all and least_tokens(query.prompt_tokens) <= roster.least_context:
        return  # whoever may answer takes it
    rows = np.flatnonzero(may_answer(query, roster)).tolist()
    contexts: list[int] = roster.context_tokens[rows].tolist()
    found = unmet(query.needs, query.prompt_tokens, [roster.modalities[row] for row in rows], contexts)
    if found is not None:
        raise _refusal(found, query.pinned_local)


def nobody(
    endpoint: str,
    query: Query,
    excluded: Sequence[Candidate],
    engine_problem: str | None,
    missing: Sequence[str],
    former: Mapping[str, str],
) -> Nobody:
    """Why nobody may be asked, and what to do about it.

    `excluded` are all (peer, agent) pairs with their reasons, `missing` what keeps this peer from answering anything;
    `former`: by the name of a model, who served it until recently.
    """
    pin = query.pin
    if pin is not None and pin != "local":
        return _pinned_away(pin, excluded, query)
    if any(candidate.excluded == Excluded.PLACE.word for candidate in excluded):
        why = "x-ppai-local-only" if query.pinned_local == "client" else str(query.pinned_local)
        return Nobody(
            f"this request may not leave this machine ({why}), and the engine of this peer is elsewhere: "
            "start an engine here, or say `engine.place: here` where that one is",
            status=422,
            code="engine_elsewhere",
        )
    problems = [engine_problem] if pin == "local" and engine_problem else missing
    if problems:
        waits = any(candidate.excluded == Excluded.NOT_APPROVED.word for candidate in excluded)
        remedy = "; a peer that could answer is not approved: see `ppai peers`" if waits and pin is None else ""
        return Nobody(problems[0] + remedy, status=503, code="not_ready", retry_after_s=2)
    if (gone := _gone(query.models, excluded, former)) is not None:
        return gone
    if (chat_only := _chat_only(endpoint, query, excluded)) is not None:
        return chat_only
    if query.endpoint and (without := _without_endpoint(query.endpoint, excluded)) is not None:
        return without
    busy = [candidate.wait_s for candidate in excluded if candidate.excluded == Excluded.CLOSED.word]
    if busy:  # until the first of them is believed to have a slot; at least a second (RFC 9110)
        return Nobody("everybody is busy", status=503, code="saturated", retry_after_s=max(1.0, min(busy)))
    if (cold := _cold(excluded)) is not None:
        return cold
    held = next((str(each.excluded) for each in excluded if str(each.excluded).startswith("field:")), None)
    if held:
        return Nobody(
            f"nobody who may take this request can answer it now ({held}): it may be sent to {who_takes(held)} (see "
            "Delegation in docs/protocol.md). Leave that out, or start an engine here",
            status=422,
            code="field_stays_here",
        )
    reasons = {candidate.excluded for candidate in excluded if candidate.excluded}
    if query.rule in reasons and not reasons & _PASSING:
        said = f"nobody who may take this request can answer it: {_ruled(query)}"
        return Nobody(said, status=422, code="privacy_rule")
    status, wait_s = (503, 2.0) if reasons & _PASSING else (422, None)
    why = ", ".join(sorted(reasons))
    return Nobody(
        f"nobody can answer this request now ({why})", status=status, code="no_candidate", retry_after_s=wait_s
    )


def _chat_only(endpoint: str, query: Query, excluded: Sequence[Candidate]) -> Nobody | None:
    """Where the client named personal agents alone, and asks them something else than chat; None where it does not."""
    if query.is_chat or query.models is None:
        return None
    named = [each for each in excluded if {each.model, each.agent} & query.models]
    if not named or any(each.personal is None for each in named):
        return None
    names = " and ".join(sorted({f"`{sayable(each.agent)}`" for each in named})[:4])
    return Nobody(
        f"{names} is a personal agent, which does not answer /v1/{endpoint}: ask it at /v1/chat/completions",
        status=404,
        code=ENDPOINT_MISSING,
    )


def _cold(excluded: Sequence[Candidate]) -> Nobody | None:
    """Whose model is not loaded for us, where nobody else could answer; None where it is not for that."""
    cold = [each for each in excluded if each.excluded == Excluded.COLD.word]
    if not cold:
        return None
    models, peers = ({each.model for each in cold}, {each.peer_name for each in cold})
    what, who = (" or ".join(f"`{name}`" for name in sorted(some)[:4]) for some in (models, peers))
    return Nobody(
        f"the model {what} is not loaded now at peer {who}, whose owner has none loaded because others ask: ask for "
        "`auto`, or have it used there, or let others have it loaded there (`engine.load_for_others: true`)",
        status=503,
        code="not_loaded",
        retry_after_s=2,
    )


def _without_endpoint(endpoint: str, excluded: Sequence[Candidate]) -> Nobody | None:
    """Who could answer where none has the endpoint who may otherwise be asked; None where it is not for that."""
    without = [each for each in excluded if each.excluded == Excluded.ENDPOINT.word]
    if not without or any(each.excluded in _COULD for each in excluded):
        return None
    waiting = sorted({quoted(each.peer_name) for each in excluded if each.excluded == Excluded.NOT_APPROVED.word})
    others = f"; {' and '.join(waiting)} may have it, and wait for your approval (`ppai peers`)" if waiting else ""
    models = " and ".join(sorted({f"`{sayable(each.model)}`" for each in without})[:4])
    return Nobody(
        f"no engine here answers /v1/{endpoint}: that of {models} has no such endpoint{others}. Install "
        f"{_ENGINES_WITH[endpoint]}, or ask /v1/chat/completions",
        status=404,
        code=ENDPOINT_MISSING,
    )


def _gone(models: frozenset[str] | None, excluded: Sequence[Candidate], former: Mapping[str, str]) -> Nobody | None:
    """Who served the models that are asked for, where all of those are gone; None where it is not for that."""
    if models is None:
        return None
    serving = [each for each in excluded if {each.model, each.agent} & models]
    who = {each.peer_name for each in serving} if serving else {former[name] for name in models if name in former}
    if not who or any(each.excluded not in _AWAY for each in serving):
        return None
    gone = {name for each in serving for name in (each.model, each.agent)} or former.keys()
    names, peers = (" or ".join(f"`{name}`" for name in sorted(some)) for some in (gone & models, who))
    return Nobody(
        f"the model {names} is not served now: peer {peers} had it until recently, and may have it again when its "
        "engine is back. Try again, or ask for `auto`",
        status=503,
        code="not_ready",
        retry_after_s=2,
    )


def _pinned_away(pin: str, excluded: Sequence[Candidate], query: Query) -> Nobody:
    """Why the one peer that the client named does not answer."""
    rows = [candidate for candidate in excluded if candidate.peer_id == pin]
    reason = (rows[0].excluded if rows else None) or "without_agent"
    status, remedy = _PINNED_AWAY.get(reason, (422, f"the request may not be sent there ({reason})"))
    if reason.startswith("field:"):
        remedy += f": it may be sent to {who_takes(reason)}. Leave that out, or ask `auto`"
    if query.rule and reason == query.rule:
        return Nobody(f"peer `{rows[0].peer_name}` may not be asked: {_ruled(query)}", status=422, code="privacy_rule")
    name = rows[0].peer_name if rows else pin
    message = f"peer `{name}` cannot answer: {remedy.replace('PEER', pin)}"
    return Nobody(message, status=status, code=f"peer_{reason}", retry_after_s=2 if status == 503 else None)


def _ruled(query: Query) -> str:
    """Which rule keeps a request from going further, and what to do about it."""
    reach = "this machine" if query.here_only else query.reach
    return (
        f"the rule `{query.rule}` of `privacy.rules` lets it go no further than `{reach}` (`ppai privacy test TEXT` "
        "shows why). Start an engine there, tag a machine of yours with `ppai approve NAME --mine`, or change the rule"
    )


_ENGINES_WITH = {
    **dict.fromkeys(
        ("responses", "messages"),
        "vLLM, llama.cpp, Ollama or LM Studio in a present version here or at an approved peer, or have it said as a "
        "chat (pip install 'ppai[litellm]' here)",
    ),
    "messages/count_tokens": "vLLM or llama.cpp in a present version here or at an approved peer",
}
_COULD = {  # reasons that leave somebody who has the endpoint, now or later
    code.word
    for code in (Excluded.CLOSED, Excluded.COLD, Excluded.SILENT, Excluded.RETRIED, Excluded.MODALITY, Excluded.CONTEXT)
}
_AWAY = {code.word for code in (Excluded.DEAD, Excluded.SUSPECT, Excluded.SILENT)}
_PASSING = _AWAY | {Excluded.RETRIED.word}
# 503 is what programs try again by themselves, so it is said only where waiting may help.
_PINNED_AWAY = {
    "not_approved": (403, "it is not approved: run `ppai approve PEER`"),
    "dead": (503, "it is gone: start it again, or ask `auto`"),
    "suspect": (503, "it does not answer at the moment: try again, or ask `auto`"),
    "silent": (503, "it does not answer at the moment: try again, or ask `auto`"),
    "endpoint": (404, "its engine, or its version of PPAI, has no such endpoint: ask `auto`, or /v1/chat/completions"),
    "model": (404, "it does not serve that model: see `ppai models`"),
    "without_agent": (503, "its engine is not there: see `ppai status` on that machine"),
}


def _refusal(unmet_need: NobodyTakes | TooLong, pinned_local: str | None) -> InvalidRequest:
    why_here = f" (only our own engine was considered: {pinned_local})" if pinned_local else ""
    if isinstance(unmet_need, NobodyTakes):
        return InvalidRequest(
            f"nobody here takes {' and '.join(sorted(unmet_need.needs))}; GET /v1/models shows what each model takes"
            f"{why_here}",
            status=422,
            code="capability_missing",
        )
    return InvalidRequest(
        f"This request has at least {unmet_need.least_tokens} tokens; the largest context served here is "
        f"{unmet_need.largest_context}. Shorten it{why_here}.",
        param="messages",
        code="context_length_exceeded",
    )
